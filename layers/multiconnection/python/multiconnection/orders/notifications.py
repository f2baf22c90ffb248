"""Outgoing calls of recharge orders: the workflow's executions on Step Functions, and notices by SES and SNS.

Notices are sent by the workflow's worker, over boto3, which is loaded with the first of them.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from multiconnection.aws.client import AwsHttp, AwsRefused, AwsService, AwsUnreachable

from .models import Notice, NoticeFailed, WorkflowUnavailable, execution_name

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
    from aws_lambda_powertools.utilities.typing import LambdaContext

# No execution waits under such a token: the wait has ended, or the text is not a token.
_NOT_WAITING = ("TaskDoesNotExist", "TaskTimedOut", "InvalidToken")
# SNS: less than 100 characters, ASCII, no line break.
SUBJECT_CHARS_MAX = 99
# How long it is remembered that a person's notice was sent; the order itself is marked right after.
REMEMBERED_S = 7 * 86_400
# The longest that a step runs: a notice that was begun longer ago, by a process that died, is sent again.
STEP_MS = 60_000
_log = logging.getLogger(__name__)


class StepFunctionsWorkflow:
    """Implements `Workflow`. The execution's name is the order's id, so an order's workflow is started once."""

    def __init__(self, state_machine_arn: str | None, http: AwsHttp) -> None:
        """Every call is refused without an ARN, which most functions do not have."""
        self._arn = state_machine_arn
        # Each operation may be repeated.
        self._states = AwsService(http, "states", "AWSStepFunctions", attempts_max=2)

    async def start(self, order_id: str, run: int) -> None:
        execution = {
            "stateMachineArn": self._arn,
            "name": execution_name(order_id, run),
            "input": json.dumps({"order_id": order_id}),
        }
        await self._call("StartExecution", execution, "ExecutionAlreadyExists")

    async def wake(self, token: str) -> bool:
        """The output is empty, because the workflow reads the order's row."""
        answer = await self._call("SendTaskSuccess", {"taskToken": token, "output": "{}"}, *_NOT_WAITING)
        return answer is not None

    async def is_running(self, order_id: str, run: int) -> bool | None:
        executions = str(self._arn).replace(":stateMachine:", ":execution:", 1)
        arn = f"{executions}:{execution_name(order_id, run)}"
        answer = await self._call("DescribeExecution", {"executionArn": arn}, "ExecutionDoesNotExist")
        return None if answer is None else answer["status"] == "RUNNING"

    async def _call(self, operation: str, members: Mapping[str, Any], *expected: str) -> dict[str, Any] | None:
        """The answer; None for an expected refusal."""
        if self._arn is None:
            raise WorkflowUnavailable("RECHARGE_STATE_MACHINE_ARN is not set")
        try:
            return await self._states.call(operation, members)
        except AwsRefused as exc:
            if exc.code in expected:
                return None
            raise WorkflowUnavailable(exc.code) from None
        except AwsUnreachable as exc:
            raise WorkflowUnavailable(exc.reason) from None


@dataclass(frozen=True, slots=True)
class NoticeChannels:
    """Channels that are None are not used: without a sender users get no mail, and administrators only the topic."""

    sender: str | None = None
    admin_email: str | None = None
    admin_topic_arn: str | None = None


class AwsNotices:
    """Implements `Notices`: e-mail where a sender's address is set, and an SNS topic for administrators.

    Each notice is also logged as `notice`, without its text and without the address.
    """

    def __init__(
        self,
        channels: NoticeChannels,
        region: str,
        endpoint_url: str | None = None,
        sent: "Callable[[], DynamoDBPersistenceLayer] | None" = None,
    ) -> None:
        """With `sent`, a person's notice that was sent is not sent again when the step is repeated."""
        self._channels = channels
        self._region = region
        self._endpoint_url = endpoint_url
        self._sent = sent
        self._clients: dict[str, Any] = {}

    async def send(self, notice: Notice) -> None:
        _log.info("notice", extra={"kind": notice.kind, "to_admins": notice.to is None, **notice.facts})
        once = self._once if notice.to is not None and self._sent is not None else self._deliver
        await asyncio.to_thread(once, notice)

    def _once(self, notice: Notice) -> None:
        """Powertools' Idempotency: the record says that it is being sent, then that it was, or goes with a failure."""
        from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function
        from aws_lambda_powertools.utilities.idempotency import exceptions as refused

        assert self._sent is not None
        config = IdempotencyConfig(expires_after_seconds=REMEMBERED_S, lambda_context=_step())
        send = idempotent_function(
            lambda **_: self._deliver(notice),
            data_keyword_argument="notice",
            persistence_store=self._sent(),
            config=config,
            key_prefix="notice",
        )
        try:
            send(notice={"kind": notice.kind, **notice.facts})
        except (refused.IdempotencyAlreadyInProgressError, refused.IdempotencyPersistenceLayerError) as exc:
            raise NoticeFailed(type(exc).__name__) from exc

    def _deliver(self, notice: Notice) -> None:
        to = notice.to or self._channels.admin_email
        topic_arn = None if notice.to else self._channels.admin_topic_arn
        if to is not None and self._channels.sender is not None:
            self._sending(lambda: self._mail(notice, to))
        if topic_arn is not None:
            self._sending(lambda: self._publish(notice, topic_arn))

    def _sending(self, send: Callable[[], object]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            send()
        except ClientError as exc:
            raise NoticeFailed(str(exc.response.get("Error", {}).get("Code", ""))) from exc
        except BotoCoreError as exc:
            raise NoticeFailed(type(exc).__name__) from exc

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            from multiconnection.aws.boto import client

            self._clients[service] = client(service, self._region, self._endpoint_url)
        return self._clients[service]

    def _publish(self, notice: Notice, topic_arn: str) -> None:
        """Administrators subscribe with their mailboxes; the attribute is for programs that filter."""
        self._client("sns").publish(
            TopicArn=topic_arn,
            Subject=_subject(notice.subject),
            Message=notice.text,
            MessageAttributes={"kind": {"DataType": "String", "StringValue": notice.kind}},
        )

    def _mail(self, notice: Notice, to: str) -> None:
        self._client("sesv2").send_email(
            FromEmailAddress=self._channels.sender,
            Destination={"ToAddresses": [to]},
            Content={"Simple": {"Subject": {"Data": notice.subject}, "Body": {"Text": {"Data": notice.text}}}},
        )


def _step() -> "LambdaContext":
    """Stands for Lambda's context, of which Idempotency wants the time that is left."""
    from aws_lambda_powertools.utilities.typing import LambdaContext

    class Step(LambdaContext):
        @staticmethod
        def get_remaining_time_in_millis() -> int:
            return STEP_MS

    return Step()


def _subject(text: str) -> str:
    return text.encode("ascii", "replace").decode()[:SUBJECT_CHARS_MAX]
