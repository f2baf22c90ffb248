"""The local AWS of `make run` and of its commands, and clients of any local AWS."""

from typing import Any

import boto3
from botocore.config import Config

from local.environment import LOCAL_ACCESS_KEY, REGION
from local.ministack import MiniStack
from local.paths import MINISTACK, STATE_DIR


def local_aws() -> MiniStack:
    """With its state of the last run. Codes from mails and credentials are checked, as AWS does."""
    return MiniStack(MINISTACK, STATE_DIR, region=REGION, checks=True)


def client(service: str, endpoint_url: str, region: str = REGION) -> Any:
    """With fixed credentials: real ones never leave the machine this way."""
    session = boto3.Session(LOCAL_ACCESS_KEY, LOCAL_ACCESS_KEY, region_name=region)
    config = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 3})
    return session.client(service, endpoint_url=endpoint_url, config=config)  # type: ignore[call-overload]
