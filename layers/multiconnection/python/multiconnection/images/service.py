"""Draw and edit images: one path for whole answers, inline or stored, and for streams of partial ones."""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from multiconnection.calls.pipeline import Calls, OpenCall, Plan
from multiconnection.calls.streaming import NAMED_EVENTS, StreamedAnswer
from multiconnection.calls.upstream import CostOf, UpstreamStream
from multiconnection.catalog.models import Model, Provider, UpstreamRef
from multiconnection.catalog.parameters import EDITS, GENERATIONS
from multiconnection.context import RequestContext
from multiconnection.keys.models import Caller
from multiconnection.usage import Usage, UsageSource
from multiconnection.web.forms import Form

from .inputs import Drawn, DrawnImage, Files, ImageCall, ImageUpstream, Sources, form_sources, json_sources
from .request import ImageRequest, ImageTariff, body_of, parse_image_request, require_drawable

Deliver = Callable[[Drawn], Awaitable[Drawn]]


class ImagesService:
    """One instance per process. `inline_bytes_max` of base64 an answer has at most, the rest of it is stored."""

    def __init__(self, calls: Calls, upstream: ImageUpstream, files: Files, inline_bytes_max: int) -> None:
        self._calls = calls
        self._upstream = upstream
        self._files = files
        self._inline_bytes_max = inline_bytes_max

    async def generate(self, caller: Caller, body: object, context: RequestContext) -> dict[str, Any] | StreamedAnswer:
        """The whole answer, charged, or a stream that still has to be relayed.

        Raises GatewayError; whatever was reserved is settled by then.
        """
        request = parse_image_request(body)
        model, request = await self._model(caller, request, GENERATIONS)
        call = _call(request, request.tariff(model))
        return await self._answer(caller, context, request, GENERATIONS, call)

    async def edit(self, caller: Caller, body: object, context: RequestContext) -> dict[str, Any] | StreamedAnswer:
        """As `generate`, from the pictures that a JSON body refers to."""
        request = parse_image_request(body)
        return await self._edit(caller, request, json_sources(body if isinstance(body, dict) else {}), context)

    async def edit_form(self, caller: Caller, form: Form, context: RequestContext) -> dict[str, Any] | StreamedAnswer:
        """As `generate`, from the files of a form."""
        return await self._edit(caller, parse_image_request(body_of(form)), form_sources(form), context)

    async def _edit(
        self, caller: Caller, request: ImageRequest, sources: Sources, context: RequestContext
    ) -> dict[str, Any] | StreamedAnswer:
        model, request = await self._model(caller, request, EDITS)
        tariff = request.tariff(model, sources.count)
        pictures, mask, markup = await sources.read(self._files, caller.account_id)
        call = replace(_call(request, tariff), edit=True, pictures=pictures, mask=mask, markup=markup)
        return await self._answer(caller, context, request, EDITS, call)

    async def _model(self, caller: Caller, request: ImageRequest, endpoint: str) -> tuple[Model, ImageRequest]:
        model = await self._calls.find_model(caller, request.model)
        require_drawable(request, model, edit=endpoint == EDITS)
        model, fields = self._calls.accept(endpoint, model, request.fields)
        return model, replace(request, fields=fields)

    async def _answer(
        self, caller: Caller, context: RequestContext, request: ImageRequest, endpoint: str, call: ImageCall
    ) -> dict[str, Any] | StreamedAnswer:
        opened = await self._calls.open(caller, self._plan(endpoint, call), context)
        if call.stream:
            return await self._streamed(opened, call)
        drawn, cost = await opened.complete(
            lambda provider, ref: self._upstream.draw(provider, _at(call, ref)),
            self._deliver(caller.account_id, context.hold_id, as_url=request.as_url),
        )
        usage = shown_usage(drawn.outcome.usage, drawn.outcome.source, cost)
        return {"created": int(context.started_s), **drawn.told, "data": list(drawn.items), "usage": usage}

    async def _streamed(self, opened: OpenCall, call: ImageCall) -> StreamedAnswer:
        async def operation(provider: Provider, ref: UpstreamRef, cost_of: CostOf) -> UpstreamStream:
            return await self._upstream.stream(provider, _at(call, ref), cost_of)

        return await opened.stream(operation, NAMED_EVENTS)

    def _plan(self, endpoint: str, call: ImageCall) -> Plan:
        return Plan(
            endpoint=endpoint,
            model=call.tariff.model,
            bound=call.tariff.cost_bound(self._calls.markup_basis_points),
            tokens_estimate=call.tariff.tokens_estimate(),
            streamed=call.stream,
        )

    def _deliver(self, account_id: str, hold_id: str, *, as_url: bool) -> Deliver:
        """Inline as long as there is room, else into the bucket; StorageUnavailable where that fails."""

        async def deliver(drawn: Drawn) -> Drawn:
            room = 0 if as_url else self._inline_bytes_max
            places: list[Awaitable[Mapping[str, Any]]] = []
            for index, image in enumerate(drawn.images):
                inline_bytes = -(-len(image.data) // 3) * 4
                if inline_bytes <= room:
                    room -= inline_bytes
                    places.append(_inline(image))
                else:
                    places.append(self._stored(account_id, hold_id, index, image))
            return replace(drawn, items=tuple(await asyncio.gather(*places)))

        return deliver

    async def _stored(self, account_id: str, hold_id: str, index: int, image: DrawnImage) -> Mapping[str, Any]:
        stored = await self._files.store_result(account_id, hold_id, index, image.data, image.content_type)
        return {"url": stored.url, "expires_at": stored.expires_at, **image.more}


async def _inline(image: DrawnImage) -> Mapping[str, Any]:
    return {"b64_json": b64encode(image.data).decode(), **image.more}


def _call(request: ImageRequest, tariff: ImageTariff) -> ImageCall:
    fields = request.upstream_fields(tariff)
    return ImageCall(fields, upstream_model="", images=request.images, stream=request.stream, tariff=tariff)


def _at(call: ImageCall, ref: UpstreamRef) -> ImageCall:
    """The call under the model's name at one upstream."""
    return replace(call, upstream_model=ref.model)


# The usage object of an image answer, as the OpenAI SDKs have it.


def shown_usage(usage: Usage, source: UsageSource, cost: str) -> dict[str, Any]:
    """Agrees with what is charged. Images that are priced each have no tokens: it tells how many there are."""
    text = usage.input + usage.cached_input
    shown: dict[str, Any] = {
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "input_tokens_details": {"text_tokens": text, "image_tokens": usage.input_image},
        "output_tokens_details": {"text_tokens": usage.output, "image_tokens": usage.output_image},
    }
    if usage.cached_input:
        shown["input_tokens_details"]["cached_tokens"] = usage.cached_input
    if usage.images:
        shown |= {"images": usage.images, "size": usage.image_size, "quality": usage.image_quality}
    shown["cost"] = cost
    return shown | {"estimated": True} if source is UsageSource.ESTIMATED else shown
