"""The client of AWS services with static credentials, for a local AWS or for answers made up by a test."""

import httpx
from aiodynamo.credentials import Key

from multiconnection.aws.client import AwsHttp

KEY = Key("test", "test")


def aws_http(
    endpoint_url: str | None = None, transport: httpx.AsyncBaseTransport | None = None, *, region: str = "us-east-1"
) -> AwsHttp:
    """It keeps no connection, so that nothing has to be closed."""

    async def key() -> Key:
        return KEY

    return AwsHttp(key, lambda: None, region, endpoint_url, keep_alive=False, transport=transport)
