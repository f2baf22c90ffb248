"""The local gateway process: every function's app behind the template's routes, on one port."""

import argparse
import importlib
import os
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from local.gateway import LocalGateway
from local.http_protocol import LocalHttp
from local.paths import TEMPLATE
from local.processes import HOST
from local.template import FunctionSpec, load

# Agents send headers of more than 1 KB each; API Gateway and the adapter take about this much in all.
HEADER_BYTES_MAX = 64 * 1024
# On SIGTERM open calls get this long to end; after that they are cancelled and settle what is known.
SHUTDOWN_GRACE_S = 5


# As functions/chat/run.sh starts uvicorn; the benchmarks' floor runs under the same.
UVICORN: dict[str, Any] = {
    "host": HOST,
    "loop": "uvloop",
    "http": LocalHttp,
    "ws": "none",
    "access_log": False,
    "log_level": "warning",
    "server_header": False,
    # The address is API Gateway's to tell, never a header that a client can send.
    "proxy_headers": False,
    "h11_max_incomplete_event_size": HEADER_BYTES_MAX,
    "timeout_keep_alive": 75,
    "timeout_graceful_shutdown": SHUTDOWN_GRACE_S,
}


def function_app(spec: FunctionSpec) -> ASGIApp:
    """The `app` of a function's entry file, found by its CodeUri: functions/chat → functions.chat.app."""
    module = importlib.import_module(f"{spec.code_uri.strip('/').replace('/', '.')}.app")
    app: ASGIApp = module.app
    return app


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    template = load(TEMPLATE)
    functions = template.functions()
    routes = template.routes()
    apps = {name: function_app(functions[name]) for name in sorted({route.function for route in routes})}
    gateway = LocalGateway(routes, apps, template.gateway_responses(), stage=os.environ.get("STAGE_NAME", "prod"))
    uvicorn.run(gateway, port=port, **UVICORN)


if __name__ == "__main__":
    main()
