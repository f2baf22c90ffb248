"""A payload bucket in memory, with presigned URLs that its own HTTP client can follow."""

from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

import httpx

from multiconnection.aws.s3 import PayloadMissing, PayloadStoreError, PayloadTooLarge, StoredObject
from multiconnection.ports import Clock
from tests.support.limit_world import HandClock

HOST = "https://objects.test"


@dataclass
class FakeObjects:
    """Implements `PayloadStore`. `down` makes every operation fail; `calls` names what was asked for, key included."""

    clock: Clock = field(default_factory=HandClock)
    objects: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    down: bool = False

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        self._asked("put", key)
        self.objects[key] = (body, content_type)

    async def head(self, key: str) -> StoredObject | None:
        self._asked("head", key)
        if key not in self.objects:
            return None
        body, content_type = self.objects[key]
        return StoredObject(key, len(body), content_type)

    async def get(self, key: str, bytes_max: int) -> bytes:
        self._asked("get", key)
        if key not in self.objects:
            raise PayloadMissing(key)
        body, _ = self.objects[key]
        if len(body) > bytes_max:
            raise PayloadTooLarge(key)
        return body

    async def presigned_get(self, key: str, expires_s: int) -> str:
        self._asked("presigned_get", key)
        return self._url(key, {"method": "GET", "ends": str(self.clock.now() + expires_s)})

    async def presigned_put(self, key: str, size: int, content_type: str, expires_s: int) -> str:
        self._asked("presigned_put", key)
        ends = str(self.clock.now() + expires_s)
        return self._url(key, {"method": "PUT", "ends": ends, "size": str(size), "type": content_type})

    def http(self) -> httpx.AsyncClient:
        """A client for the presigned URLs, as a customer or a provider has one; it is refused as S3 would refuse it."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self._serve))

    async def upload(self, url: str, body: bytes, content_type: str) -> int:
        """The status of a customer's PUT."""
        async with self.http() as http:
            return (await http.put(url, content=body, headers={"content-type": content_type})).status_code

    async def download(self, url: str) -> bytes:
        """What a GET of the URL answers, which has to be a success."""
        async with self.http() as http:
            return (await http.get(url)).raise_for_status().content

    def _asked(self, operation: str, key: str) -> None:
        self.calls.append((operation, key))
        if self.down:
            raise PayloadStoreError(f"{operation}: the fake is down")

    def _url(self, key: str, signed: dict[str, str]) -> str:
        return str(httpx.URL(f"{HOST}/{quote(key)}", params=signed))

    def _serve(self, request: httpx.Request) -> httpx.Response:
        signed, key = dict(request.url.params), unquote(urlsplit(str(request.url)).path[1:])
        if signed.get("method") != request.method or self.clock.now() > float(signed["ends"]):
            return httpx.Response(403)
        if request.method == "GET":
            if key not in self.objects:
                return httpx.Response(404)
            body, content_type = self.objects[key]
            return httpx.Response(200, content=body, headers={"content-type": content_type})
        sent = (request.headers.get("content-length"), request.headers.get("content-type"))
        if sent != (signed["size"], signed["type"]):
            return httpx.Response(403)
        self.objects[key] = (request.content, signed["type"])
        return httpx.Response(200)
