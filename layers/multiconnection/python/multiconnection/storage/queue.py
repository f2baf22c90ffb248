"""The fallback queue: decisions that the usage table would not take, as SQS messages."""

import asyncio
import json
from typing import Any

from multiconnection.ledger.accounts import UsageRow
from multiconnection.ledger.store import OutcomeUnknown

from . import usage
from .answers import store_error

# A settlement waits for this client, so two attempts that hang fit into what a settlement may take.
CONNECT_TIMEOUT_S = 1.0
READ_TIMEOUT_S = 2.0


def encode(row: UsageRow) -> str:
    return json.dumps(usage.to_item(row), separators=(",", ":"))


def decode(body: str) -> UsageRow:
    """Raises KeyError or ValueError on a message that is not ours."""
    return usage.parse(json.loads(body))


class SqsFallbackQueue:
    """Implements `FallbackQueue`. botocore is loaded at the first use: an emergency is no reason for a slow start."""

    def __init__(self, url: str, region: str, endpoint_url: str | None = None) -> None:
        self._url = url
        self._region = region
        self._endpoint_url = endpoint_url
        self._client: Any = None

    def message(self, row: UsageRow) -> str:
        return encode(row)

    async def send(self, row: UsageRow) -> None:
        await asyncio.to_thread(self._send, encode(row))

    def _send(self, body: str) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._connected().send_message(QueueUrl=self._url, MessageBody=body)
        except ClientError as exc:
            error = exc.response.get("Error", {})
            status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
            raise store_error(status, error.get("Code", ""), {}, "SendMessage") from exc
        except BotoCoreError as exc:
            raise OutcomeUnknown(f"SendMessage: {type(exc).__name__}") from exc

    def _connected(self) -> Any:
        if self._client is None:
            import botocore.session
            from botocore.config import Config

            # The ledger repeats what may be repeated, so botocore sends once.
            once = Config(
                retries={"total_max_attempts": 1, "mode": "standard"},
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
            )
            self._client = botocore.session.get_session().create_client(
                "sqs", region_name=self._region, endpoint_url=self._endpoint_url, config=once
            )
        return self._client
