"""botocore for workers, tools and rare operations. Importing this module loads botocore, so functions do it lazily."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import botocore.session
from aiodynamo.credentials import Key
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)

from multiconnection.retry import OutcomeUnknown, StoreUnavailable

from .client import AwsHttp
from .dynamo import store_error
from .sigv4 import KeyUnavailable


def client(
    service: str,
    region: str,
    endpoint_url: str | None = None,
    *,
    attempts_max: int = 2,
    connect_timeout_s: float = 2,
    read_timeout_s: float = 5,
) -> Any:
    """A client with bounds of its own: botocore's default re-sends up to ten times, also after an unknown outcome."""
    config = Config(
        retries={"total_max_attempts": attempts_max, "mode": "standard"},
        connect_timeout=connect_timeout_s,
        read_timeout=read_timeout_s,
        max_pool_connections=64,
        # S3 presigns URLs with an older signature by default, which newer regions refuse.
        signature_version="s3v4" if service == "s3" else None,
    )
    # botocore generates its clients, so that they have no type of their own.
    session: Any = botocore.session.get_session()
    return session.create_client(service, region_name=region, endpoint_url=endpoint_url, config=config)


def dynamodb_client(region: str, endpoint_url: str | None = None) -> Any:
    """A client that sends everything once, because the ledger repeats writes itself."""
    return client("dynamodb", region, endpoint_url, attempts_max=1)


class BotoDriver:
    """Implements `Driver` on a low-level client, whose attribute form is DynamoDB's JSON already.

    Its methods block: a worker runs one coroutine at a time.
    """

    def __init__(self, dynamodb: Any) -> None:
        self._dynamodb = dynamodb

    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        with store_errors(operation):
            result: dict[str, Any] = getattr(self._dynamodb, xform_name(operation))(**payload)
        return result


def aws_http(region: str, endpoint_url: str | None = None) -> AwsHttp:
    """The client of services that API functions call too, with botocore's credentials, such as an operator's profile.

    It keeps no connection: tools run an event loop for each task, and workers are frozen between two of theirs.
    """
    # It keeps the credentials, and refreshes them itself.
    session: Any = botocore.session.get_session()

    async def key() -> Key:
        try:
            found = session.get_credentials()
            frozen = found.get_frozen_credentials() if found else None
        except BotoCoreError as exc:
            raise KeyUnavailable(f"AWS credentials: {type(exc).__name__}") from exc
        if frozen is None:
            raise KeyUnavailable("no AWS credentials")
        return Key(frozen.access_key, frozen.secret_key, frozen.token)

    return AwsHttp(key, lambda: None, region, endpoint_url, keep_alive=False)


@contextmanager
def store_errors(operation: str) -> Iterator[None]:
    """Raise a StoreError for an error of botocore's."""
    try:
        yield
    except ClientError as exc:
        error = exc.response.get("Error", {})
        status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        answer = {**exc.response, "message": error.get("Message", "")}
        raise store_error(status, error.get("Code", ""), answer, operation) from exc
    except (ConnectTimeoutError, EndpointConnectionError, NoCredentialsError) as exc:
        raise StoreUnavailable(f"{operation}: {type(exc).__name__}") from exc
    except BotoCoreError as exc:
        raise OutcomeUnknown(f"{operation}: {type(exc).__name__}") from exc
