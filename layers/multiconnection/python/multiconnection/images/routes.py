"""POST /v1/images/generations and POST /v1/images/edits."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from multiconnection.calls.streaming import response
from multiconnection.keys.authenticate import authenticated
from multiconnection.web.app import HotRoutes
from multiconnection.web.body import read_json
from multiconnection.web.context import SCOPE_KEY
from multiconnection.web.forms import FORM_DATA, read_form

router = APIRouter()


async def create_image(request: Request) -> Response:
    """Images from a prompt, as JSON or as server-sent events when `stream` is true."""
    caller = await authenticated(request)
    body = await read_json(request)
    return response(await request.app.state.images.generate(caller, body, request.scope[SCOPE_KEY]))


async def edit_image(request: Request) -> Response:
    """Images from a prompt and other images: a form with files, or JSON that refers to them."""
    caller = await authenticated(request)
    if request.headers.get("content-type", "").lstrip().lower().startswith(FORM_DATA):
        form = await read_form(request)
        return response(await request.app.state.images.edit_form(caller, form, request.scope[SCOPE_KEY]))
    body = await read_json(request)
    return response(await request.app.state.images.edit(caller, body, request.scope[SCOPE_KEY]))


hot_routes: HotRoutes = {
    ("POST", "/v1/images/generations"): create_image,
    ("POST", "/v1/images/edits"): edit_image,
}
for (method, path), endpoint in hot_routes.items():
    router.add_route(path, endpoint, methods=[method])
