"""The template's state machines on a local Step Functions, which sends their Lambda tasks to our own process."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.template import Template
from local.template_values import reference, resolve

_STATE_MACHINE = "AWS::Serverless::StateMachine"
# MiniStack forwards the invocations of a function whose environment has it: no layers, no zip of our code.
_FORWARD = "MINISTACK_LAMBDA_PROXY_URL"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}
_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@dataclass(frozen=True, slots=True)
class WorkflowClients:
    functions: Any
    states: Any
    roles: Any


def ensure_workflows(
    template: Template, known: Mapping[str, str], root: Path, aws: WorkflowClients, url: str, prefix: str
) -> dict[str, str]:
    """Logical id → ARN, of the state machines as their files below `root` say now. May be repeated at any time.

    `known`: parameters and logical ids to their values. The functions' events are sent to `url`/{logical id}.
    """
    role = _ensure_role(aws.roles, prefix)
    arns = {
        f"{name}.Arn": _ensure_function(
            aws.functions, f"{prefix}-{name.removesuffix('Function')}", f"{url}/{name}", role
        )
        for name in called_functions(template)
    }
    made = {}
    for logical_id, properties in template.of_type(_STATE_MACHINE):
        name = f"{prefix}-{logical_id.removesuffix('StateMachine')}"
        definition = _definition(logical_id, properties, {**known, **arns}, root)
        made[logical_id] = _ensure_machine(aws.states, name, definition, role)
    return made


def called_functions(template: Template) -> list[str]:
    """The logical ids of the functions whose ARN the definition of a state machine is given."""
    return sorted(set(_called_functions(template)))


def _called_functions(template: Template) -> Iterator[str]:
    functions = template.functions()
    for logical_id, properties in template.of_type(_STATE_MACHINE):
        for name, value in _substitutions(properties).items():
            if isinstance(value, dict) and reference(value, f"{logical_id}.{name}") in functions:
                yield reference(value, logical_id)


def _definition(logical_id: str, properties: Mapping[str, Any], known: Mapping[str, str], root: Path) -> str:
    """With its substitutions made as CloudFormation makes them: in the text."""
    text = root.joinpath(str(properties["DefinitionUri"])).read_text(encoding="utf-8")
    for name, value in _substitutions(properties).items():
        text = text.replace(f"${{{name}}}", resolve(value, known, f"{logical_id}.{name}"))
    return text


def _substitutions(properties: Mapping[str, Any]) -> Mapping[str, object]:
    found: Mapping[str, object] = properties.get("DefinitionSubstitutions", {})
    return found


def _ensure_role(client: Any, prefix: str) -> str:
    """Its ARN. What the functions may do on AWS is in the template; here they work in our own process anyway."""
    name = f"{prefix}-local"
    try:
        found = client.get_role(RoleName=name)
    except client.exceptions.NoSuchEntityException:
        found = client.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST))
        client.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=json.dumps(_EVERYTHING))
    return str(found["Role"]["Arn"])


def _ensure_function(client: Any, name: str, url: str, role: str) -> str:
    environment = {"Variables": {_FORWARD: url}}
    try:
        found = client.update_function_configuration(FunctionName=name, Environment=environment)
    except client.exceptions.ResourceNotFoundException:
        found = client.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=role,
            Timeout=60,
            Code={"ZipFile": _never_run()},
            Environment=environment,
        )
    return str(found["FunctionArn"])


def _never_run() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("app.py", "def handler(event, context):\n    raise RuntimeError('forwarded elsewhere')\n")
    return file.getvalue()


def _ensure_machine(client: Any, name: str, definition: str, role: str) -> str:
    pages = client.get_paginator("list_state_machines").paginate()
    known: dict[str, str] = {
        machine["name"]: machine["stateMachineArn"] for page in pages for machine in page["stateMachines"]
    }
    if name not in known:
        made = client.create_state_machine(name=name, definition=definition, roleArn=role)
        return str(made["stateMachineArn"])
    client.update_state_machine(stateMachineArn=known[name], definition=definition)
    return known[name]
