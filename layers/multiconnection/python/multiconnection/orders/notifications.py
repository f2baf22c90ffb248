"""The recharge workflow's executions on Step Functions; boto3 is loaded at the first use."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .models import Notice, NoticeFailed, WorkflowUnavailable

# Nobody waits under such a token: the wait has ended, or the token is none.
_NOBODY_WAITS = ("TaskDoesNotExist", "TaskTimedOut", "InvalidToken")


class StepFunctionsWorkflow:
    """Implements `Workflow`. An execution's name is the order's id, so an order is started once however often asked."""

    def __init__(self, state_machine_arn: str | None, region: str, endpoint_url: str | None = None) -> None:
        """Without an ARN every call is refused: most functions have nothing to do with orders."""
        self._arn = state_machine_arn
        self._region = region
        self._endpoint_url = endpoint_url
        self._client: Any = None

    async def start(self, order_id: str, run: int) -> None:
        arguments = {
            "stateMachineArn": self._arn,
            "name": execution_name(order_id, run),
            "input": json.dumps({"order_id": order_id}),
        }
        await self._call(lambda client: client.start_execution(**arguments), "ExecutionAlreadyExists")

    async def wake(self, token: str) -> bool:
        """The output says nothing: the order's row does."""
        answer = await self._call(lambda client: client.send_task_success(taskToken=token, output="{}"), *_NOBODY_WAITS)
        return answer is not None

    async def is_running(self, order_id: str, run: int) -> bool | None:
        executions = str(self._arn).replace(":stateMachine:", ":execution:", 1)
        arn = f"{executions}:{execution_name(order_id, run)}"
        answer = await self._call(lambda client: client.describe_execution(executionArn=arn), "ExecutionDoesNotExist")
        return None if answer is None else answer["status"] == "RUNNING"

    async def _call(self, operation: Callable[[Any], Any], *expected: str) -> Any:
        """The answer; None for an expected refusal."""
        if self._arn is None:
            raise WorkflowUnavailable("RECHARGE_STATE_MACHINE_ARN is not set")
        return await asyncio.to_thread(self._blocking, operation, expected)

    def _blocking(self, operation: Callable[[Any], Any], expected: tuple[str, ...]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return operation(self._connected())
        except ClientError as exc:
            code = exc.response.get("Error", {}).get("Code", "")
            if code in expected:
                return None
            # Without the message, which may quote a token.
            raise WorkflowUnavailable(code) from None
        except BotoCoreError as exc:
            raise WorkflowUnavailable(type(exc).__name__) from None

    def _connected(self) -> Any:
        if self._client is None:
            from multiconnection.aws.boto import client

            # Every operation here may be repeated.
            self._client = client("stepfunctions", self._region, self._endpoint_url)
        return self._client


def execution_name(order_id: str, run: int) -> str:
    """Names are unique for 90 days after an execution's end, so a second execution needs one of its own."""
    return f"{order_id}-{run}" if run else order_id


# Notices to people: e-mail where a sender's address is set, an SNS topic for administrators; boto3 at the first use.
# Each notice is also a line of the log, named `notice`, without its text and without the address.

_log = logging.getLogger(__name__)
# SNS: less than 100 characters, ASCII, no line break.
SUBJECT_CHARS_MAX = 99


@dataclass(frozen=True, slots=True)
class NoticeChannels:
    """What is None is not used: without a sender no user is written to, and administrators only through the topic."""

    sender: str | None = None
    admin_email: str | None = None
    admin_topic_arn: str | None = None


class AwsNotices:
    """Implements `Notices`."""

    def __init__(self, channels: NoticeChannels, region: str, endpoint_url: str | None = None) -> None:
        self._channels = channels
        self._region = region
        self._endpoint_url = endpoint_url
        self._clients: dict[str, Any] = {}

    async def send(self, notice: Notice) -> None:
        _log.info("notice", extra={"kind": notice.kind, "to_admins": notice.to is None, **notice.facts})
        to = notice.to or self._channels.admin_email
        topic_arn = None if notice.to else self._channels.admin_topic_arn
        if to is not None and self._channels.sender is not None:
            await asyncio.to_thread(self._sending, lambda: self._mail(notice, to))
        if topic_arn is not None:
            await asyncio.to_thread(self._sending, lambda: self._publish(notice, topic_arn))

    def _sending(self, send: Callable[[], object]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            send()
        except ClientError as exc:
            raise NoticeFailed(str(exc.response.get("Error", {}).get("Code", ""))) from exc
        except BotoCoreError as exc:
            raise NoticeFailed(type(exc).__name__) from exc

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

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            from multiconnection.aws.boto import client

            self._clients[service] = client(service, self._region, self._endpoint_url)
        return self._clients[service]


def _subject(text: str) -> str:
    return text.encode("ascii", "replace").decode()[:SUBJECT_CHARS_MAX]
