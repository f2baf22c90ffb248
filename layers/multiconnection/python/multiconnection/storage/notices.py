"""Notices to people: e-mail where a sender's address is set, an SNS topic for administrators; boto3 at the first use.

Each notice is also a line of the log, named `notice`, without its text and without the address.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from multiconnection.services.order_ports import Notice, NoticeFailed

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
            import botocore.session
            from botocore.config import Config

            config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2, "mode": "standard"})
            self._clients[service] = botocore.session.get_session().create_client(
                service, region_name=self._region, endpoint_url=self._endpoint_url, config=config
            )
        return self._clients[service]


def _subject(text: str) -> str:
    return text.encode("ascii", "replace").decode()[:SUBJECT_CHARS_MAX]
