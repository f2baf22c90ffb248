"""POST /v1/embeddings and POST /v1/moderations."""

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from multiconnection.keys.authenticate import authenticated
from multiconnection.web.app import HotRoutes
from multiconnection.web.body import read_json
from multiconnection.web.context import SCOPE_KEY

router = APIRouter()


async def create_embeddings(request: Request) -> Response:
    """A vector for each input."""
    caller = await authenticated(request)
    body = await read_json(request)
    return _json(await request.app.state.embeddings.embed(caller, body, request.scope[SCOPE_KEY]))


async def create_moderation(request: Request) -> Response:
    """Whether texts or images are harmful; free by default."""
    caller = await authenticated(request)
    body = await read_json(request)
    return _json(await request.app.state.embeddings.moderate(caller, body, request.scope[SCOPE_KEY]))


def _json(body: dict[str, object]) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")


hot_routes: HotRoutes = {
    ("POST", "/v1/embeddings"): create_embeddings,
    ("POST", "/v1/moderations"): create_moderation,
}
for (method, path), endpoint in hot_routes.items():
    router.add_route(path, endpoint, methods=[method])
