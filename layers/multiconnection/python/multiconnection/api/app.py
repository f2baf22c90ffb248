"""The app factory: one FastAPI app per function, all with the same envelope and error handlers."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from multiconnection.bootstrap.data_plane import Container
from multiconnection.domain.ids import new_hold_id

from . import errors
from .context import RequestContext, client_ip, function_ends_s
from .envelope import Envelope, Scope
from .hot import HotPath, HotRoutes


def create_app(
    make_container: Callable[[], Container], routers: Sequence[APIRouter], hot_routes: HotRoutes | None = None
) -> Envelope:
    """An ASGI app. The container is made at start-up (or first use, where no lifespan runs) and closed at the end."""
    holder = ContainerHolder(make_container)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.container = holder.get()
        yield
        await holder.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    errors.install(app)
    for router in routers:
        app.include_router(router)

    def make_context(scope: Scope) -> RequestContext:
        services = app.state.container = holder.get()
        now_s, ip = services.clock.now(), client_ip(scope)
        return RequestContext(
            hold_id=new_hold_id(int(now_s), services.rng),
            started_s=now_s,
            ip=ip,
            function_ends_s=function_ends_s(scope),
            limits=lambda: services.limiter.ip_state(ip),
        )

    def on_answered(context: RequestContext) -> None:
        holder.get().telemetry.call(context.facts)

    return Envelope(HotPath(app, hot_routes) if hot_routes else app, make_context, on_answered)


class ContainerHolder:
    """One container per process, made on the running event loop."""

    def __init__(self, make_container: Callable[[], Container]) -> None:
        self._make = make_container
        self._container: Container | None = None

    def get(self) -> Container:
        if self._container is None:
            self._container = self._make()
        return self._container

    async def close(self) -> None:
        if self._container is not None:
            await self._container.aclose()
            self._container = None
