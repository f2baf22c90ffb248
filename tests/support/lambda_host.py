"""Lambda functions of our own process for a local AWS, which forwards invocations to an address over HTTP.

MiniStack does so for a function whose environment names `MINISTACK_LAMBDA_PROXY_URL`: no layers, no zip of our code,
and the same handler objects that a test can look into.
"""

import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Handler = Callable[[dict[str, Any], Any], Any]
PROXY_VARIABLE = "MINISTACK_LAMBDA_PROXY_URL"
ROLE = "arn:aws:iam::000000000000:role/local"


@contextmanager
def lambda_host(handlers: Mapping[str, Handler], port: int = 0) -> Iterator[str]:
    """Serves POST /{name} with an event; yields the base URL."""

    class Invocations(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["content-length"])))
            try:
                status, answer = 200, handlers[self.path.strip("/")](event, None)
            except Exception as exc:  # noqa: BLE001 - Lambda itself turns any exception into an answer
                status, answer = 500, {"errorType": type(exc).__name__, "errorMessage": str(exc)}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Invocations)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def forwarded_function(lambda_client: Any, name: str, url: str) -> str:
    """The ARN of a function whose invocations go to `url`; an existing one is pointed there."""
    environment = {"Variables": {PROXY_VARIABLE: url}}
    try:
        lambda_client.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=ROLE,
            Timeout=60,
            Code={"ZipFile": _never_run()},
            Environment=environment,
        )
    except lambda_client.exceptions.ResourceConflictException:
        lambda_client.update_function_configuration(FunctionName=name, Environment=environment)
    return str(lambda_client.get_function(FunctionName=name)["Configuration"]["FunctionArn"])


def state_machine(client: Any, name: str, definition: str) -> str:
    """The ARN of the state machine with this definition; an existing one gets it."""
    known = {machine["name"]: machine["stateMachineArn"] for machine in client.list_state_machines()["stateMachines"]}
    if name not in known:
        return str(client.create_state_machine(name=name, definition=definition, roleArn=ROLE)["stateMachineArn"])
    client.update_state_machine(stateMachineArn=known[name], definition=definition)
    return str(known[name])


def _never_run() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("app.py", "def handler(event, context):\n    raise RuntimeError('forwarded elsewhere')\n")
    return file.getvalue()
