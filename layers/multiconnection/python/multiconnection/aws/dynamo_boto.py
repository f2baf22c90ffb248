"""The boto3 driver of workers and tools. Its methods block: a worker runs one coroutine at a time."""

from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)

from multiconnection.retry import OutcomeUnknown, StoreUnavailable

from .dynamo import store_error

# botocore's default re-sends up to ten times, also after an unknown outcome; the ledger repeats writes itself.
ONCE = Config(
    retries={"total_max_attempts": 1, "mode": "standard"},
    connect_timeout=2,
    read_timeout=5,
    max_pool_connections=64,
)


def dynamodb_client(region: str, endpoint_url: str | None = None) -> BaseClient:
    return botocore.session.get_session().create_client(
        "dynamodb", region_name=region, endpoint_url=endpoint_url, config=ONCE
    )


class BotoDriver:
    """Implements `Driver` on a low-level client, whose attribute form is DynamoDB's JSON already."""

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        method = getattr(self._client, xform_name(operation))
        try:
            result: dict[str, Any] = method(**payload)
        except ClientError as exc:
            error = exc.response.get("Error", {})
            status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
            answer = {**exc.response, "message": error.get("Message", "")}
            raise store_error(status, error.get("Code", ""), answer, operation) from exc
        except (ConnectTimeoutError, EndpointConnectionError, NoCredentialsError) as exc:
            raise StoreUnavailable(f"{operation}: {type(exc).__name__}") from exc
        except BotoCoreError as exc:
            raise OutcomeUnknown(f"{operation}: {type(exc).__name__}") from exc
        return result
