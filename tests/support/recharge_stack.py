"""A recharge on a local AWS: tables, state machine, topic and mail of MiniStack; the steps run in this process."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import httpx

from local.ministack import MiniStack
from local.resources import clients, create
from local.template import load as load_template
from multiconnection.aws.boto import BotoDriver, dynamodb_client
from multiconnection.bootstrap.base import SystemClock, SystemRng
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables
from multiconnection.ledger.ledger import Ledger, Margins
from multiconnection.orders.decisions import OrderDecisions
from multiconnection.orders.models import Order, OrderTerms
from multiconnection.orders.notifications import AwsNotices, NoticeChannels, StepFunctionsWorkflow
from multiconnection.orders.receipts import receipt_url
from multiconnection.orders.service import OrderAccess, OrderService
from multiconnection.orders.store import OrderCredits, OrdersTable
from multiconnection.orders.workflow import OrderRepair, RechargeSteps
from tests.support.asl import load as load_asl
from tests.support.aws_http import aws_http
from tests.support.fake_objects import FakeObjects
from tests.support.fake_workflow import ASL
from tests.support.lambda_host import forwarded_function, state_machine
from tests.support.orders_world import (
    ADMIN,
    AUDIT,
    AUDIT_KEYS,
    USER,
    Alarms,
    NoQueue,
    audit_table,
    model_name,
    request,
)
from tools.memory_dynamo.driver import MemoryDynamo

ROOT = Path(__file__).parents[2]
EXECUTABLE = ROOT / ".tools" / "ministack" / "bin" / "ministack"
SERVICES = ("dynamodb", "lambda", "s3", "ses", "sns", "sqs", "states")
SENDER = "orders@example.com"
REGION = "us-east-1"
PATIENCE_S = 30.0


class LateClock:
    """The repair's view: a minute ahead, so that nothing is too young to be looked at."""

    def now(self) -> float:
        return time.time() + 61


@dataclass
class RechargeStack:
    """The recharge of a deployment; `after_step` may break a step that has done its work."""

    aws: MiniStack
    host_url: str
    ttl_s: int
    alarms: Alarms = field(default_factory=Alarms)
    after_step: Callable[[dict[str, Any]], None] | None = None
    steps_run: list[str] = field(default_factory=list)

    def open(self) -> None:
        """Once MiniStack runs; again after it was started anew."""
        endpoint_url = self.aws.endpoint_url
        names = create(load_template(ROOT / "template.yaml"), clients(endpoint_url, REGION))
        tables = LedgerTables(names["BalancesTable"], names["UsageTable"], names["CreditsTable"])
        driver = BotoDriver(dynamodb_client(REGION, endpoint_url))
        self.rng = SystemRng()
        self.orders = OrdersTable(driver, names["OrdersTable"])
        store = DynamoStore(driver, tables)
        self.credits = OrderCredits(store, names["OrdersTable"])
        self.ledger = Ledger(store, NoQueue(), self.alarms, SystemClock(), self.rng, model_name, Margins())
        function = forwarded_function(self.client("lambda"), f"recharge-{self.ttl_s}", f"{self.host_url}/{self.ttl_s}")
        places = {"OrdersTable": names["OrdersTable"], "RechargeFunctionArn": function, "OrderTtlSeconds": self.ttl_s}
        arn = state_machine(self.client("stepfunctions"), f"recharge-{self.ttl_s}", json.dumps(load_asl(ASL, places)))
        self.workflow = StepFunctionsWorkflow(arn, aws_http(endpoint_url))
        self._open_notices()

    def client(self, service: str) -> Any:
        session = boto3.Session("test", "test", region_name=REGION)
        return session.client(service, endpoint_url=self.aws.endpoint_url)  # type: ignore[call-overload]

    def _open_notices(self) -> None:
        """The administrators' topic into a queue; mail to everybody from an address that may send."""
        sns, sqs, ses = self.client("sns"), self.client("sqs"), self.client("sesv2")
        self.queue_url = sqs.create_queue(QueueName=f"admins-{self.ttl_s}")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=["QueueArn"])["Attributes"]
        topic = sns.create_topic(Name=f"admins-{self.ttl_s}")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=attributes["QueueArn"])
        if not ses.list_email_identities()["EmailIdentities"]:
            ses.create_email_identity(EmailIdentity=SENDER)
            ses.put_account_details(
                MailType="TRANSACTIONAL", WebsiteURL="http://localhost", ProductionAccessEnabled=True
            )
        self.notices = AwsNotices(NoticeChannels(SENDER, ADMIN.email, topic), REGION, self.aws.endpoint_url)

    @property
    def access(self) -> OrderAccess:
        return OrderAccess(self.orders, self.workflow, self.alarms, SystemClock(), self.rng)

    @property
    def service(self) -> OrderService:
        return OrderService(self.access, OrderTerms(ttl_s=self.ttl_s, open_max=100))

    @property
    def decisions(self) -> OrderDecisions:
        log = audit_table(MemoryDynamo({AUDIT: AUDIT_KEYS}), SystemClock())
        return OrderDecisions(self.access, self.ledger.store, partial(receipt_url, FakeObjects()), log)

    @property
    def steps(self) -> RechargeSteps:
        return RechargeSteps(self.orders, self.credits, self.notices, self.alarms, SystemClock(), self.rng)

    def handler(self, event: dict[str, Any], context: Any) -> dict[str, str]:
        answer = asyncio.run(self.steps.run(event["step"], event["order_id"]))
        self.steps_run.append(event["step"])
        if self.after_step:
            self.after_step(event)
        return answer

    async def repair(self) -> None:
        await OrderRepair(self.orders, self.workflow, self.alarms, LateClock(), self.ttl_s).repair_orders()

    async def submit(self, name: str) -> Order:
        order, _ = await self.service.create(USER, request(name))
        return order

    async def waiting(self, name: str) -> Order:
        """A new order whose workflow waits for a decision."""
        order = await self.submit(name)
        return await self.eventually(order, lambda found: found.token is not None)

    async def approve(self, order: Order) -> Order:
        return await self.decisions.approve(ADMIN, order.order_id, "100.00", USER.account_id)

    async def closed(self, order: Order) -> Order:
        """The order, once its last step has ended as well."""
        return await self.eventually(
            order, lambda found: found.notified_s is not None and self.steps_run[-1:] == ["notify"]
        )

    async def eventually(self, order: Order, true: Callable[[Order], bool]) -> Order:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found = await self.orders.get(order.order_id)
            assert found is not None
            if true(found):
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"{found}, steps {self.steps_run}, alarms {self.alarms.raised}")

    async def execution(self, name: str) -> str:
        """Its status once it has ended."""
        arn = f"{str(self.workflow._arn).replace(':stateMachine:', ':execution:')}:{name}"
        deadline = time.monotonic() + PATIENCE_S
        while (found := self.client("stepfunctions").describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        return str(found["status"])

    async def credits_in(self) -> int:
        image = await self.ledger.store.account(USER.account_id)
        assert image is not None
        report = await self.ledger.reconcile(USER.account_id)
        assert report is not None
        assert (report.drift, report.verified) == (0, True)
        return image.credits_in

    def published(self) -> list[dict[str, Any]]:
        """What the topic has sent since it was last looked at."""
        answer = self.client("sqs").receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            self.client("sqs").delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    def mailed(self, order: Order) -> list[tuple[str, str]]:
        """Recipient and subject of every mail about the order, oldest first."""
        answer = httpx.get(f"{self.aws.endpoint_url}/_ministack/ses/messages", trust_env=False).json()["messages"]
        found = [entry for entries in answer.values() for entry in entries]
        return [(*entry["To"], entry["Subject"]) for entry in found if order.reference in entry["Subject"]]
