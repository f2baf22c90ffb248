"""MiniStack with everything that a deployment of template.yaml needs."""

from pathlib import Path

from local.ministack import MiniStack
from local.paths import MINISTACK

SERVICES = (
    *("apigateway", "cloudformation", "cognito-idp", "dynamodb", "events", "iam", "lambda", "logs", "monitoring"),
    *("s3", "scheduler", "secretsmanager", "ses", "sns", "sqs", "ssm", "states", "sts"),
)
# MiniStack runs Python functions in its own interpreter, with the layers first on their path.
INTERPRETER = MINISTACK.with_name("python")


def emulated_aws(state_dir: Path) -> MiniStack:
    return MiniStack(MINISTACK, state_dir, services=SERVICES)
