"""`sam build` for this machine, `sam deploy` onto MiniStack, and the deployed stack."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from local.environment import LOCAL_PARAMETERS, REGION, aws_environment, child_environment, function_environment
from local.ministack import MiniStack
from local.notices import ensure_sender
from local.paths import MINISTACK, ROOT, TEMPLATE
from local.template import load, methods
from local.template_values import read_yaml
from tools.packaging.check import check
from tools.packaging.sam import sam, sam_build
from tools.packaging.target import ARCHITECTURES, Target, target_of

STACK = "multiconnection"
SERVICES = (
    *("apigateway", "cloudformation", "cognito-idp", "dynamodb", "events", "iam", "lambda", "logs", "monitoring"),
    *("s3", "scheduler", "secretsmanager", "ses", "sns", "sqs", "ssm", "states", "sts"),
)
# MiniStack runs Python functions in its own interpreter, with the layers first on their path.
INTERPRETER = MINISTACK.with_name("python")
_NESTED = "AWS::CloudFormation::Stack"
# A model is listed when one of its providers has a key. This one is never called: MiniStack does not stream.
_PROVIDERS = {"DEMO_BASE_URL": "http://127.0.0.1:9/v1"}
_ARCHITECTURE = {machine: name for name, machine in ARCHITECTURES.items()} | {"arm64": "arm64", "AMD64": "x86_64"}


@dataclass(frozen=True, slots=True)
class Deployment:
    """`resources`: logical id → physical id, nested stacks included; `outputs` by their names in the template.

    `left_out` are the resources of the templates that MiniStack cannot create.
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
        """The API by a host name that browsers resolve to this machine; links on the pages begin with the stage."""
        port, stage = self.endpoint_url.rpartition(":")[2], self.stage_url.rpartition("/")[2]
        return f"http://{self.resources['Api']}.execute-api.localhost:{port}/{stage}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a tool that works on the stack's tables; CloudFormation sets that of the functions."""
        return function_environment(load(TEMPLATE), self.resources, self.endpoint_url)

    def client(self, service: str) -> Any:
        return _client(service, self.endpoint_url)


def emulated_aws(state_dir: Path) -> MiniStack:
    """MiniStack with everything that a deployment of template.yaml needs."""
    return MiniStack(MINISTACK, state_dir, services=SERVICES)


def this_machine() -> Target:
    """The emulator's own interpreter as a target. Raises BuildError."""
    architecture = _ARCHITECTURE.get(platform.machine(), platform.machine())
    env = {"LAYER_ARCH": architecture, "LAYER_INTERPRETER": str(INTERPRETER)}
    return target_of(env, ROOT / "samconfig.toml")


def build(build_dir: Path, env: Mapping[str, str]) -> str:
    """The sizes as text. Raises BuildError."""
    target = this_machine()
    sam_build(target, build_dir, quiet=True)
    return check(build_dir, target, env)


def deploy(aws: MiniStack, build_dir: Path) -> Deployment:
    """Deploy what `build` has built. Raises BuildError.

    samconfig.toml is not read: it may name a person's own bucket, region and profile.
    """
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


def adapted(template: Path) -> tuple[Path, list[str]]:
    """The file to deploy, beside the built template because its paths are relative; and the resources left out of it.

    MiniStack 1.5 does not import the method ANY and creates alarms on one metric only.
    """
    document = read_yaml(template)
    # The emulator says itself where it is, in the variables of the process that runs a function.
    shared = document.get("Globals", {}).get("Function", {}).get("Environment", {}).get("Variables", {})
    for name in ("AWS_ENDPOINT_URL", "DEMO_BASE_URL"):
        shared.pop(name, None)
    left_out = []
    for name, resource in list(document["Resources"].items()):
        properties = resource.get("Properties", {})
        if resource["Type"] == _NESTED:
            nested, refused = adapted(template.parent / properties["TemplateURL"])
            properties["TemplateURL"] = str(nested.relative_to(template.parent))
            left_out += refused
        elif resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in properties:
            left_out.append(name)
            del document["Resources"][name]
        elif resource["Type"] == "AWS::Serverless::Function":
            properties["Events"] = _with_methods(properties.get("Events", {}))
    file = template.with_name("emulated.json")
    file.write_text(json.dumps(document, indent=2), encoding="utf-8")
    return file, left_out


def _with_methods(events: Mapping[str, Any]) -> dict[str, Any]:
    """One event for each method of an API event."""
    found: dict[str, Any] = {}
    for name, event in events.items():
        if event["Type"] != "Api":
            found[name] = event
            continue
        for method in methods(event["Properties"]["Method"]):
            found[f"{name}{method.title()}"] = {**event, "Properties": {**event["Properties"], "Method": method}}
    return found


def _provider_secret(endpoint_url: str) -> str:
    """The ARN of the secret that an operator creates before the first deployment: the providers' keys."""
    secret = _client("secretsmanager", endpoint_url).create_secret(
        Name=f"{STACK}/providers", SecretString=json.dumps(_PROVIDERS)
    )
    return str(secret["ARN"])


def _deployed(endpoint_url: str, left_out: Sequence[str]) -> Deployment:
    cloudformation = _client("cloudformation", endpoint_url)
    [stack] = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    return Deployment(endpoint_url, _resources(cloudformation, STACK), outputs, left_out)


def _resources(cloudformation: Any, stack: str) -> dict[str, str]:
    """Logical id → physical id of the resources of a stack and of its nested stacks."""
    found: dict[str, str] = {}
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack):
        for resource in page["StackResourceSummaries"]:
            found[resource["LogicalResourceId"]] = resource["PhysicalResourceId"]
            if resource["ResourceType"] == _NESTED:
                found |= _resources(cloudformation, resource["PhysicalResourceId"])
    return found


def _client(service: str, endpoint_url: str) -> Any:
    session = boto3.Session("local", "local", region_name=REGION)
    return session.client(service, endpoint_url=endpoint_url)  # type: ignore[call-overload]
