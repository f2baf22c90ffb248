"""The data and control plane's apps over one ChatWorld, called through ASGI without a server."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import httpx
from fastapi import APIRouter

from multiconnection.audio import routes as audio_routes
from multiconnection.catalog import routes as catalog_routes
from multiconnection.chat import routes as chat_routes
from multiconnection.embeddings import routes as embeddings_routes
from multiconnection.history import routes as history_routes
from multiconnection.images import routes as images_routes
from multiconnection.uploads import routes as uploads_routes
from multiconnection.web.app import Envelope, HotRoutes, create_app

from .chat_world import IP, MESSAGES, ChatWorld

MODULES = (chat_routes, embeddings_routes, images_routes, catalog_routes, audio_routes, uploads_routes, history_routes)
ROUTERS = tuple(module.router for module in MODULES)


def _hot(routers: Sequence[APIRouter]) -> HotRoutes:
    modules = [module for module in MODULES if module.router in routers]
    return {key: route for module in modules for key, route in getattr(module, "hot_routes", {}).items()}


class ChatApp:
    """`secret` belongs to the one account; `raised` keeps exceptions that left the app in its answer."""

    def __init__(self, world: ChatWorld, routers: Sequence[APIRouter] = ROUTERS) -> None:
        self.world = world
        self.app: Envelope = create_app(world.set_up, routers, _hot(routers))
        self.secret = ""
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app, client=(IP, 1234)), base_url="http://gateway"
        )

    async def __aenter__(self) -> "ChatApp":
        await self.http.__aenter__()
        self.secret = await self.world.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.__aexit__(kind, exc, trace)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers=self._headers(headers))

    async def chat(self, *, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        whole = {"model": "m-1", "messages": MESSAGES, **body}
        return await self.http.post("/v1/chat/completions", json=whole, headers=self._headers(headers or {}))

    async def send(self, path: str, **body: Any) -> httpx.Response:
        """A JSON body to any endpoint."""
        return await self.http.post(path, json=body, headers=self._headers({}))

    async def post(self, content: Any, **headers: str) -> httpx.Response:
        """A raw body; None for a header leaves it out."""
        return await self.http.post(
            "/v1/chat/completions",
            content=content,
            headers=self._headers({"content-type": "application/json"} | headers),
        )

    def _headers(self, given: dict[str, str]) -> dict[str, str]:
        return {"authorization": f"Bearer {self.secret}"} | {name.replace("_", "-"): v for name, v in given.items()}
