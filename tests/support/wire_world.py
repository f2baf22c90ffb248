"""The real container behind its real sockets: a fake AWS and a fake provider on this machine, every request counted."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import httpx
import orjson
from aiohttp import web
from fastapi import APIRouter
from starlette.datastructures import State

from multiconnection.aws.dynamo import ConditionFailed
from multiconnection.bootstrap.base import SystemClock, SystemRng
from multiconnection.bootstrap.gateway import (
    build_audio,
    build_chat,
    build_embeddings,
    build_images,
    build_models,
    build_uploads,
)
from multiconnection.catalog import routes as catalog_routes
from multiconnection.catalog.store import CatalogTable
from multiconnection.chat import routes as chat_routes
from multiconnection.config import Settings
from multiconnection.history import routes as history_routes
from multiconnection.keys.service import KeyService
from multiconnection.keys.store import KeysTable
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables
from multiconnection.ledger.models import AccountLimits, CreditRow
from multiconnection.money import NANO_PER_USD
from multiconnection.web.app import Process, create_app
from tools.memory_dynamo.driver import MemoryDynamo, TableKeys

ACCOUNT = "acct_wire"
PROVIDER_KEY = "sk-provider-0123456789abcdef"
# One of each kind but chat, as shipped.
OTHER_MODELS = ("text-embedding-3-small", "omni-moderation-latest", "tts-1", "whisper-1", "dall-e-3")
SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:providers-AbCdEf"
ENVIRONMENT = {
    "KEYS_TABLE": "keys",
    "BALANCES_TABLE": "balances",
    "USAGE_TABLE": "usage",
    "CREDITS_TABLE": "credits",
    "ORDERS_TABLE": "orders",
    "CATALOG_TABLE": "catalog",
    "LIMITS_TABLE": "limits",
    "AUDIT_TABLE": "audit",
    "REPORTS_TABLE": "reports",
    "ADJUSTMENTS_TABLE": "adjustments",
    "PAYLOAD_BUCKET": "payloads",
    "FALLBACK_QUEUE_URL": "http://127.0.0.1:1/queue",
    "AWS_REGION": "eu-west-1",
}
KEYS = {
    "keys": TableKeys("key_hash", indexes={"by_account": ("account_id", "key_id")}),
    "balances": TableKeys("account_id", indexes={"by_activity": ("activity_shard", "activity_bucket")}),
    "usage": TableKeys("account_id", "request_id"),
    "credits": TableKeys("account_id", "credit_id"),
    "catalog": TableKeys("pk", "sk"),
    "limits": TableKeys("subject"),
}
Handler = Callable[[web.Request], Any]
# All functions of /v1 on one state; the process of the last one answers.
BUILDERS = (build_models, build_uploads, build_embeddings, build_images, build_audio, build_chat)


@dataclass
class Aws:
    """DynamoDB's and Secrets Manager's JSON protocols; `requests` counts (table or secret, operation)."""

    dynamo: MemoryDynamo = field(default_factory=lambda: MemoryDynamo(KEYS))
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    secret: str = "{}"
    secret_status: int = 200
    secret_requests: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        service, _, operation = request.headers["x-amz-target"].partition(".")
        body = await request.read()
        if service == "secretsmanager":
            self.secret_requests.append((request.headers.copy(), body))
            self.requests["secret", operation] += 1
            answer = {"SecretString": self.secret} if self.secret_status == 200 else {"__type": "x#AccessDenied"}
            return _json(answer, self.secret_status)
        payload = orjson.loads(body)
        self.requests[payload["TableName"], operation] += 1
        try:
            return _json(await self.dynamo.call(operation, payload))
        except ConditionFailed as exc:
            code = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
            return _json({"__type": code, "Item": exc.item}, 400)


@dataclass
class Provider:
    """An OpenAI-compatible upstream; `statuses` are answered first, one a request."""

    statuses: list[int] = field(default_factory=list)
    keys_seen: list[str] = field(default_factory=list)
    break_stream: bool = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.keys_seen.append(request.headers.get("authorization", "").removeprefix("Bearer "))
        body = orjson.loads(await request.read())
        if self.statuses:
            return _json({"error": {"message": "broken", "code": "oops"}}, self.statuses.pop(0))
        if not body.get("stream"):
            message = {"role": "assistant", "content": "the answer"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return _json({"id": "c1", "object": "chat.completion", "created": 1, "choices": [choice], "usage": USAGE})
        return await self._stream(request)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for event in (_chunk({"delta": {"content": "the "}}), _chunk({"delta": {"content": "answer"}})):
            await response.write(event)
        if self.break_stream:
            return response
        await response.write(_chunk({"delta": {}, "finish_reason": "stop"}))
        usage_chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "choices": [], "usage": USAGE}
        await response.write(b"data: " + orjson.dumps(usage_chunk) + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        return response


USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


@dataclass
class WireWorld:
    """`client` speaks to the app as API Gateway would; `api_key` is the caller's."""

    aws: Aws
    provider: Provider
    second: Provider
    client: httpx.AsyncClient
    api_key: str
    state: Callable[[], State]

    async def chat(self, text: str = "hello", **fields: Any) -> httpx.Response:
        body = {"model": "gpt-4.1", "messages": [{"role": "user", "content": text}], "max_tokens": 50, **fields}
        return await self.client.post("/v1/chat/completions", json=body, headers=self.headers)

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.api_key}"}


@asynccontextmanager
async def wire_world(
    *, secret: Mapping[str, str] | None = None, routers: tuple[APIRouter, ...] = (), **env: str
) -> AsyncIterator[WireWorld]:
    """With `secret`, the providers' keys come from Secrets Manager and not from the environment."""
    aws, provider, second = Aws(), Provider(), Provider()
    async with AsyncExitStack() as stack:
        aws_url = await stack.enter_async_context(_served(aws.handle))
        urls = [await stack.enter_async_context(_served(each.handle)) for each in (provider, second)]
        keys = {"OPENAI_API_KEY": PROVIDER_KEY, "OPENROUTER_API_KEY": PROVIDER_KEY}
        if secret is not None:
            aws.secret, keys = orjson.dumps(dict(secret)).decode(), {"PROVIDER_SECRET_ARN": SECRET_ARN}
        settings = Settings.of(
            ENVIRONMENT
            | {"AWS_ENDPOINT_URL": aws_url, "OPENAI_BASE_URL": urls[0], "OPENROUTER_BASE_URL": urls[1]}
            | keys
            | env
        )
        api_key = await _seed(aws.dynamo)
        states: list[State] = []
        processes: list[Process] = []

        def set_up(state: State) -> Process:
            """All of what the tests of this world call, as their functions have it."""
            states.append(state)
            processes.extend(build(state, settings) for build in BUILDERS)
            return processes[-1]

        served = routers or (chat_routes.router, catalog_routes.router, history_routes.router)
        app = create_app(set_up, served, chat_routes.hot_routes if chat_routes.router in served else None)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://gateway"))
        try:
            yield WireWorld(aws, provider, second, client, api_key, lambda: states[-1])
        finally:
            for process in processes:
                await process.aclose()


def _shipped() -> list[dict[str, Any]]:
    shipped: list[dict[str, Any]] = orjson.loads((files("multiconnection") / "data/catalog.json").read_bytes())[
        "models"
    ]
    return shipped


async def _seed(dynamo: MemoryDynamo) -> str:
    entry = {
        "id": "gpt-4.1",
        "code": "g41",
        "aliases": [],
        "owned_by": "openai",
        "kind": "chat",
        "name": "GPT-4.1",
        "created": 1744588800,
        "context_window": 100_000,
        "max_output_tokens": 1000,
        "price_version": 1,
        "prices": {"input": "2.00", "cached_input": "0.50", "cache_write": "2.00", "output": "8.00"},
        "capabilities": ["streaming"],
        "refused_parameters": [],
        "priced_parameters": {},
        "upstreams": [
            {"provider": "openai", "model": "gpt-4.1"},
            {"provider": "openrouter", "model": "openai/gpt-4.1"},
        ],
    }
    others = [model for model in _shipped() if model["id"] in OTHER_MODELS]
    await CatalogTable(dynamo, "catalog").publish([entry, *others])
    store = DynamoStore(dynamo, LedgerTables("balances", "usage", "credits"))
    await store.create_account(ACCOUNT, "Wire", 1, AccountLimits())
    await store.credit(CreditRow(ACCOUNT, "opening", 100 * NANO_PER_USD, "grant", "Test", "test", 1))
    keys = KeyService(KeysTable(dynamo, "keys", "balances"), store, SystemClock(), SystemRng())
    _, secret = await keys.issue(ACCOUNT, "wire")
    return secret


@asynccontextmanager
async def _served(handle: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def _chunk(choice: Mapping[str, Any]) -> bytes:
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "choices": [{"index": 0, **choice}]}
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
