"""The Python runtime of Lambda, as small as it can be: asks for events, calls the handler, sends what it returns.

`python -I -S -B runtime_client.py ROOT…` with the environment of a function; the roots are its code and its layers.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import http.client
import importlib
import json
import os
import sys
import time
from types import SimpleNamespace


def main() -> None:
    sys.path[:0] = sys.argv[1:]
    module, _, name = os.environ["AWS_LAMBDA_FUNCTION_HANDLER"].rpartition(".")
    handler = getattr(importlib.import_module(module), name)
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        head, event = ask(connection, "GET", "next")
        request_id, deadline_ms = head["Lambda-Runtime-Aws-Request-Id"], int(head["Lambda-Runtime-Deadline-Ms"])
        context = SimpleNamespace(
            aws_request_id=request_id,
            function_name=os.environ["AWS_LAMBDA_FUNCTION_NAME"],
            memory_limit_in_mb=int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]),
            invoked_function_arn=head["Lambda-Runtime-Invoked-Function-Arn"],
            get_remaining_time_in_millis=lambda end_ms=deadline_ms: end_ms - int(time.time() * 1000),
        )
        try:
            answer = json.dumps(handler(json.loads(event), context)).encode()
        except Exception as exc:  # noqa: BLE001 - the runtime reports every failure of a handler
            error = {"errorType": type(exc).__name__, "errorMessage": str(exc)}
            ask(connection, "POST", f"{request_id}/error", json.dumps(error).encode())
        else:
            ask(connection, "POST", f"{request_id}/response", answer)


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
) -> tuple[http.client.HTTPMessage, bytes]:
    connection.request(method, f"/2018-06-01/runtime/invocation/{path}", body)
    answer = connection.getresponse()
    return answer.headers, answer.read()


if __name__ == "__main__":
    main()
