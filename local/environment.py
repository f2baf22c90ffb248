"""The environment of the local functions: what the template declares, plus where the local AWS is."""

import os
from collections.abc import Mapping

from local.demo_people import ADMIN_EMAIL
from local.template import Template

REGION = "us-east-1"
# The root user of the local AWS; it refuses URLs presigned by anyone else.
LOCAL_ACCESS_KEY = "test"
# One machine is one IP address and one tenant, so limits per address would only get in the way.
# No mail is really sent: the local mail page shows them.
LOCAL_PARAMETERS = {
    "IpRequestsPerMinute": "600000",
    "IpSignInAttempts": "60000",
    "IpMailsPerHour": "60000",
    "TestCreditsPerNetwork": "1000",
    "AdminEmail": ADMIN_EMAIL,
    "NoticeSender": "orders@example.com",
}
_REAL_AWS = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")


def function_environment(template: Template, names: Mapping[str, str], endpoint_url: str) -> dict[str, str]:
    """The environment of all functions, which one process serves. The user's own variables win, to try settings out."""
    variables = declared_environment(template, names, local_parameters(template))
    chosen = {name: os.environ[name] for name in variables if os.environ.get(name)}
    return variables | chosen | aws_environment(endpoint_url)


def local_parameters(template: Template) -> dict[str, str]:
    """The parameters of the local stack. A variable of the user that a parameter sets is taken as that parameter."""
    shown = {
        name: value["Ref"]
        for function in template.functions().values()
        for name, value in function.environment.items()
        if isinstance(value, dict) and value.get("Ref") in template.parameters()
    }
    return LOCAL_PARAMETERS | {shown[name]: os.environ[name] for name in shown if os.environ.get(name)}


def declared_environment(template: Template, names: Mapping[str, str], parameters: Mapping[str, str]) -> dict[str, str]:
    """The union of the variables that the template sets for its functions."""
    variables: dict[str, str] = {}
    for function in template.functions():
        variables |= template.environment(function, names, parameters)
    return variables


def aws_environment(endpoint_url: str) -> dict[str, str]:
    """Fixed credentials, so that real ones are never sent to the local AWS, and never used by accident."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": LOCAL_ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": LOCAL_ACCESS_KEY,
    }


def child_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The user's environment without real AWS identities, then ours; output is not held back in buffers."""
    own = {name: value for name, value in os.environ.items() if name not in _REAL_AWS}
    return own | {"PYTHONUNBUFFERED": "1"} | dict(variables)


def adopt(variables: Mapping[str, str]) -> dict[str, str]:
    """Make this process talk to the local AWS too; returns its whole environment."""
    for name in _REAL_AWS:
        os.environ.pop(name, None)
    os.environ.update(variables)
    return dict(os.environ)
