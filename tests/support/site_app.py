"""The site's app over a catalog in memory, called through ASGI without a server."""

from collections.abc import Mapping

import httpx
from starlette.datastructures import State

from multiconnection.catalog.models import Model
from multiconnection.site import routes as site_routes
from multiconnection.site.pages import ProviderState, SiteConfig, SiteService
from multiconnection.web.app import Envelope, Process, create_app

from .chat_world import IP, ChatWorld, a_model

ENTITY = "EXAMPLE HOLDING <PTE> LTD."
_IMAGES = {"images": {"1024x1024": {"low": "0.005", "high": "0.036"}}}
CONFIG = SiteConfig(ENTITY, "1.00", upload_origin="https://bucket.example")


class States:
    """What is known about the providers."""

    def __init__(self, **known: ProviderState) -> None:
        self.known = known

    async def states(self) -> Mapping[str, ProviderState]:
        return self.known


def some_models() -> list[Model]:
    """One of each way to be priced; the name of the first one is hostile."""
    return [
        a_model(name="<script>alert(1)</script>"),
        a_model(id="acme/m-2:free", code="m02", aliases=[], name="Cheap", prices={"input": "0.075", "output": "0.30"}),
        a_model(id="painter", code="m03", aliases=[], name="Painter", kind="image", prices=_IMAGES, context_window=0),
        a_model(id="voice", code="m04", aliases=[], name="Voice", kind="speech", prices={"characters": "15.00"}),
        a_model(id="ear", code="m05", aliases=[], name="Ear", kind="transcription", prices={"seconds": "0.0001"}),
    ]


class SiteWorld(ChatWorld):
    """A ChatWorld with the site."""

    def __init__(self, config: SiteConfig = CONFIG, states: States | None = None) -> None:
        super().__init__(*some_models())
        self.site_config = config
        self.states = states or States(one="ok", two="down")

    def set_up(self, state: State) -> Process:
        process = super().set_up(state)
        state.site = SiteService(self.site_config, self.catalog, state.listing, self.states)
        return process


def site_app(world: SiteWorld | None = None) -> Envelope:
    return create_app((world or SiteWorld()).set_up, [site_routes.router])


def site_client(world: SiteWorld | None = None, host: str = "gateway.example") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=site_app(world), client=(IP, 1234))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}", headers={"accept": "text/html"})
