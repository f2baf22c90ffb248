"""POST /v1/embeddings and POST /v1/moderations."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from multiconnection.calls.streaming import response
from multiconnection.keys.authenticate import authenticated
from multiconnection.web.app import HotRoutes
from multiconnection.web.body import read_json
from multiconnection.web.context import SCOPE_KEY

router = APIRouter()


async def create_embeddings(request: Request) -> Response:
    """A vector for each input."""
    caller = await authenticated(request)
    body = await read_json(request)
    return response(await request.app.state.embeddings.embed(caller, body, request.scope[SCOPE_KEY]))


async def create_moderation(request: Request) -> Response:
    """A verdict for each text or image: harmful or not, and in which way; free by default."""
    caller = await authenticated(request)
    body = await read_json(request)
    return response(await request.app.state.embeddings.moderate(caller, body, request.scope[SCOPE_KEY]))


hot_routes: HotRoutes = {
    ("POST", "/v1/embeddings"): create_embeddings,
    ("POST", "/v1/moderations"): create_moderation,
}
for (method, path), endpoint in hot_routes.items():
    router.add_route(path, endpoint, methods=[method])
