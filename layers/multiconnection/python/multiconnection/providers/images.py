"""Images at an OpenAI-compatible provider: whole answers, and streams of partial images."""

import asyncio

from multiconnection.domain.provider import Provider
from multiconnection.services.images_ports import Drawn, ImageCall
from multiconnection.services.ports import CostOf, UpstreamError, UpstreamStream

from .answer import answer_body
from .errors import empty_answer, not_an_answer, transport_error
from .exchange import ERROR_BYTES_MAX, Exchange
from .http import Http, Reply, TransportFailure, read_body
from .images_answer import drawn_image, outcome_of, told_of
from .images_events import ImageEvents
from .images_fetch import PictureFetch
from .images_request import outgoing
from .named_events import NamedEventStream

# Ten pictures of 1536 x 1024 that do not compress are 63 MB as base64.
IMAGES_BYTES_MAX = 96 * 1024 * 1024


class OpenAiImages:
    """An ImageUpstream."""

    def __init__(self, http: Http, pictures: PictureFetch) -> None:
        self._exchange = Exchange(http)
        self._pictures = pictures

    async def draw(self, provider: Provider, call: ImageCall) -> Drawn:
        """The images that can be used, never more than were asked for; raises UpstreamError when there is none."""
        raw, _ = await self._exchange.whole(provider, outgoing(provider, call), IMAGES_BYTES_MAX)
        body = answer_body(raw, provider)
        told = told_of(body)
        items = body.get("data")
        if not isinstance(items, list) or not items:
            raise empty_answer()
        found = await asyncio.gather(
            *(drawn_image(self._pictures, provider, item, told) for item in items[: call.images])
        )
        images = tuple(image for image in found if image is not None)
        if not images:
            raise empty_answer()
        return Drawn(images, told, outcome_of(body.get("usage"), told, len(images), len(items), call))

    async def stream(self, provider: Provider, call: ImageCall, cost_of: CostOf) -> UpstreamStream:
        """Returns once the first image, partial or not, has arrived; raises UpstreamError."""
        reply = await self._exchange.open(provider, outgoing(provider, call))
        try:
            if _is_json(reply):
                raise await _told_in_json(provider, reply)
            stream = NamedEventStream(provider, reply, ImageEvents(call, provider.quirks, cost_of))
            await stream.prime()
        except BaseException:  # also when the caller's task is cancelled: the connection must not outlive it
            reply.close()
            raise
        return stream


def _is_json(reply: Reply) -> bool:
    media_type = (reply.headers.get("content-type") or "").partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


async def _told_in_json(provider: Provider, reply: Reply) -> UpstreamError:
    """JSON where events were asked for is an error object, if it is anything that can be used."""
    try:
        answer_body(await read_body(reply, ERROR_BYTES_MAX), provider)
    except TransportFailure as exc:
        return transport_error(exc)
    except UpstreamError as exc:
        return exc
    return not_an_answer()
