"""The local Lambda of the workers: invocations that the local AWS forwards, answered by the functions' handlers."""

import importlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

from local.template import FunctionSpec

Handler = Callable[[dict[str, Any]], Any]
# A Lambda environment serves one invocation at a time, and what workers keep between invocations relies on it.
_invoking = threading.Lock()


@dataclass(frozen=True, slots=True)
class LocalContext:
    """The members of Lambda's context that handlers and their decorators read."""

    function_name: str
    timeout_s: float
    memory_limit_in_mb: int = 512
    aws_request_id: str = field(default_factory=lambda: str(uuid4()))
    began_s: float = field(default_factory=time.monotonic)

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:local:000000000000:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        return round(1000 * max(0.0, self.began_s + self.timeout_s - time.monotonic()))


def handler_of(spec: FunctionSpec) -> Handler:
    """The function's handler, found by its CodeUri: functions/sweeper → functions.sweeper.app; it takes an event."""
    module, _, name = spec.handler.partition(".")
    found = getattr(importlib.import_module(f"{spec.code_uri.strip('/').replace('/', '.')}.{module}"), name)

    def invoke(event: dict[str, Any]) -> Any:
        with _invoking:
            return found(event, LocalContext(spec.name, spec.timeout_s))

    return invoke


@contextmanager
def invocations(handlers: Mapping[str, Handler], listening: socket.socket) -> Iterator[str]:
    """Serves POST /{name} with an event, each in a thread of its own; yields the base URL. Closes the socket.

    A handler that raises gets its traceback printed and no answer sent, which the local AWS takes for what it is: the
    function failed.
    """

    class Invocation(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["content-length"])))
            body = json.dumps(handlers[self.path.strip("/")](event)).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """The functions' own lines are log enough."""

    address = listening.getsockname()
    server = ThreadingHTTPServer(address, Invocation, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="invocations", daemon=True)
    thread.start()
    try:
        yield f"http://{address[0]}:{address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
