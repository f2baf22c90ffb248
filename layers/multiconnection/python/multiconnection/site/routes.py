"""Pages, assets, the OpenAPI document and /api/site."""

from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from multiconnection.errors import GatewayError, UrlUnknown
from multiconnection.web.context import SCOPE_KEY, header, service
from multiconnection.web.openapi import AnswerModel, Money

from .pages import FORMS, ProviderState, SiteService, docs_page, home_page, model_page, models_page, status_page
from .render import IMMUTABLE, Pages, Visitor, page_response, visitor_of

router = APIRouter()
# An SDK whose base URL lacks /v1 asks for /models.
HINT = "Invalid URL. The paths of this API start with /v1: use a base URL that ends in /v1."
PUBLIC_CACHE = "public, max-age=300"


@cache
def pages() -> Pages:
    """Templates and assets, read at the first request of a process."""
    return Pages()


SiteDep = Annotated[SiteService, service("site")]


class ProviderStateAnswer(AnswerModel):
    provider: str
    state: ProviderState


class SiteAnswer(AnswerModel):
    base_url: str
    legal_entity: str
    test_credit: Money
    status: list[ProviderStateAnswer]


class Visit:
    """A request for a page and its visitor; renders the answer."""

    def __init__(self, request: Request, site: SiteService) -> None:
        self.request = request
        self.site = site
        self.visitor: Visitor = visitor_of(request.scope)

    @property
    def base_url(self) -> str:
        return self.visitor.base_url(self.site.config.public_base_url)

    def show(self, template: str, context: Mapping[str, Any], status: int = 200) -> Response:
        config = self.site.config
        common = {"config": config, "base_url": self.base_url, "path": self.request.url.path}
        html = pages().html(template, self.visitor, {**common, **context})
        asked_for = header(self.request.scope, b"if-none-match")
        return page_response(html, self.visitor, asked_for=asked_for, upload_origin=config.upload_origin, status=status)

    def refuse(self, error: GatewayError) -> Response:
        """The error as a page."""
        request_id = self.request.scope[SCOPE_KEY].request_id
        return self.show("error.html.j2", {"error": error, "request_id": request_id}, error.http_status)

    @property
    def is_a_program(self) -> bool:
        accept = header(self.request.scope, b"accept") or "*/*"
        return "html" not in accept and "*/*" not in accept


async def visit_of(request: Request, site: SiteDep) -> Visit:
    """A coroutine, as FastAPI calls a class in a thread."""
    return Visit(request, site)


VisitDep = Annotated[Visit, Depends(visit_of)]


@router.get("/")
async def home(visit: VisitDep) -> Response:
    try:
        models = await visit.site.models()
    except GatewayError as error:
        return visit.refuse(error)
    return visit.show("home.html.j2", home_page(models, visit.base_url, visit.request.query_params))


@router.get("/models")
async def models_list(visit: VisitDep) -> Response:
    if visit.is_a_program:
        raise UrlUnknown(HINT)
    try:
        models = await visit.site.models()
    except GatewayError as error:
        return visit.refuse(error)
    return visit.show("models.html.j2", models_page(models, visit.request.query_params))


@router.get("/models/{model:path}")
async def one_model(model: str, visit: VisitDep) -> Response:
    """By id or alias; ids contain slashes."""
    if visit.is_a_program:
        raise UrlUnknown(HINT)
    try:
        found = await visit.site.model(model)
    except GatewayError as error:
        return visit.refuse(error)
    return visit.show("model.html.j2", model_page(found, visit.base_url))


@router.get("/docs")
async def docs(visit: VisitDep) -> Response:
    try:
        models = await visit.site.models()
    except GatewayError as error:
        return visit.refuse(error)
    return visit.show("docs.html.j2", docs_page(models, visit.base_url))


@router.get("/status")
async def status(visit: VisitDep) -> Response:
    try:
        providers = await visit.site.status()
    except GatewayError as error:
        return visit.refuse(error)
    return visit.show("status.html.j2", status_page(providers))


def _form(name: str) -> None:
    @router.get(f"/{name}", name=name)
    async def form(visit: VisitDep) -> Response:
        return visit.show("form.html.j2", {"form": FORMS[name]})


for _name in FORMS:
    _form(_name)


@router.get("/console")
@router.get("/console/{view:path}")
async def console(visit: VisitDep) -> Response:
    """One shell for every view; its script reads the URL."""
    return visit.show("app.html.j2", {"title": "Console", "entry": "js/console/app.js", "root": "/console"})


@router.get("/admin")
@router.get("/admin/{view:path}")
async def admin(visit: VisitDep) -> Response:
    return visit.show("app.html.j2", {"title": "Admin", "entry": "js/admin/app.js", "root": "/admin"})


@router.get("/assets/{name}")
async def asset(name: str) -> Response:
    found = pages().assets.served(name)
    if found is None:
        raise UrlUnknown("There is no such file.")
    headers = {"cache-control": IMMUTABLE, "x-content-type-options": "nosniff"}
    return Response(found.body, headers=headers, media_type=found.media_type)


@router.get("/favicon.svg")
async def favicon() -> Response:
    found = pages().assets.at("favicon.svg")
    return Response(found.body, headers={"cache-control": PUBLIC_CACHE}, media_type=found.media_type)


@router.get("/robots.txt")
async def robots(visit: VisitDep) -> Response:
    prefix = visit.visitor.prefix
    text = f"User-agent: *\nDisallow: {prefix}/console\nDisallow: {prefix}/admin\nDisallow: {prefix}/api/\n"
    return Response(text, headers={"cache-control": PUBLIC_CACHE}, media_type="text/plain; charset=utf-8")


@lru_cache(maxsize=8)
def openapi_document(server: str) -> bytes:
    """The document that `tools/openapi.py` generates; `server` is what stands before /v1."""
    document = orjson.loads((files("multiconnection") / "data/openapi.json").read_bytes())
    document["servers"] = [{"url": server or "/"}]
    return orjson.dumps(document)


@router.get("/openapi.json")
async def openapi(visit: VisitDep) -> Response:
    body = openapi_document(visit.base_url.removesuffix("/v1"))
    return Response(body, headers={"cache-control": PUBLIC_CACHE}, media_type="application/json")


@router.get("/api/site", tags=["Public"], summary="Base URL, legal entity, test credit, state of the providers")
async def site_facts(visit: VisitDep) -> SiteAnswer:
    """For the console, before anyone has signed in."""
    config = visit.site.config
    providers = await visit.site.status()
    return SiteAnswer(
        base_url=visit.base_url,
        legal_entity=config.legal_entity,
        test_credit=config.test_credit_usd,
        status=[ProviderStateAnswer(provider=provider.name, state=provider.state) for provider in providers],
    )


@router.get("/{page:path}")
async def not_found(page: str, visit: VisitDep) -> Response:
    """A page for browsers that followed a broken link; programs get the usual error."""
    if visit.is_a_program or page.startswith(("api/", "v1/")):
        raise UrlUnknown(HINT)
    return visit.refuse(UrlUnknown("There is no such page."))
