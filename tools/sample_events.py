"""`python -m tools.sample_events` writes `events/`: what each function receives, for `sam local invoke` and the tests.

There is one event for each path, schedule and queue of template.yaml, and one for the steps of the recharge workflow.
"""

import base64
import hashlib
import io
import json
import re
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from local.paths import ROOT, TEMPLATE
from local.template import methods
from local.template_values import TemplateError, read_yaml, reference
from multiconnection.keys.models import new_secret
from multiconnection.ledger.dynamo import encode
from multiconnection.ledger.models import Hold, UsageRow
from multiconnection.usage import Ended, Usage, UsageSource

ACCOUNT = "acct_example"
ORDER_ID = "ord_1xV7cOexample"
MODEL = "deepseek-v4-flash"
MOMENT_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z

# A call that failed at its provider and cost nothing: the usage event asks for it.
EXAMPLE_ROW = UsageRow(
    account_id=ACCOUNT,
    hold_id="1xV7cOexampl",
    birth=0,
    hold=0,
    cost=0,
    overrun=0,
    key_id="examplek",
    model=MODEL,
    price_version=1,
    usage=Usage(),
    usage_source=UsageSource.NONE,
    ended=Ended.UPSTREAM_ERROR,
    decided_by="chat",
    created_ms=MOMENT_MS,
    endpoint="/v1/chat/completions",
)
# A call that ended while the usage table could not be written: its money is still held, its decision is queued.
QUEUED_HOLD = Hold(
    account_id=ACCOUNT,
    hold_id="1xV7cOqueued",
    amount=5_000_000,
    expires_s=4_000_000_000,
    key_id="examplek",
    capped=False,
    model_code="exa",
    price_version=1,
    # The first call of its account.
    birth=1,
)
QUEUED_ROW = replace(
    EXAMPLE_ROW,
    hold_id=QUEUED_HOLD.hold_id,
    birth=QUEUED_HOLD.birth,
    hold=QUEUED_HOLD.amount,
    cost=34_520,
    usage=Usage(input=124, output=61),
    usage_source=UsageSource.UPSTREAM,
    ended=Ended.COMPLETE,
    provider="deepseek",
    attempts=1,
    duration_ms=1840,
)


class SameEachTime:
    """An `Rng` for a key that may be published: it opens nothing unless an account stores it."""

    def below(self, bound: int) -> int:
        return bound // 7


def example_key() -> str:
    """A well-formed API key: an account that has it gets the answers to the events."""
    return new_secret(SameEachTime())


@dataclass(frozen=True, slots=True)
class Example:
    """A request to one path.

    `parameters` fill the {names} of the path. `body`, or `form` with a `file`, is sent with the methods that have one.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    file: tuple[str, str, bytes] | None = None
    public: bool = False

    @property
    def method(self) -> str:
        return "GET" if self.body is None and self.file is None else "POST"


def _silence() -> bytes:
    """A tenth of a second of audio."""
    content = io.BytesIO()
    with wave.open(content, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(8000)
        recording.writeframes(bytes(1600))
    return content.getvalue()


_PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_RECORDING = Example(form={"model": "whisper-1"}, file=("speech.wav", "audio/wav", _silence()))

EXAMPLES = {
    "/v1/chat/completions": Example(
        body={"model": MODEL, "messages": [{"role": "user", "content": "hello MultiConnection"}], "max_tokens": 64}
    ),
    "/v1/completions": Example(body={"model": "demo-chat", "prompt": "Once upon a time", "max_tokens": 16}),
    "/v1/audio/speech": Example(body={"model": "tts-1", "input": "hello MultiConnection", "voice": "alloy"}),
    "/v1/audio/transcriptions": _RECORDING,
    "/v1/audio/translations": _RECORDING,
    "/v1/images/generations": Example(body={"model": "dall-e-3", "prompt": "A cute baby sea otter", "n": 1}),
    "/v1/images/edits": Example(
        body={"model": "gpt-image-1-mini", "prompt": "A red hat, too", "images": [{"image_url": _PIXEL}]}
    ),
    "/v1/embeddings": Example(body={"model": "text-embedding-3-small", "input": "hello MultiConnection"}),
    "/v1/moderations": Example(body={"input": "hello MultiConnection"}),
    "/v1/uploads": Example(body={"filename": "speech.mp3", "content_type": "audio/mpeg", "bytes": 1_000_000}),
    "/v1/models": Example(),
    "/v1/models/{model+}": Example({"model": MODEL}),
    "/api/models": Example(public=True),
    "/v1/usage/{request_id}": Example({"request_id": f"req_{EXAMPLE_ROW.hold_id}"}),
    "/v1/balance": Example(),
    "/v1/{proxy+}": Example({"proxy": "no-such-endpoint"}),
    "/api/{proxy+}": Example({"proxy": "no-such-endpoint"}, public=True),
    "/api/admin/{proxy+}": Example({"proxy": "no-such-endpoint"}, public=True),
    "/api/usage.csv": Example(public=True),
    "/api/site": Example(public=True),
    "/": Example(public=True),
    "/{page+}": Example({"page": "docs"}, public=True),
}

WORKFLOW = ROOT / "functions" / "recharge" / "workflow.asl.json"
_STEP = re.compile(r'"step": "(\w+)"')
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def sample_events(document: Mapping[str, Any]) -> dict[str, Any]:
    """File name → event; `document` is template.yaml. Raises TemplateError for a trigger without an example.

    A name is made of the logical ids of the function and of its trigger, and of the method: `models-list-get.json`.
    """
    resources = document["Resources"]
    return dict(sorted([*_of_functions(resources), *_of_queues(resources), *_of_workflow()]))


def write(document: Mapping[str, Any], folder: Path) -> None:
    """Write the events, and remove those that are no longer wanted."""
    events = sample_events(document)
    for file in folder.glob("*.json"):
        if file.name not in events and file.name != "env.json":
            file.unlink()
    for name, event in events.items():
        (folder / name).write_text(json.dumps(event, indent=2) + "\n", encoding="utf-8")


def _of_functions(resources: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for function, resource in resources.items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        for key, event in resource["Properties"].get("Events", {}).items():
            properties, where = event["Properties"], f"{function}.Events.{key}"
            if event["Type"] == "Schedule":
                yield _file(function, key), _schedule_event(properties, where)
            elif event["Type"] != "Api":
                raise TemplateError(f"{where}: there is no sample event for {event['Type']}")
            elif properties["Path"] not in EXAMPLES:
                raise TemplateError(f"{where}: there is no example for {properties['Path']}")
            elif (example := EXAMPLES[properties["Path"]]).method in methods(properties["Method"]):
                yield (
                    _file(function, key, example.method.lower()),
                    proxy_event(properties["Path"], example.method, example),
                )


def _schedule_event(properties: Mapping[str, Any], where: str) -> Any:
    """EventBridge sends the input of a rule in place of its usual event."""
    if "Input" not in properties:
        raise TemplateError(f"{where}: a schedule needs an Input")
    return json.loads(properties["Input"])


def _of_queues(resources: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, resource in resources.items():
        if resource["Type"] == "AWS::Lambda::EventSourceMapping":
            function = reference(resource["Properties"]["FunctionName"], name)
            queue = reference(resource["Properties"]["EventSourceArn"], name)
            yield _file(function, queue), queue_event(queue)


def _of_workflow() -> Iterator[tuple[str, Any]]:
    """One event for each step that a state of the recharge workflow asks for."""
    for step in sorted(set(_STEP.findall(WORKFLOW.read_text(encoding="utf-8")))):
        yield _file("RechargeFunction", step), {"step": step, "order_id": ORDER_ID}


def _file(function: str, *keys: str) -> str:
    words = [_WORD.sub("-", word).lower() for word in (function.removesuffix("Function"), *keys)]
    return f"{'-'.join(words)}.json"


def queue_event(queue: str) -> dict[str, Any]:
    """An SQS event with one message, the decision that its table refused. `queue` is a logical id."""
    body = encode(QUEUED_ROW)
    return {
        "Records": [
            {
                "messageId": str(uuid5(NAMESPACE_URL, queue)),
                "receiptHandle": "AQEBExampleReceiptHandle==",
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": str(MOMENT_MS),
                    "SenderId": "AROAEXAMPLEEXAMPLE123:multiconnection-ChatFunction",
                    "ApproximateFirstReceiveTimestamp": str(MOMENT_MS + 42),
                },
                "messageAttributes": {},
                "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:multiconnection-{queue}",
                "awsRegion": "us-east-1",
            }
        ]
    }


_Part = tuple[str, str | None, bytes]
_API_ID = "a1b2c3d4e5"
_HOST = f"{_API_ID}.execute-api.us-east-1.amazonaws.com"
_STAGE = "prod"
_SOURCE_IP = "203.0.113.7"
_BOUNDARY = "multiconnection-example"
_AGENT = "OpenAI/Python"
_WITH_BODY = ("POST", "PUT", "PATCH")
# API Gateway fills these in for callers with AWS identities.
_NO_IDENTITY = (
    *("accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType"),
    *("cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId", "user", "userArn"),
)


def proxy_event(resource: str, method: str, example: Example) -> dict[str, Any]:
    """The event of API Gateway's Lambda proxy integration (REST APIs, payload format 1.0) with all its members.

    `resource` is the path as the template writes it, `/v1/models/{model+}`.
    """
    path = resource
    for name, value in example.parameters.items():
        path = path.replace(f"{{{name}+}}", value).replace(f"{{{name}}}", value)
    body = _body(example) if method in _WITH_BODY else None
    headers = _headers(method, example, body, path)
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": dict(example.parameters) or None,
        "stageVariables": None,
        "requestContext": _context(resource, method, path),
        "body": body,
        "isBase64Encoded": body is not None and example.file is not None,
    }


def _body(example: Example) -> str:
    """JSON as it is; a form in base64, as API Gateway sends the binary media types of the template."""
    if example.file is None:
        return json.dumps(example.body or {})
    filename, content_type, content = example.file
    parts: list[_Part] = [(f'form-data; name="{name}"', None, value.encode()) for name, value in example.form.items()]
    parts.append((f'form-data; name="file"; filename="{filename}"', content_type, content))
    return base64.b64encode(b"".join(map(_part, parts)) + f"--{_BOUNDARY}--\r\n".encode()).decode()


def _part(part: _Part) -> bytes:
    disposition, content_type, content = part
    declared = f"Content-Type: {content_type}\r\n" if content_type else ""
    head = f"--{_BOUNDARY}\r\nContent-Disposition: {disposition}\r\n{declared}\r\n"
    return head.encode() + content + b"\r\n"


def _headers(method: str, example: Example, body: str | None, path: str) -> dict[str, str]:
    """Headers in the order and case in which API Gateway passes them on."""
    sent = {"Accept": "application/json", "Host": _HOST, "User-Agent": _AGENT}
    if method == "OPTIONS":
        asked = {
            "Access-Control-Request-Headers": "authorization, content-type",
            "Access-Control-Request-Method": "GET",
        }
        sent |= {"Origin": "https://app.example.com", **asked}
    elif not example.public:
        sent["Authorization"] = f"Bearer {example_key()}"
    if body is not None:
        sent["Content-Type"] = f"multipart/form-data; boundary={_BOUNDARY}" if example.file else "application/json"
    trace = hashlib.sha256(f"{method} {path}".encode()).hexdigest()
    sent["X-Amzn-Trace-Id"] = f"Root=1-{MOMENT_MS // 1000:08x}-{trace[:24]}"
    sent |= {"X-Forwarded-For": _SOURCE_IP, "X-Forwarded-Port": "443", "X-Forwarded-Proto": "https"}
    return dict(sorted(sent.items()))


def _context(resource: str, method: str, path: str) -> dict[str, Any]:
    return {
        "accountId": "123456789012",
        "apiId": _API_ID,
        "deploymentId": "d1e2f3",
        "domainName": _HOST,
        "domainPrefix": _API_ID,
        "extendedRequestId": "ExampleRequest0=",
        "httpMethod": method,
        "identity": {**dict.fromkeys(_NO_IDENTITY), "sourceIp": _SOURCE_IP, "userAgent": _AGENT},
        "path": f"/{_STAGE}{path}",
        "protocol": "HTTP/1.1",
        "requestId": str(uuid5(NAMESPACE_URL, f"{method} {path}")),
        "requestTime": "22/Nov/2026:12:00:00 +0000",
        "requestTimeEpoch": MOMENT_MS,
        "resourceId": hashlib.sha256(resource.encode()).hexdigest()[:6],
        "resourcePath": resource,
        "stage": _STAGE,
    }


if __name__ == "__main__":
    write(read_yaml(TEMPLATE), ROOT / "events")
