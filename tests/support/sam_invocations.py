"""What `sam local invoke` would run for each function, told by SAM's own code; run by SAM's own Python.

`.tools/sam/bin/python -P sam_invocations.py TEMPLATE ENV_FILE NETWORK NAME=VALUE…` prints a JSON object of functions.
Only the question whether Docker answers is left out: nothing after it decides what is run.
"""

import json
import sys
from typing import Any
from unittest.mock import MagicMock

from samcli.commands.local.cli_common.invoke_context import InvokeContext  # type: ignore[import-not-found]
from samcli.local.docker.container_client_factory import ContainerClientFactory  # type: ignore[import-not-found]


def told(template: str, env_file: str, network: str, parameters: dict[str, str]) -> dict[str, Any]:
    ContainerClientFactory.create_client = staticmethod(MagicMock)
    with InvokeContext(
        template, env_vars_file=env_file, docker_network=network or None, parameter_overrides=parameters
    ) as context:
        runner = context.local_lambda_runner
        functions = {function.name: function for function in runner.provider.get_all()}
        return {name: config(runner.get_invoke_config(function)) for name, function in functions.items()}


def config(found: Any) -> dict[str, Any]:
    return {
        "runtime": found.runtime,
        "handler": found.handler,
        "code": found.code_abs_path,
        "timeout": found.timeout,
        "memory": found.memory,
        "architecture": found.architecture,
        "environment": found.env_vars.resolve(),
        # A layer outside of the template would be fetched with the user's credentials.
        "layers": [layer.codeuri if layer.is_defined_within_template else layer.arn for layer in found.layers],
    }


if __name__ == "__main__":
    template, env_file, network, *pairs = sys.argv[1:]
    print(json.dumps(told(template, env_file, network, dict(pair.split("=", 1) for pair in pairs))))
