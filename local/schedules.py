"""The local EventBridge and SQS: calls the workers' handlers on the template's schedules and with queue messages."""

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.invocations import Handler, handler_of
from local.template import Template

POLL_S = 2.0
BATCH_MAX = 10
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_UNIT_S = {"minute": 60, "hour": 3600, "day": 86_400}


@dataclass(slots=True)
class Schedule:
    """One rate of one function; the first call comes one period after the start."""

    name: str
    handler: Handler
    payload: dict[str, Any]
    period_s: int
    due_at: float


@dataclass(frozen=True, slots=True)
class Subscription:
    """One queue that a function takes messages from."""

    handler: Handler
    queue_url: str


def rate_s(expression: str) -> int:
    """Seconds of `rate(1 minute)`; raises ValueError on anything else."""
    found = _RATE.fullmatch(expression)
    if found is None:
        raise ValueError(f"only rate(…) is run locally, not {expression!r}")
    return int(found[1]) * _UNIT_S[found[2]]


def schedules(template: Template, now: float) -> list[Schedule]:
    return [
        Schedule(spec.name, handler_of(spec), json.loads(payload), rate_s(expression), now + rate_s(expression))
        for spec in template.functions().values()
        for expression, payload in spec.schedules
    ]


def subscriptions(template: Template, queue_urls: Mapping[str, str]) -> list[Subscription]:
    return [
        Subscription(handler_of(spec), queue_urls[queue])
        for spec in template.functions().values()
        for queue in spec.queues
    ]


def deliver(client: Any, subscription: Subscription) -> int:
    """One batch: handled messages are deleted, failed ones come again after their visibility time-out."""
    answer = client.receive_message(QueueUrl=subscription.queue_url, MaxNumberOfMessages=BATCH_MAX)
    messages = answer.get("Messages", [])
    if not messages:
        return 0
    records = [{"messageId": message["MessageId"], "body": message["Body"]} for message in messages]
    result = subscription.handler({"Records": records})
    failed = {failure["itemIdentifier"] for failure in result["batchItemFailures"]}
    for message in messages:
        if message["MessageId"] not in failed:
            client.delete_message(QueueUrl=subscription.queue_url, ReceiptHandle=message["ReceiptHandle"])
    return len(messages) - len(failed)


def run_due(planned: list[Schedule], now: float) -> None:
    for schedule in planned:
        if schedule.due_at <= now:
            schedule.due_at = now + schedule.period_s
            result = schedule.handler(schedule.payload)
            print(json.dumps({"function": schedule.name, "result": result}), flush=True)


def run_schedules(template: Template, queue_urls: Mapping[str, str], stopped: threading.Event) -> None:
    """Until `stopped`; a database that is down is tried again at the next turn."""
    client = botocore.session.get_session().create_client("sqs", config=Config(read_timeout=10))
    queues = subscriptions(template, queue_urls)
    planned = schedules(template, time.monotonic())
    while not stopped.wait(POLL_S):
        try:
            run_due(planned, time.monotonic())
            for subscription in queues:
                deliver(client, subscription)
        except (BotoCoreError, ClientError) as exc:
            print(json.dumps({"error": repr(exc)}), flush=True)
