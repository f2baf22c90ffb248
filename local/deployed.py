"""The environment of a deployed stack, read from CloudFormation for the operator's commands."""

import os
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from local.environment import declared_environment
from local.paths import TEMPLATE
from local.template import load


class NoSuchStack(RuntimeError):
    """CloudFormation does not know the stack, or does not let us see it."""


def deployed_environment(stack: str) -> dict[str, str]:
    """With the credentials and region of your AWS profile; raises NoSuchStack."""
    try:
        client: Any = boto3.client("cloudformation")
        pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
        resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
        parameters = client.describe_stacks(StackName=stack)["Stacks"][0].get("Parameters", [])
    except (BotoCoreError, ClientError) as exc:
        raise NoSuchStack(f"{stack}: {exc}") from exc
    names = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}
    chosen = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in parameters}
    declared = declared_environment(load(TEMPLATE), names, chosen)
    # The secret is for the functions; a command on this machine needs no provider key.
    del declared["PROVIDER_SECRET_ARN"]
    return {**os.environ, **declared, "AWS_REGION": client.meta.region_name}
