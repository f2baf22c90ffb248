"""The in-memory DynamoDB behind DynamoDB's JSON protocol, on a loopback port: for processes that run handlers."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from local.template import TableSpec
from multiconnection.aws.dynamo import ConditionFailed, RequestRejected, TransactionCancelled

from .driver import MemoryDynamo, TableKeys

_TYPE = "com.amazonaws.dynamodb.v20120810#"
Answer = tuple[int, Mapping[str, Any]]


@contextmanager
def dynamo_server(dynamo: MemoryDynamo) -> Iterator[str]:
    """Yields the endpoint's URL."""
    server = _Server(dynamo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def table_keys(spec: TableSpec) -> TableKeys:
    """Keys and indexes of a table that template.yaml declares."""
    indexes = spec.definition.get("GlobalSecondaryIndexes", [])
    return TableKeys(
        *_keys(spec.definition["KeySchema"]),
        indexes={index["IndexName"]: _keys(index["KeySchema"]) for index in indexes},
        full_indexes=frozenset(i["IndexName"] for i in indexes if i["Projection"]["ProjectionType"] == "ALL"),
    )


def _keys(schema: list[dict[str, str]]) -> tuple[str, str | None]:
    names = {key["KeyType"]: key["AttributeName"] for key in schema}
    return names["HASH"], names.get("RANGE")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, dynamo: MemoryDynamo) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self._dynamo = dynamo
        self._one_at_a_time = threading.Lock()

    def answer(self, operation: str, payload: Mapping[str, Any]) -> Answer:
        try:
            with self._one_at_a_time:
                return 200, self._dynamo.execute(operation, payload)
        except ConditionFailed as exc:
            item = {"Item": exc.item} if exc.item else {}
            return 400, {"__type": f"{_TYPE}ConditionalCheckFailedException", **item}
        except TransactionCancelled as exc:
            reasons = [{"Code": code, **({"Item": item} if item else {})} for code, item in exc.reasons]
            return 400, {"__type": f"{_TYPE}TransactionCanceledException", "CancellationReasons": reasons}
        except RequestRejected as exc:
            return 400, {"__type": f"{_TYPE}ValidationException", "message": str(exc)}


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body in one write: the second of two waits 40 ms for the client to acknowledge the first.
    wbufsize = -1
    server: _Server

    def do_POST(self) -> None:
        payload = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status, answer = self.server.answer(self.headers["x-amz-target"].rpartition(".")[2], payload)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """No access log."""
