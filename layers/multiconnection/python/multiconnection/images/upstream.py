"""Images at an OpenAI-compatible provider: whole answers, and streams of partial images."""

import asyncio
import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from multiconnection.calls.upstream import Completion, CostOf, Outcome, UpstreamError, UpstreamStream
from multiconnection.catalog.models import Model, Provider, Quirks
from multiconnection.errors import GatewayError
from multiconnection.providers.errors import TransportFailure, answer_body, empty_answer, not_an_answer, transport_error
from multiconnection.providers.http import (
    ERROR_BYTES_MAX,
    EVENTS,
    JSON,
    Exchange,
    FilePart,
    Http,
    Outgoing,
    Reply,
    as_json,
    form_data,
    read_body,
)
from multiconnection.providers.sse import NamedEventStream, event_bytes
from multiconnection.providers.usage import counted, detail, details, outcome_of
from multiconnection.usage import Ended, Usage, UsageSource
from multiconnection.web.json import encode

from .fetch import Get, PictureUnreachable, fetched, get_picture
from .request import PARTIAL_TOKENS, ImageCall, Picture, PictureData, PictureUrl, image_type

# Ten pictures of 1536 x 1024 that do not compress are 63 MB as base64.
IMAGES_BYTES_MAX = 96 * 1024 * 1024
OCTETS = "application/octet-stream"
METADATA = ("background", "output_format", "quality", "size")
TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
_ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
_DATA_URL = "data:image/"
_PLACES = frozenset({"b64_json", "url"})


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """One finished image; `more` is what the provider says beside it, such as `revised_prompt`."""

    data: bytes = field(repr=False)
    content_type: str
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GeneratedImages:
    """A whole answer: at least one image, and what the provider says of all of them.

    `items` is the answer's `data`, once the images are where the caller gets them.
    """

    images: tuple[GeneratedImage, ...]
    metadata: Mapping[str, Any]
    items: tuple[Mapping[str, Any], ...] = ()


class OpenAiImages:
    """The dialect of a provider. Holds no state but the network: one instance serves all providers."""

    def __init__(self, http: Http, get: Get = get_picture) -> None:
        self._exchange = Exchange(http)
        self._get = get

    async def generate(self, provider: Provider, call: ImageCall) -> Completion[GeneratedImages]:
        """The images that can be used, never more than were asked for; raises UpstreamError when there is none."""
        raw, _ = await self._exchange.whole(provider, outgoing(provider, call), IMAGES_BYTES_MAX)
        body = answer_body(raw, provider)
        metadata = metadata_of(body)
        items = body.get("data")
        if not isinstance(items, list) or not items:
            raise empty_answer()
        found = await asyncio.gather(*(self._image(provider, item, metadata) for item in items[: call.images]))
        images = tuple(image for image in found if image is not None)
        if not images:
            raise empty_answer()
        outcome = image_outcome(body.get("usage"), metadata, len(images), len(items), call)
        return Completion(GeneratedImages(images, metadata), outcome)

    async def stream(self, provider: Provider, call: ImageCall, cost_of: CostOf) -> UpstreamStream:
        """Returns once the first image, partial or not, has arrived; raises UpstreamError."""
        reply = await self._exchange.open(provider, outgoing(provider, call))
        try:
            if _is_json(reply):
                raise await _error_in_json(provider, reply)
            stream = NamedEventStream(provider, reply, ImageEvents(call, provider.quirks, cost_of))
            await stream.prime()
        except BaseException:  # also when the caller's task is cancelled: the connection must not outlive it
            reply.close()
            raise
        return stream

    async def _image(self, provider: Provider, item: object, metadata: Mapping[str, Any]) -> GeneratedImage | None:
        """None for an item without an image that can be used."""
        if not isinstance(item, dict):
            return None
        data = decoded(item.get("b64_json"))
        if not data and isinstance(item.get("url"), str):
            try:
                data = await fetched(self._get, provider, item["url"])
            except PictureUnreachable:
                return None
        if not data:
            return None
        more = {name: value for name, value in item.items() if name not in _PLACES and value is not None}
        return GeneratedImage(data, image_type(data) or TYPES.get(metadata.get("output_format", ""), OCTETS), more)


def outgoing(provider: Provider, call: ImageCall) -> Outgoing:
    """JSON, or a form where there are files. Raises UpstreamError for what cannot be written.

    Models that are priced by tokens know no `response_format`; the others would answer with links by default.
    """
    judged = provider.parameters.forwarded(call.endpoint, call.fields)
    fields = {**judged, "model": call.upstream_model}
    if not call.by_tokens:
        fields["response_format"] = "b64_json"
    accept = EVENTS if call.streamed else JSON
    if not call.edit:
        return Outgoing.json("/images/generations", fields, accept)
    array = "[]" if len(call.pictures) > 1 else ""
    over = [(name, picture) for name, picture in (("mask", call.mask), ("markup", call.markup)) if picture is not None]
    pictures = [(f"image{array}", f"image-{at}", picture) for at, picture in enumerate(call.pictures)]
    pictures += [(name, name, picture) for name, picture in over]
    files = [
        FilePart(name, f"{filename}.{_ENDINGS.get(picture.content_type, 'bin')}", picture.content_type, picture.data)
        for name, filename, picture in pictures
        if isinstance(picture, PictureData)
    ]
    if len(files) < len(pictures):
        # A form has no room for links; JSON has room for files.
        fields["images"] = [_reference(picture) for picture in call.pictures]
        fields |= {name: _reference(picture) for name, picture in over}
        return Outgoing.json("/images/edits", fields, accept)
    body, content_type = form_data(_texts(fields), files)
    return Outgoing("/images/edits", body, content_type, accept)


def shown_usage(usage: Usage, source: UsageSource, cost: Decimal) -> dict[str, Any]:
    """The usage object of an image answer as the OpenAI SDKs have it, agreeing with what is charged.

    Images that are priced each have no tokens: their number is shown instead.
    """
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


def metadata_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Members about all images at once; those of another type are not passed on."""
    metadata: dict[str, Any] = {name: body[name] for name in METADATA if isinstance(body.get(name), str)}
    created = body.get("created")
    if isinstance(created, int) and not isinstance(created, bool):
        metadata["created"] = created
    return metadata


def decoded(given: object) -> bytes:
    """The image in a base64 text, b"" for none."""
    if not isinstance(given, str):
        return b""
    if given.startswith(_DATA_URL):
        given = given.partition(",")[2]
    try:
        return b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return b""


def image_outcome(usage: object, metadata: Mapping[str, Any], delivered: int, made: int, call: ImageCall) -> Outcome:
    """The outcome of an answer: of `made` images that the provider counted, `delivered` are paid for."""
    estimate, source = call.counted(delivered, metadata)
    reported = read_image_usage(usage, call.model) if call.by_tokens else None
    if reported is None:
        return Outcome(estimate, source, Ended.COMPLETE)
    return outcome_of(delivered_share(reported, delivered, made), call.usage_max(delivered), estimate)


class ImageEvents:
    """An EventReader: partial images as they come, finished ones with what they cost; other events are dropped."""

    def __init__(self, call: ImageCall, quirks: Quirks, cost_of: CostOf) -> None:
        self._call = call
        self._quirks = quirks
        self._cost_of = cost_of
        self._kind = "image_edit" if call.edit else "image_generation"
        self._usage = Usage()
        self._reported = Usage()
        self._disbelieved = False
        self._estimated = False
        self._partials = 0
        self._completed = 0
        self.substance = False
        self.finished = False

    def accept(self, event: dict[str, Any], payload: bytes) -> bytes:
        """Raises UpstreamError for an image that is none."""
        if event.get("type") == f"{self._kind}.partial_image":
            return self._partial(event, payload)
        if event.get("type") == f"{self._kind}.completed":
            return self._complete(event)
        return b""

    def complete(self) -> Outcome:
        return self._of_finished(Ended.COMPLETE)

    def so_far(self) -> Outcome:
        """An answer of which only the end still waits for a slow client is whole."""
        return self.complete() if self.finished else self._measured(Ended.DEADLINE)

    def failed(self, error: GatewayError) -> Outcome:
        """Finished images are paid for; before the first of them the vendor's policy decides."""
        if not self.substance:
            return Outcome(Usage(), UsageSource.NONE, Ended.UPSTREAM_ERROR, error)
        if not self._completed and not self._quirks.mid_stream_error_billed:
            return Outcome(Usage(), UsageSource.NONE, Ended.MID_STREAM_ERROR, error)
        return self._measured(Ended.MID_STREAM_ERROR, error)

    @property
    def _source(self) -> UsageSource:
        return UsageSource.ESTIMATED if self._estimated else UsageSource.UPSTREAM

    def _of_finished(self, ended: Ended, error: GatewayError | None = None) -> Outcome:
        return Outcome(self._usage, self._source, ended, error, self._reported if self._disbelieved else None)

    def _measured(self, ended: Ended, error: GatewayError | None = None) -> Outcome:
        if self._completed:
            return self._of_finished(ended, error)
        if self._partials:
            # More of them than were asked for are the provider's gift.
            partials = min(self._partials, self._call.images * self._call.partials)
            seen = self._call.input_estimate(partials * PARTIAL_TOKENS)
            return Outcome(seen, UsageSource.ESTIMATED, ended, error)
        return Outcome(Usage(), UsageSource.NONE, ended, error)

    def _partial(self, event: dict[str, Any], payload: bytes) -> bytes:
        if not decoded(event.get("b64_json")):
            raise not_an_answer()
        self._partials += 1
        self.substance = True
        return event_bytes(event["type"], encode(event) if b"\n" in payload else payload)

    def _complete(self, event: dict[str, Any]) -> bytes:
        if not decoded(event.get("b64_json")):
            raise not_an_answer() if self.substance else empty_answer()
        usage, source = self._usage_of(event)
        before = self._cost_of(self._usage) if self._completed else Decimal()
        self._usage = added(self._usage, usage)
        self._estimated = self._estimated or source is UsageSource.ESTIMATED
        self._completed += 1
        self.substance = True
        self.finished = self._completed >= self._call.images
        # Each event shows its share, so that the shares are what is charged in the end.
        cost = self._cost_of(self._usage) - before
        return event_bytes(event["type"], encode(event | {"usage": shown_usage(usage, source, cost)}))

    def _usage_of(self, event: dict[str, Any]) -> tuple[Usage, UsageSource]:
        """The usage of one image; what was read is counted with the first."""
        call = self._call
        estimate = call.estimated(1, metadata_of(event), with_input=not self._completed)
        most, read = call.usage_max(1), self._usage.prompt_tokens
        left = Usage(input=max(0, most.prompt_tokens - read), output_image=most.output_image)
        outcome = outcome_of(read_image_usage(event.get("usage"), call.model), left, estimate)
        self._reported = added(self._reported, outcome.disbelieved or outcome.usage)
        self._disbelieved = self._disbelieved or outcome.disbelieved is not None
        return outcome.usage, outcome.source


def read_image_usage(raw: object, model: Model) -> Usage | None:
    """A usage object checked and brought into disjoint kinds.

    None unless both totals are whole numbers; an explicit 0 stays 0. Written text counts as image output where the
    model has no price of its own for it.
    """
    if not isinstance(raw, dict):
        return None
    given, made = counted(raw.get("input_tokens")), counted(raw.get("output_tokens"))
    if given is None or made is None:
        return None
    details_in, details_out = details(raw, "input_tokens_details"), details(raw, "output_tokens_details")
    pictures = min(detail(details_in.get("image_tokens")) or 0, given)
    # It is not said which of the cached tokens are pictures, and those have another price.
    cached = 0 if pictures else min(detail(details_in.get("cached_tokens")) or 0, given)
    written = min(detail(details_out.get("text_tokens")) or 0, made) if "output" in model.prices.units else 0
    return Usage(
        input=given - pictures - cached,
        cached_input=cached,
        input_image=pictures,
        output=written,
        output_image=made - written,
    )


def delivered_share(usage: Usage, delivered: int, made: int) -> Usage:
    """Without the output of images that cannot be used, rounded in favour of the caller."""
    if delivered >= made:
        return usage
    return replace(usage, output=usage.output * delivered // made, output_image=usage.output_image * delivered // made)


def added(one: Usage, other: Usage) -> Usage:
    """The tokens of two images of one call."""
    return Usage(
        input=one.input + other.input,
        cached_input=one.cached_input + other.cached_input,
        input_image=one.input_image + other.input_image,
        output=one.output + other.output,
        output_image=one.output_image + other.output_image,
    )


def _reference(picture: Picture) -> dict[str, str]:
    if isinstance(picture, PictureUrl):
        return {"image_url": picture.url}
    return {"image_url": f"data:{picture.content_type};base64,{b64encode(picture.data).decode()}"}


def _texts(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The fields of a form: texts as they are, everything else as JSON writes it: `true`, `3`, `{"a":1}`."""
    for name, value in fields.items():
        listed = isinstance(value, list)
        for one in value if listed else (value,):
            yield f"{name}[]" if listed else name, one if isinstance(one, str) else as_json(one).decode()


def _is_json(reply: Reply) -> bool:
    media_type = (reply.headers.get("content-type") or "").partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


async def _error_in_json(provider: Provider, reply: Reply) -> UpstreamError:
    """JSON where events were asked for is an error object, if it is anything that can be used."""
    try:
        answer_body(await read_body(reply, ERROR_BYTES_MAX), provider)
    except TransportFailure as exc:
        return transport_error(exc)
    except UpstreamError as exc:
        return exc
    return not_an_answer()
