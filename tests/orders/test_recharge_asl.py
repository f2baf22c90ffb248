"""The state machine's file: whole, with every wait bounded, and no secret where logs could see it."""

import re
from typing import Any

import pytest

from multiconnection.orders.workflow import RechargeSteps
from tests.support.asl import CALLBACK, LAMBDA, load
from tests.support.fake_workflow import ASL

PLACES = {"OrdersTable": "orders", "RechargeFunctionArn": "arn:recharge", "OrderTtlSeconds": 3600}
DEFINITION = load(ASL, PLACES)
STATES: dict[str, dict[str, Any]] = DEFINITION["States"]
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}
DATABASE_IS_BUSY = ("DynamoDb.ProvisionedThroughputExceededException", "DynamoDb.ThrottlingException")


def following(state: dict[str, Any]) -> list[str]:
    branches = [*state.get("Choices", []), *state.get("Catch", [])]
    named = [state.get("Next"), state.get("Default"), *(branch["Next"] for branch in branches)]
    return [name for name in named if name is not None]


def test_every_state_is_there_and_reached() -> None:
    reached, todo = set(), [DEFINITION["StartAt"]]
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo.extend(following(STATES[name]))
    assert reached == set(STATES)


def test_nothing_is_left_to_substitute_and_nothing_is_substituted_in_vain() -> None:
    text = ASL.read_text()
    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(PLACES)
    assert DEFINITION["QueryLanguage"] == "JSONata"


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_bounded_and_repeated(name: str) -> None:
    task = TASKS[name]
    assert isinstance(task["TimeoutSeconds"], int)
    [retry] = task["Retry"]
    assert 2 <= retry["MaxAttempts"] <= 10
    assert retry["MaxDelaySeconds"] <= 60


def test_the_tasks_are_the_steps_that_the_function_knows() -> None:
    called = {task["Arguments"]["Payload"]["step"] for task in TASKS.values() if task["Resource"] == LAMBDA}
    assert called == {"review", "look", "credit", "expire", "notify"}
    assert all(hasattr(RechargeSteps, step) for step in called)


def test_the_wait_ends_with_the_orders_lifetime_and_is_refused_by_a_decided_order() -> None:
    [wait] = [task for task in TASKS.values() if task["Resource"] == CALLBACK]
    assert wait["TimeoutSeconds"] == 3600
    assert wait["Arguments"]["ConditionExpression"] == "#status = :in_review"
    caught = {error: catch["Next"] for catch in wait["Catch"] for error in catch["ErrorEquals"]}
    assert caught == {"States.Timeout": "Expire", "DynamoDb.ConditionalCheckFailedException": "Look"}
    repeated = wait["Retry"][0]["ErrorEquals"]
    assert set(DATABASE_IS_BUSY) <= set(repeated)
    # A repeated wait after its time-out would never expire.
    assert not {"States.ALL", "States.Timeout", "States.TaskFailed", *caught} & set(repeated)


def test_the_token_is_handed_to_the_table_alone() -> None:
    assert ASL.read_text().count("Task.Token") == 1
    assert all(task["Output"] in ("{% $states.result.Payload %}", "{% $states.input %}") for task in TASKS.values())
