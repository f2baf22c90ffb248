"""The local Lambda of the workers: invocations that the local AWS forwards, answered by the functions' handlers."""

import importlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from local.template import FunctionSpec

Handler = Callable[[dict[str, Any], Any], Any]


def handler_of(spec: FunctionSpec) -> Handler:
    """The `handler` of a function's entry file, found by its CodeUri: functions/sweeper → functions.sweeper.app."""
    module, _, name = spec.handler.partition(".")
    found: Handler = getattr(importlib.import_module(f"{spec.code_uri.strip('/').replace('/', '.')}.{module}"), name)
    return found


@contextmanager
def invocations(handlers: Mapping[str, Handler], listening: socket.socket) -> Iterator[str]:
    """Serves POST /{name} with an event, each in a thread of its own; yields the base URL. Closes the socket.

    A handler that raises gets its traceback printed and no answer sent, which the local AWS takes for what it is: the
    function failed.
    """

    class Invocation(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["content-length"])))
            body = json.dumps(handlers[self.path.strip("/")](event, None)).encode()
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
