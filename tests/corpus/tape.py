"""Requests to the functions' real apps, and what was answered, as plain data that is the same in every run."""

import asyncio
import hashlib
import io
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, redirect_stderr
from functools import cache
from itertools import count
from typing import Any
from unittest.mock import patch
from uuid import UUID

import httpx
import orjson

from local.paths import TEMPLATE
from local.routing import Router
from local.template import load as load_template
from multiconnection.observability.logging import configure_logging
from tests.audience.scene import Scene, furnished
from tests.support import fake_cognito
from tests.support.chat_world import a_model
from tests.support.fake_http import FakeReply, json_reply
from tests.support.scripted_world import shipped
from tests.support.whole_world import MODELS, WholeWorld

from .placeholders import Placeholders

# One of each kind, as deployed, beside the world's own; and one that no provider serves.
SHIPPED = (
    "dall-e-3",
    "gpt-image-1-mini",
    "tts-1",
    "gpt-4o-mini-tts",
    "whisper-1",
    "gpt-4o-transcribe",
    "omni-moderation-latest",
)
NOWHERE = {"id": "nowhere", "code": "n01", "aliases": [], "upstreams": [{"provider": "none", "model": "x"}]}
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
LONG = 400
# Members of a line of the log that the answer itself shows, and the wall clock's.
_LOG_NOISE = {
    *("level", "timestamp", "message", "request_id", "account_id", "method", "route", "status", "code"),
    *("Calls", "Errors", "_aws", "TimeToFirstByte"),
}
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)


def whole_chat(content: str = "Hello", **more: Any) -> FakeReply:
    """A provider's whole answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    top = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "theirs"}
    return json_reply({**top, "choices": [choice], "usage": USAGE, **more})


class Script(list[Any]):
    """Replies of the providers in order; without one they find the request wrong."""

    def pop(self, index: Any = -1) -> Any:
        if self:
            return super().pop(index)
        return json_reply({"error": {"message": "the provider says no", "code": "no"}}, 400)


class Tape:
    """One scenario: its world, and a record of each request."""

    def __init__(self, world: WholeWorld, log: io.StringIO) -> None:
        """`log` is where the functions write what they log."""
        self.world = world
        # Seconds between two requests: more than the pauses of a random length before repeated attempts.
        self.pace_s = 1
        self.records: list[dict[str, Any]] = []
        self.names = Placeholders()
        self._addresses = (f"203.0.113.{number % 250}" for number in count())
        self._log = log
        self._began_s = 0
        self._seen: tuple[int, ...] = (0, 0, 0)

    def replies(self, *replies: Any) -> None:
        """What the providers answer next."""
        self.world.http.replies[:] = replies

    async def ask(
        self,
        who: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        ip: str | None = None,
        note: str = "",
        function: str | None = None,
        at_once: bool = False,
        **more: Any,
    ) -> Any:
        """One request, a moment after the last one unless `at_once`; the body of its answer where that is JSON.

        Each comes from an address of its own, unless `ip` is given: limits of an address are a scenario of their own.
        """
        if not at_once:
            await self._next_moment()
        self._skip_setup()
        self._began_s = int(time.time())
        sent = {"user-agent": "corpus", "accept-encoding": "identity", **headers}
        name = function or function_of(method, path)
        answer = await self.world.ask(name, method, path, sent, ip or next(self._addresses), **more)
        body = _keys_in_order(_json_of(answer))
        self.names.learn_ids(body)
        asked = self.names.text(f"{who}: {method} {path[:LONG]}") + (f" ({note})" if note else "")
        self.records.append({"asked": asked, **self._answer(answer, body), **self._effects()})
        return body

    async def settled(self) -> None:
        """Executions of the workflow go on until each of them waits or has ended."""
        self._skip_setup()
        await self.world.engine.settled()
        if effects := self._effects():
            self.records.append({"asked": "the workflow goes on", **effects})

    def _answer(self, answer: httpx.Response, body: Any) -> dict[str, Any]:
        headers = [(name.decode(), self.names.text(value.decode("latin-1"))) for name, value in answer.headers.raw]
        own_id = self.names.text(answer.headers.get("x-request-id", ""))
        headers = [(name, "<own>" if name == "x-request-id" and value == own_id else value) for name, value in headers]
        length = answer.headers.get("content-length")
        of_document = answer.request.url.path == "/openapi.json"
        if length is not None and (of_document or (answer.content and int(length) == len(answer.content))):
            headers = [(name, "<as long>" if name == "content-length" else value) for name, value in headers]
        return {
            "status": answer.status_code,
            "headers": sorted(headers, key=lambda header: header[0]),
            "body": self._body(answer, body),
        }

    def _body(self, answer: httpx.Response, body: Any) -> Any:
        kind = answer.headers.get("content-type", "")
        if not answer.content:
            return None
        if body is not None:
            return _openapi(body) if "openapi" in body else self.plain(body)
        if kind.startswith("text/html"):
            page = self.names.text(answer.text)
            return {"html": _hash(page.encode()), "characters": len(page), "title": _TITLE.findall(page)}
        if kind.startswith("text/event-stream"):
            return [self.plain(_event(each)) for each in answer.text.split("\n\n") if each]
        if kind.startswith(("text/plain", "text/csv")) and len(answer.content) < 20 * LONG:
            return self.names.text(answer.text).split("\n")
        return {"sha256": _hash(answer.content), "bytes": len(answer.content)}

    def _effects(self) -> dict[str, Any]:
        """What else can be seen of a request: what the providers were asked, mails, and the line of the log."""
        posted, mails, notices = [seen[at:] for seen, at in zip(self._effects_of_all(), self._seen, strict=True)]
        found = {
            "providers": [self._sent(each) for each in posted],
            "mails": self.plain([{"to": to, "code": code} for to, code in mails]),
            "notices": [each.kind for each in notices],
            "log": [self._logged(line) for line in self._log.getvalue().splitlines()],
        }
        found["log"] = [line for line in found["log"] if line]
        return {name: value for name, value in found.items() if value}

    def _sent(self, posted: Any) -> dict[str, Any]:
        headers = {name: self.names.text(value) for name, value in sorted(posted.headers.items())}
        try:
            body = self.plain(orjson.loads(posted.body))
        except orjson.JSONDecodeError:
            text = self.names.text(posted.body.decode("latin-1"))
            body = {"sha256": _hash(text.encode()), "begins": text[:LONG].split("\r\n")[:6]}
        return {"url": posted.url, "headers": headers, "body": body}

    def _logged(self, line: str) -> dict[str, Any]:
        try:
            members = orjson.loads(line)
        except orjson.JSONDecodeError:
            return {}
        kept = {name: value for name, value in members.items() if name not in _LOG_NOISE}
        if members["message"] != "call":
            kept = {"level": members["level"], "message": members["message"]}
        plain: dict[str, Any] = self.plain(kept)
        return plain

    def plain(self, value: Any) -> Any:
        """With placeholders, in a fixed order, and long texts as their hashes."""
        if isinstance(value, dict):
            if isinstance(value.get("last4"), str):
                value = {**value, "last4": self.names.last4(value["last4"])}
            return {self.names.text(name): self.plain(each) for name, each in sorted(value.items())}
        if isinstance(value, list):
            return [self.plain(each) for each in value]
        if isinstance(value, str):
            text = self.names.text(value)
            return text if len(text) <= LONG else f"<{len(text)} characters, sha256 {_hash(text.encode())}>"
        return "<now>" if self._is_wall_time(value) else value

    def _is_wall_time(self, value: Any) -> bool:
        """Of answers that say when they were made where the provider has not; all other times are virtual."""
        is_now = isinstance(value, int) and self._began_s <= value <= time.time()
        return is_now and value != int(self.world.clock.now())

    async def _next_moment(self) -> None:
        """Rows are listed by the second in their ids: two requests in one would be listed in a random order."""
        now_s = asyncio.get_running_loop().time()
        await asyncio.sleep((now_s // self.pace_s + 1) * self.pace_s - now_s)

    def _skip_setup(self) -> None:
        self._log.seek(0)
        self._log.truncate()
        self._seen = tuple(len(seen) for seen in self._effects_of_all())

    def _effects_of_all(self) -> tuple[Sequence[Any], ...]:
        return self.world.http.posted, self.world.cognito.mails, self.world.mailbox.sent


@asynccontextmanager
async def tape(seed: int = 1) -> AsyncIterator[Tape]:
    """A world with nobody in it, whose providers are reached through their real dialects.

    Another `seed` makes other ids and secrets, and must not make another record.
    """
    numbers = count(1)
    seeded = lambda: UUID(int=next(numbers) << 64 | 0x4000_8000_0000_0000_0001, version=4)  # noqa: E731
    with patch.object(fake_cognito, "uuid4", seeded), redirect_stderr(io.StringIO()) as log, _logging():
        world = WholeWorld()
        world.models.found += [a_model(**NOWHERE), *map(shipped, SHIPPED)]
        world.rng.reseed(seed)
        world.admin.rng.reseed(-seed)
        world.connect(world.http)
        world.models.switched = world.admin.published
        world.http.replies = Script()
        await world.published.publish(MODELS)
        await world.admin.publish(*MODELS)
        try:
            yield Tape(world, log)
        finally:
            await world.stop()


async def with_scene(tape: Tape) -> Scene:
    """Ada has one of everything; nothing of how she got it is recorded."""
    tape.replies(whole_chat())
    found = await furnished(tape.world)
    for name in ("key_id", "request_id", "order_id", "adjustment_id", "account_id"):
        tape.names.learn_ids({name: found.ids[name]})
        tape.names.text(found.ids[name])
    return found


def sent(body: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a request with this body, or without one where it is empty."""
    return {"json": dict(body)} if body else {}


async def minutes(count: int) -> None:
    """Of virtual time."""
    await asyncio.sleep(60 * count)


@cache
def _router() -> Router[str]:
    template = load_template(TEMPLATE)
    folders = {name: spec.code_uri.removeprefix("functions/") for name, spec in template.functions().items()}
    return Router((route.path, route.method, folders[route.function]) for route in template.routes())


def function_of(method: str, path: str) -> str:
    """The folder of the function that API Gateway would ask."""
    found = _router().match(method, path.partition("?")[0].encode())
    assert found is not None, f"API Gateway has no route for {method} {path}"
    return found


def _json_of(answer: httpx.Response) -> Any:
    is_json = answer.headers.get("content-type", "").startswith("application/json")
    return orjson.loads(answer.content) if is_json and answer.content else None


def _keys_in_order(value: Any) -> Any:
    """Keys are listed by their ids, which are random: here by their beginnings."""
    if isinstance(value, dict):
        return {name: _keys_in_order(each) for name, each in value.items()}
    if not isinstance(value, list):
        return value
    items = [_keys_in_order(each) for each in value]
    are_keys = all(isinstance(each, dict) and "last4" in each for each in items)
    return sorted(items, key=lambda each: (each["created"], str(each["name"]))) if are_keys else items


def _event(block: str) -> Any:
    """An event as its name and its data; what is none stays text."""
    name, _, data = block.rpartition("data: ")
    try:
        return {name.strip() or "data": orjson.loads(data)}
    except orjson.JSONDecodeError:
        return block


def _openapi(document: Mapping[str, Any]) -> Any:
    """The operations; a test of its own holds the rest to the routes."""
    operations = {f"{method} {path}" for path, methods in document["paths"].items() for method in methods}
    return sorted(re.sub(r"\{[^}]*\}", "{}", operation) for operation in operations)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


@contextmanager
def _logging() -> Iterator[None]:
    """Lines are logged as in a function, whatever ran in this process before; afterwards all is as it was."""
    ours, everybody = logging.getLogger("multiconnection"), logging.getLogger()
    before = (ours.level, ours.propagate, everybody.handlers[:])
    # Powertools' handler is given once to a process, and writes to whatever is standard error.
    configure_logging("INFO")
    try:
        yield
    finally:
        ours.level, ours.propagate, everybody.handlers[:] = before
