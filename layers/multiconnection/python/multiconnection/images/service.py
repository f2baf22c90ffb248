"""Generate and edit images: one path for whole answers, inline or stored, and for streams of partial ones."""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from multiconnection.calls.pipeline import Calls
from multiconnection.calls.streaming import NAMED_EVENTS, StreamedAnswer
from multiconnection.catalog.models import Model
from multiconnection.catalog.parameters import EDITS, GENERATIONS
from multiconnection.context import RequestContext
from multiconnection.keys.models import Caller
from multiconnection.uploads.service import UploadService
from multiconnection.web.forms import Form

from .inputs import Sources, body_of, form_sources, json_sources
from .request import ImageCall, ImageRequest, parse_image_request, require_image_model
from .upstream import GeneratedImage, GeneratedImages, OpenAiImages, shown_usage

ImageAnswer = Mapping[str, Any] | StreamedAnswer
"""The JSON object of a whole answer, already charged, or a stream that has to be relayed."""


class ImagesService:
    """One instance per process. An answer has at most `inline_bytes_max` of base64, the rest of it is stored."""

    def __init__(self, calls: Calls, upstream: OpenAiImages, uploads: UploadService, inline_bytes_max: int) -> None:
        self._calls = calls
        self._upstream = upstream
        self._uploads = uploads
        self._inline_bytes_max = inline_bytes_max

    async def generate(self, caller: Caller, body: object, context: RequestContext) -> ImageAnswer:
        """Raises GatewayError; whatever was reserved is settled by then."""
        model, request = await self._accepted(caller, parse_image_request(GENERATIONS, body))
        return await self._answer(caller, context, request, request.bind(model, self._calls.markup_basis_points))

    async def edit(self, caller: Caller, body: object, context: RequestContext) -> ImageAnswer:
        """Like `generate`, from the pictures that a JSON body refers to."""
        request = parse_image_request(EDITS, body)
        return await self._edit(caller, request, json_sources(body if isinstance(body, dict) else {}), context)

    async def edit_form(self, caller: Caller, form: Form, context: RequestContext) -> ImageAnswer:
        """Like `generate`, from the files of a form."""
        return await self._edit(caller, parse_image_request(EDITS, body_of(form)), form_sources(form), context)

    async def _edit(
        self, caller: Caller, request: ImageRequest, sources: Sources, context: RequestContext
    ) -> ImageAnswer:
        model, request = await self._accepted(caller, request)
        call = request.bind(model, self._calls.markup_basis_points, sources.count)
        pictures, mask, markup = await sources.read(self._uploads, caller.account_id)
        call = replace(call, pictures=pictures, mask=mask, markup=markup)
        return await self._answer(caller, context, request, call)

    async def _accepted(self, caller: Caller, request: ImageRequest) -> tuple[Model, ImageRequest]:
        model = await self._calls.find_model(caller, request.model)
        require_image_model(request, model)
        model, fields = self._calls.accept(request.endpoint, model, request.fields)
        return model, replace(request, fields=fields)

    async def _answer(
        self, caller: Caller, context: RequestContext, request: ImageRequest, call: ImageCall
    ) -> ImageAnswer:
        reserved = await self._calls.reserve(caller, call, context)
        if call.streamed:
            return await reserved.stream(self._upstream.stream, NAMED_EVENTS)
        generated, cost = await reserved.complete(
            self._upstream.generate, self._deliver(caller.account_id, context.hold_id, as_url=request.as_url)
        )
        images, outcome = generated.body, generated.outcome
        usage = shown_usage(outcome.usage, outcome.source, cost)
        return {"created": int(context.started_s), **images.metadata, "data": list(images.items), "usage": usage}

    def _deliver(
        self, account_id: str, hold_id: str, *, as_url: bool
    ) -> Callable[[GeneratedImages], Awaitable[GeneratedImages]]:
        """Inline as long as there is room, else into the bucket; StorageUnavailable where that fails."""

        async def deliver(generated: GeneratedImages) -> GeneratedImages:
            room = 0 if as_url else self._inline_bytes_max
            items: list[Awaitable[Mapping[str, Any]]] = []
            for index, image in enumerate(generated.images):
                inline_bytes = -(-len(image.data) // 3) * 4
                if inline_bytes <= room:
                    room -= inline_bytes
                    items.append(_inline(image))
                else:
                    items.append(self._stored(account_id, hold_id, index, image))
            return replace(generated, items=tuple(await asyncio.gather(*items)))

        return deliver

    async def _stored(self, account_id: str, hold_id: str, index: int, image: GeneratedImage) -> Mapping[str, Any]:
        stored = await self._uploads.store_result(account_id, hold_id, index, image.data, image.content_type)
        return {"url": stored.url, "expires_at": stored.expires_at, **image.more}


async def _inline(image: GeneratedImage) -> Mapping[str, Any]:
    return {"b64_json": b64encode(image.data).decode(), **image.more}
