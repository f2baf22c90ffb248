"""Images at an OpenAI-compatible provider: whole answers, and streams of partial images."""

import asyncio
import binascii
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from multiconnection.calls.upstream import CostOf, Outcome, UpstreamError, UpstreamStream
from multiconnection.catalog.models import Model, Provider, Quirks
from multiconnection.catalog.parameters import EDITS as EDIT_FIELDS
from multiconnection.catalog.parameters import GENERATIONS as GENERATION_FIELDS
from multiconnection.errors import GatewayError, RequestInvalid
from multiconnection.providers.codec import counted, detail, encode, outcome_of
from multiconnection.providers.codec import outcome_of as usage_outcome
from multiconnection.providers.errors import TransportFailure, answer_body, empty_answer, not_an_answer, transport_error
from multiconnection.providers.http import ERROR_BYTES_MAX, EVENTS, JSON, Exchange, Http, Outgoing, Reply, read_body
from multiconnection.providers.sse import NamedEventStream, event_bytes
from multiconnection.usage import Ended, Usage, UsageSource

from .fetch import PictureFetch, PictureUnreachable, fetched
from .inputs import Drawn, DrawnImage, ImageCall, Picture, PictureData, PictureUrl, image_type
from .request import PARTIAL_TOKENS
from .service import shown_usage

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
        return Drawn(images, told, image_outcome(body.get("usage"), told, len(images), len(items), call))

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


# Image requests as an OpenAI-compatible provider wants them: JSON, or a form where there are files.

GENERATIONS = "/images/generations"
EDITS = "/images/edits"
_ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
# HTML 5: what would end a name, or the line that it is in.
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


def outgoing(provider: Provider, call: ImageCall) -> Outgoing:
    """Raises UpstreamError for what cannot be written."""
    fields = _fields(provider, call)
    accept = EVENTS if call.stream else JSON
    try:
        if not call.edit:
            return Outgoing(GENERATIONS, encode(fields), accept=accept)
        if any(isinstance(picture, PictureUrl) for picture in (*call.pictures, call.mask, call.markup)):
            return Outgoing(EDITS, encode(fields | _references(call)), accept=accept)
        boundary = secrets.token_hex(16)
        content_type = f"multipart/form-data; boundary={boundary}"
        return Outgoing(EDITS, _form(call, fields, boundary), content_type, accept)
    except ValueError as exc:
        error = RequestInvalid("The request body is nested too deeply.")
        raise UpstreamError(error, retry_elsewhere=False) from exc


def _fields(provider: Provider, call: ImageCall) -> dict[str, Any]:
    """Models that are priced by tokens know no `response_format`; the others would answer with links by default."""
    judged = provider.parameters.forwarded(EDIT_FIELDS if call.edit else GENERATION_FIELDS, call.fields)
    fields = {**judged, "model": call.upstream_model}
    return fields if call.tariff.by_tokens else fields | {"response_format": "b64_json"}


def _references(call: ImageCall) -> dict[str, Any]:
    """A form has no room for links; JSON has room for files."""
    over = {name: {"image_url": _url(picture)} for name, picture in _over(call)}
    return {"images": [{"image_url": _url(picture)} for picture in call.pictures], **over}


def _over(call: ImageCall) -> list[tuple[str, Picture]]:
    """What lies over the first picture."""
    named = (("mask", call.mask), ("markup", call.markup))
    return [(name, picture) for name, picture in named if picture is not None]


def _url(picture: Picture) -> str:
    if isinstance(picture, PictureUrl):
        return picture.url
    return f"data:{picture.content_type};base64,{b64encode(picture.data).decode()}"


def _form(call: ImageCall, fields: Mapping[str, Any], boundary: str) -> bytes:
    delimiter = f"--{boundary}\r\n".encode()
    parts: list[bytes] = []
    for header, data in _parts(call, fields):
        parts += [delimiter, b"content-disposition: form-data; ", header.encode(), b"\r\n\r\n", data, b"\r\n"]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()])


def _parts(call: ImageCall, fields: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """What follows the disposition's type, and the part's body. Several pictures are `image[]`, one is `image`."""
    for name, value in fields.items():
        if isinstance(value, list):
            yield from ((_named(f"{name}[]"), _text(one)) for one in value)
        else:
            yield _named(name), _text(value)
    array = "[]" if len(call.pictures) > 1 else ""
    for at, picture in enumerate(call.pictures):
        yield from _file(f"image{array}", f"image-{at}", picture)
    for name, picture in _over(call):
        yield from _file(name, name, picture)


def _file(name: str, filename: str, picture: Picture) -> Iterator[tuple[str, bytes]]:
    if isinstance(picture, PictureData):
        ending = _ENDINGS.get(picture.content_type, "bin")
        yield f'{_named(name)}; filename="{filename}.{ending}"\r\ncontent-type: {picture.content_type}', picture.data


def _named(name: str) -> str:
    return f'name="{name.translate(_ESCAPES)}"'


def _text(value: object) -> bytes:
    """Texts as they are, everything else as JSON writes it: `true`, `3`, `{"a":1}`."""
    return value.encode("utf-8", "replace") if isinstance(value, str) else encode(value)


# A whole image answer read: its images as bytes, those that can be used, and what they cost.

OCTETS = "application/octet-stream"
TOLD = ("background", "output_format", "quality", "size")
TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
_DATA_URL = "data:image/"
_PLACES = frozenset({"b64_json", "url"})


def told_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """What the provider says of all images at once; what has another type is not passed on."""
    told: dict[str, Any] = {name: body[name] for name in TOLD if isinstance(body.get(name), str)}
    created = body.get("created")
    if isinstance(created, int) and not isinstance(created, bool):
        told["created"] = created
    return told


async def drawn_image(
    pictures: PictureFetch, provider: Provider, item: object, told: Mapping[str, Any]
) -> DrawnImage | None:
    """None for an item without an image that anybody could use."""
    if not isinstance(item, dict):
        return None
    data = decoded(item.get("b64_json"))
    if not data and isinstance(item.get("url"), str):
        try:
            data = await fetched(pictures, provider, item["url"])
        except PictureUnreachable:
            return None
    if not data:
        return None
    more = {name: value for name, value in item.items() if name not in _PLACES and value is not None}
    return DrawnImage(data, image_type(data) or TYPES.get(told.get("output_format", ""), OCTETS), more)


def image_outcome(usage: object, told: Mapping[str, Any], delivered: int, made: int, call: ImageCall) -> Outcome:
    """Of `made` images the provider counted, `delivered` are paid for."""
    tariff = call.tariff
    counted, source = tariff.counted(delivered, told)
    reported = read_image_usage(usage, tariff.model) if tariff.by_tokens else None
    if reported is None:
        return Outcome(counted, source, Ended.COMPLETE)
    return usage_outcome(delivered_share(reported, delivered, made), tariff.usage_max(delivered), counted)


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


# Usage objects of image answers, checked and brought into disjoint kinds.


def read_image_usage(raw: object, model: Model) -> Usage | None:
    """None unless both totals are whole numbers; an explicit 0 stays 0.

    Written text counts as image output where the model has no price of its own for it.
    """
    if not isinstance(raw, dict):
        return None
    given, made = counted(raw.get("input_tokens")), counted(raw.get("output_tokens"))
    if given is None or made is None:
        return None
    details_in, details_out = _details(raw, "input_tokens_details"), _details(raw, "output_tokens_details")
    pictures = min(detail(details_in.get("image_tokens")) or 0, given)
    # Which of the cached tokens are pictures is not told, and those have another price.
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
    """Without the output of images that nobody can use, rounded in favour of the caller."""
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


def _details(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    details = raw.get(name)
    return details if isinstance(details, dict) else {}


# The events of an image stream: partial images as they come, finished ones with what they cost.


class ImageEvents:
    """An EventReader. Events that it does not know are for nobody."""

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
            partials = min(self._partials, self._call.images * self._call.tariff.partials)
            seen = self._call.tariff.input_estimate(partials * PARTIAL_TOKENS)
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
        before = self._cost_of(self._usage) if self._completed else "0"
        self._usage = added(self._usage, usage)
        self._estimated = self._estimated or source is UsageSource.ESTIMATED
        self._completed += 1
        self.substance = True
        self.finished = self._completed >= self._call.images
        # Each event tells its share, so that the shares are what is charged in the end.
        cost = f"{Decimal(self._cost_of(self._usage)) - Decimal(before):.9f}"
        return event_bytes(event["type"], encode(event | {"usage": shown_usage(usage, source, cost)}))

    def _usage_of(self, event: dict[str, Any]) -> tuple[Usage, UsageSource]:
        """Of one image; what was read is counted with the first."""
        tariff = self._call.tariff
        estimate = tariff.estimated(1, told_of(event), with_input=not self._completed)
        most, read = tariff.usage_max(1), self._usage.prompt_tokens
        left = Usage(input=max(0, most.prompt_tokens - read), output_image=most.output_image)
        outcome = outcome_of(read_image_usage(event.get("usage"), tariff.model), left, estimate)
        self._reported = added(self._reported, outcome.disbelieved or outcome.usage)
        self._disbelieved = self._disbelieved or outcome.disbelieved is not None
        return outcome.usage, outcome.source
