"""POST /v1/embeddings and POST /v1/moderations."""

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from multiconnection.bootstrap.dependencies import authenticated, container
from multiconnection.web.app import HotRoutes
from multiconnection.web.body import read_json
from multiconnection.web.context import context

router = APIRouter()


async def create_embeddings(request: Request) -> Response:
    """A vector for each input."""
    services, facts = await container(request), await context(request)
    caller = await authenticated(request, services, facts)
    body = await read_json(request, services.settings.body_bytes_max)
    return _json(await services.embeddings.embed(caller, body, facts.arrival))


async def create_moderation(request: Request) -> Response:
    """Whether texts or images are harmful; free by default."""
    services, facts = await container(request), await context(request)
    caller = await authenticated(request, services, facts)
    body = await read_json(request, services.settings.body_bytes_max)
    return _json(await services.embeddings.moderate(caller, body, facts.arrival))


def _json(body: dict[str, object]) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")


hot_routes: HotRoutes = {
    ("POST", "/v1/embeddings"): create_embeddings,
    ("POST", "/v1/moderations"): create_moderation,
}
for (method, path), endpoint in hot_routes.items():
    router.add_route(path, endpoint, methods=[method])
