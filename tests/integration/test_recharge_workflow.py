"""The state machine's own file on a real Step Functions: MiniStack, with the steps of the function in this process."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from local.ministack import MiniStack
from multiconnection.errors import OrderNotPending
from multiconnection.ledger.models import AccountLimits
from multiconnection.money import NANO_PER_USD
from multiconnection.orders.models import Notice, NoticeFailed, OrderStatus, WorkflowUnavailable
from multiconnection.orders.notifications import AwsNotices, NoticeChannels, StepFunctionsWorkflow
from tests.support.aws_http import aws_http
from tests.support.lambda_host import lambda_host
from tests.support.orders_world import ADMIN, SECOND_ADMIN, USER
from tests.support.recharge_stack import EXECUTABLE, REGION, SENDER, SERVICES, RechargeStack

HUNDRED = 100 * NANO_PER_USD


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, RechargeStack]]:
    """Two state machines: one whose orders live for an hour, one whose orders live for two seconds."""
    found: dict[int, RechargeStack] = {}
    handlers = {
        str(ttl_s): lambda event, context, ttl_s=ttl_s: found[ttl_s].handler(event, context) for ttl_s in (3600, 2)
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
            patch.setenv(name, value)
        with (
            MiniStack(EXECUTABLE, tmp_path_factory.mktemp("recharge"), services=SERVICES) as aws,
            lambda_host(handlers) as url,
        ):
            for ttl_s in (3600, 2):
                found[ttl_s] = RechargeStack(aws, url, ttl_s)
                found[ttl_s].open()
            asyncio.run(found[2].ledger.create_account(USER.account_id, "", AccountLimits()))
            yield found


@pytest.fixture
def stack(stacks: dict[int, RechargeStack]) -> Iterator[RechargeStack]:
    found = stacks[3600]
    found.alarms.raised.clear()
    found.steps_run.clear()
    yield found
    found.after_step = None


async def test_an_approved_order_is_credited_and_everybody_told(stack: RechargeStack) -> None:
    before = await stack.credits_in()
    order = await stack.waiting("approved-order")
    [announcement] = stack.published()
    assert order.reference in announcement["Subject"]
    assert announcement["MessageAttributes"]["kind"]["Value"] == "order_submitted"
    await stack.approve(order)
    credited = await stack.closed(order)
    assert (credited.status, credited.token) == (OrderStatus.CREDITED, None)
    assert await stack.credits_in() == before + HUNDRED
    assert await stack.execution(order.order_id) == "SUCCEEDED"
    assert stack.steps_run == ["review", "look", "credit", "notify"]
    assert stack.mailed(order) == [
        (ADMIN.email, f"Order {order.reference}: 100.00 USD"),
        (USER.email, f"Your order {order.reference}: credited"),
    ]
    assert stack.alarms.raised == []


async def test_a_rejected_order_moves_no_money(stack: RechargeStack) -> None:
    before = await stack.credits_in()
    order = await stack.waiting("rejected-order")
    await stack.decisions.reject(ADMIN, order.order_id, "nothing arrived")
    assert (await stack.closed(order)).status is OrderStatus.REJECTED
    with pytest.raises(OrderNotPending):
        await stack.decisions.approve(SECOND_ADMIN, order.order_id, "100", USER.account_id)
    assert await stack.execution(order.order_id) == "SUCCEEDED"
    assert "credit" not in stack.steps_run
    assert await stack.credits_in() == before


async def test_a_cancelled_order_ends_its_workflow(stack: RechargeStack) -> None:
    order = await stack.waiting("cancelled-order")
    await stack.service.cancel(USER.account_id, order.order_id)
    assert (await stack.closed(order)).status is OrderStatus.CANCELLED
    assert await stack.execution(order.order_id) == "SUCCEEDED"


async def test_an_order_expires_by_the_timer_of_the_state_machine(stacks: dict[int, RechargeStack]) -> None:
    stack = stacks[2]
    order = await stack.waiting("expired-order")
    token = order.token
    assert token is not None
    expired = await stack.closed(order)
    assert expired.status is OrderStatus.EXPIRED
    assert stack.steps_run[-2:] == ["expire", "notify"]
    assert await stack.execution(order.order_id) == "SUCCEEDED"
    with pytest.raises(OrderNotPending):
        await stack.approve(order)
    assert await stack.workflow.wake(token) is False


async def test_a_credit_step_that_fails_after_its_work_is_repeated_and_credits_once(stack: RechargeStack) -> None:
    before = await stack.credits_in()
    failures = ["credit", "credit"]

    def fail(event: dict[str, Any]) -> None:
        if event["step"] in failures:
            failures.remove(event["step"])
            raise TimeoutError("the answer was lost")

    stack.after_step = fail
    order = await stack.waiting("repeated-credit")
    await stack.approve(order)
    assert (await stack.closed(order)).status is OrderStatus.CREDITED
    assert stack.steps_run.count("credit") == 3
    assert await stack.credits_in() == before + HUNDRED


async def test_two_executions_of_one_order_credit_once(stack: RechargeStack) -> None:
    before = await stack.credits_in()
    order = await stack.waiting("two-executions")
    await stack.workflow.start(order.order_id, 0)
    await stack.workflow.start(order.order_id, 1)
    order = await stack.eventually(order, lambda found: found.token not in (None, order.token))
    await asyncio.gather(*(stack.approve(order) for _ in range(3)))
    await stack.closed(order)
    assert await stack.execution(f"{order.order_id}-1") == "SUCCEEDED"
    assert await stack.credits_in() == before + HUNDRED


async def test_an_order_that_was_decided_about_first_is_not_waited_for(stack: RechargeStack) -> None:
    """The condition of the state machine's own write: the token is refused, the workflow looks and credits."""
    before = await stack.credits_in()

    def decide(event: dict[str, Any]) -> None:
        if event["step"] == "review":
            asyncio.run(stack.decisions.approve(ADMIN, event["order_id"], "100.00", USER.account_id))

    stack.after_step = decide
    order = await stack.closed(await stack.submit("decided-first"))
    assert (order.status, order.token) == (OrderStatus.CREDITED, None)
    assert stack.steps_run == ["review", "look", "credit", "notify"]
    assert await stack.execution(order.order_id) == "SUCCEEDED"
    assert await stack.credits_in() == before + HUNDRED


async def test_unknown_tokens_and_executions_are_no_failures(stack: RechargeStack) -> None:
    assert await stack.workflow.wake("no-such-token") is False
    assert await stack.workflow.is_running("ord_" + "0" * 16, 0) is None


async def test_the_repair_carries_out_what_a_restart_has_lost(stack: RechargeStack) -> None:
    """Executions do not survive a restart of MiniStack, which is as hard as a service can fail."""
    before = await stack.credits_in()
    approved, waiting = await stack.waiting("lost-approved"), await stack.waiting("lost-waiting")
    stack.aws.stop()
    stack.aws.start()
    stack.open()
    assert await stack.workflow.is_running(approved.order_id, 0) is False
    await stack.approve(approved)
    await stack.repair()
    assert (await stack.closed(approved)).status is OrderStatus.CREDITED
    again = await stack.eventually(waiting, lambda found: found.token not in (None, waiting.token))
    await stack.approve(again)
    assert (await stack.closed(waiting)).status is OrderStatus.CREDITED
    assert await stack.credits_in() == before + 2 * HUNDRED


async def test_services_that_are_down_or_not_set_are_told_apart_from_refusals() -> None:
    nowhere = "http://127.0.0.1:1"
    for workflow in (StepFunctionsWorkflow(None, aws_http()), StepFunctionsWorkflow("arn:x", aws_http(nowhere))):
        for call in (workflow.start("ord_1", 0), workflow.wake("token"), workflow.is_running("ord_1", 0)):
            with pytest.raises(WorkflowUnavailable) as refused:
                await call
            assert "token" not in str(refused.value)
    notice = Notice("order_credited", USER.email, "subject", "text")
    with pytest.raises(NoticeFailed):
        await AwsNotices(NoticeChannels(SENDER), REGION, nowhere).send(notice)
    await AwsNotices(NoticeChannels(), REGION, nowhere).send(notice)
