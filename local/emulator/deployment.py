"""`sam build` for this machine, `sam deploy` onto a local AWS, and what came of it."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from local.emulator.adapt import adapted
from local.emulator.aws import INTERPRETER
from local.environment import LOCAL_PARAMETERS, REGION, aws_environment, child_environment, function_environment
from local.ministack import MiniStack
from local.notices import ensure_sender
from local.packaging.check import check
from local.packaging.sam import sam, sam_build
from local.packaging.target import ARCHITECTURES, Target, target_of
from local.paths import ROOT, TEMPLATE
from local.template import load

STACK = "multiconnection"
# A model is listed when one of its providers is known. Nothing calls this one: MiniStack does not stream.
_PROVIDERS = {"DEMO_BASE_URL": "http://127.0.0.1:9/v1"}
_ARCHITECTURE = {machine: name for name, machine in ARCHITECTURES.items()} | {"arm64": "arm64", "AMD64": "x86_64"}


@dataclass(frozen=True, slots=True)
class Deployment:
    """`resources`: logical id → what the stack made; `outputs` as the template names them.

    `left_out` are the resources of the template that MiniStack cannot make.
    """

    endpoint_url: str
    resources: Mapping[str, str]
    outputs: Mapping[str, str]
    left_out: Sequence[str]

    @property
    def stage_url(self) -> str:
        """The API by path: its own host name is not known on this machine."""
        stage = self.outputs["ApiUrl"].removesuffix("/v1").rpartition("/")[2]
        return f"{self.endpoint_url}/_aws/execute-api/{self.resources['Api']}/{stage}"

    @property
    def page_url(self) -> str:
        """By a host name that browsers take for this machine: pages link to paths that begin with the stage."""
        port, stage = self.endpoint_url.rpartition(":")[2], self.stage_url.rpartition("/")[2]
        return f"http://{self.resources['Api']}.execute-api.localhost:{port}/{stage}"

    @property
    def environment(self) -> dict[str, str]:
        """Of a tool that works on the stack's tables; the functions have theirs from CloudFormation."""
        return function_environment(load(TEMPLATE), self.resources, self.endpoint_url)

    def client(self, service: str) -> Any:
        return _client(service, self.endpoint_url)


def this_machine() -> Target:
    """Raises BuildError."""
    architecture = _ARCHITECTURE.get(platform.machine(), platform.machine())
    env = {"LAYER_ARCH": architecture, "LAYER_INTERPRETER": str(INTERPRETER)}
    return target_of(env, ROOT / "samconfig.toml")


def build(build_dir: Path, env: Mapping[str, str]) -> str:
    """The sizes as text. Raises BuildError."""
    target = this_machine()
    sam_build(target, build_dir, quiet=True)
    return check(build_dir, target, env)


def deploy(aws: MiniStack, build_dir: Path) -> Deployment:
    """Raises BuildError. samconfig.toml is not read: it may name a person's own bucket, region and profile."""
    parameters = {
        "Architecture": this_machine().architecture,
        "DeletionProtection": "false",
        "ProviderSecretArn": _provider_secret(aws.endpoint_url),
        "NoticeSender": LOCAL_PARAMETERS["NoticeSender"],
    }
    ensure_sender(_client("sesv2", aws.endpoint_url), parameters["NoticeSender"])
    template, left_out = adapted(build_dir / "template.yaml")
    arguments = [
        *("deploy", "--template-file", str(template), "--stack-name", STACK, "--region", REGION),
        *("--resolve-s3", "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar"),
        *("--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())),
    ]
    local_only = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
    sam(arguments, child_environment(aws_environment(aws.endpoint_url) | local_only), quiet=True)
    return _deployed(aws.endpoint_url, left_out)


def _provider_secret(endpoint_url: str) -> str:
    """The ARN of what an operator makes before the first deployment: the providers' keys."""
    secret = _client("secretsmanager", endpoint_url).create_secret(
        Name=f"{STACK}/providers", SecretString=json.dumps(_PROVIDERS)
    )
    return str(secret["ARN"])


def _deployed(endpoint_url: str, left_out: Sequence[str]) -> Deployment:
    cloudformation = _client("cloudformation", endpoint_url)
    [stack] = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return Deployment(
        endpoint_url,
        {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources},
        {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]},
        left_out,
    )


def _client(service: str, endpoint_url: str) -> Any:
    session = boto3.Session("local", "local", region_name=REGION)
    return session.client(service, endpoint_url=endpoint_url)  # type: ignore[call-overload]
