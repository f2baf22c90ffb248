"""The event of API Gateway's Lambda proxy integration, REST APIs (payload format 1.0), with all its members."""

import base64
import hashlib
import json
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from local.sample_events.examples import MOMENT_MS, Example, example_key

_Part = tuple[str, str | None, bytes]
_API_ID = "a1b2c3d4e5"
_HOST = f"{_API_ID}.execute-api.us-east-1.amazonaws.com"
_STAGE = "prod"
_SOURCE_IP = "203.0.113.7"
_BOUNDARY = "multiconnection-example"
_AGENT = "OpenAI/Python"
_WITH_BODY = ("POST", "PUT", "PATCH")
# What API Gateway fills in for callers with AWS identities, which ours have not.
_NO_IDENTITY = (
    *("accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType"),
    *("cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId", "user", "userArn"),
)


def proxy_event(resource: str, method: str, example: Example) -> dict[str, Any]:
    """`resource` is the route as the template writes it, `/v1/models/{model+}`."""
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
    """JSON as it is; a form in base64, as API Gateway hands over what the template lists as a binary media type."""
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
    """In the order and case in which API Gateway gives them."""
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
