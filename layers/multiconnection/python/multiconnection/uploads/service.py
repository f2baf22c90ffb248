"""Large files in the payload bucket: uploads that requests refer to, and results that are too large to answer inline.

An object's key is built from the caller's own account, so another account's id leads nowhere.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from multiconnection.aws.s3 import PayloadMissing, PayloadStore, PayloadStoreError, PayloadTooLarge, StoredObject
from multiconnection.errors import ParameterMissing, RequestInvalid, RequestTooLarge, StorageUnavailable, UploadNotFound
from multiconnection.ids import random_text
from multiconnection.ports import Clock, Rng
from multiconnection.web.body import json_object, validated

from .schemas import UploadBody

REFERENCE_PREFIX = "upload://"
ID_PREFIX = "upl_"
# 131 bits.
ID_CHARS = 22
# Each costs a look-up; no model reads more pictures at once.
REFERENCES_MAX = 64
RETRY_AFTER_S = 1
IMAGES = ("image",)
_UPLOAD_ID = re.compile(r"upl_[0-9A-Za-z]{22,64}")
_ACCOUNT_ID = re.compile(r"[0-9A-Za-z_-]{1,128}")
# What the models of a gateway read: pictures to look at, sound and film to transcribe. A file has to say what it is,
# because size limits and endpoints go by it; application/octet-stream says nothing.
UPLOAD_TYPES = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/webp",
        "image/gif",
        "audio/mp3",
        "audio/mpeg",
        "audio/mp4",
        "audio/m4a",
        "audio/x-m4a",
        "audio/wav",
        "audio/x-wav",
        "audio/webm",
        "audio/ogg",
        "audio/flac",
        "video/mp4",
        "video/webm",
    }
)
_ENDINGS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/svg+xml": "svg",
    "audio/mpeg": "mp3",
    "audio/opus": "opus",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/wav": "wav",
    "audio/pcm": "pcm",
}


@dataclass(frozen=True, slots=True)
class UploadConfig:
    """Bytes of one file, and seconds that a presigned URL lives."""

    upload_bytes_max: int = 64 * 1024 * 1024
    image_bytes_max: int = 20 * 1024 * 1024
    upload_url_expires_s: int = 900
    result_url_expires_s: int = 3600

    def bytes_max(self, content_type: str) -> int:
        return (
            min(self.image_bytes_max, self.upload_bytes_max)
            if kind_of(content_type) == "image"
            else self.upload_bytes_max
        )


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that waits for its file: a PUT of exactly `size` bytes to `url` until `expires_s`."""

    id: str
    size: int
    content_type: str
    filename: str | None
    created_s: int
    expires_s: int
    url: str


@dataclass(frozen=True, slots=True)
class UploadedObject:
    """A file that is there. `param` is the request's field that refers to it."""

    key: str
    size: int
    content_type: str
    url_expires_s: int
    store: PayloadStore = field(repr=False)
    param: str | None = None

    async def read(self) -> bytes:
        """Raises UploadNotFound when it has expired meanwhile, RequestTooLarge, StorageUnavailable."""
        try:
            return await self.store.get(self.key, self.size)
        except PayloadMissing as exc:
            raise UploadNotFound("The upload has expired.", param=self.param) from exc
        except PayloadTooLarge as exc:
            raise RequestTooLarge("The uploaded file was replaced by a larger one.", param=self.param) from exc
        except PayloadStoreError as exc:
            raise _unavailable("read") from exc

    async def url(self) -> str:
        """A presigned URL for a provider to read from. Raises StorageUnavailable."""
        try:
            return await self.store.presigned_get(self.key, self.url_expires_s)
        except PayloadStoreError as exc:
            raise _unavailable("read") from exc


class StoredResult(NamedTuple):
    """The place where an answer can be fetched, and until when (epoch seconds)."""

    url: str
    expires_at: int


class UploadService:
    """One instance per process."""

    def __init__(self, store: PayloadStore, clock: Clock, rng: Rng, config: UploadConfig) -> None:
        self._store = store
        self._clock = clock
        self._rng = rng
        self._config = config

    async def create(self, account_id: str, body: object) -> Upload:
        """Raises RequestInvalid and its kinds, RequestTooLarge or StorageUnavailable."""
        wanted = validated(UploadBody, json_object(body))
        content_type = _allowed_type(wanted)
        self._require_size(wanted.bytes, content_type, "bytes")
        upload_id = ID_PREFIX + random_text(self._rng, ID_CHARS)
        created_s, lifetime_s = int(self._clock.now()), self._config.upload_url_expires_s
        key = _upload_key(account_id, upload_id)
        try:
            url = await self._store.presigned_put(key, wanted.bytes, content_type, lifetime_s)
        except PayloadStoreError as exc:
            raise _unavailable("stored") from exc
        return Upload(upload_id, wanted.bytes, content_type, wanted.filename, created_s, created_s + lifetime_s, url)

    async def resolve(
        self, account_id: str, reference: str, kinds: tuple[str, ...], param: str | None = None
    ) -> UploadedObject:
        """The caller's own file behind `upload://upl_…`, if it is one of `kinds` ("image", "audio", "video").

        Raises UploadNotFound, RequestInvalid, RequestTooLarge or StorageUnavailable.
        """
        upload_id = reference.removeprefix(REFERENCE_PREFIX)
        if not reference.startswith(REFERENCE_PREFIX) or not _UPLOAD_ID.fullmatch(upload_id):
            raise _not_found(reference, param)
        found = await self._head(_upload_key(account_id, upload_id))
        if found is None:
            raise _not_found(reference, param)
        if media_type(found.content_type) not in UPLOAD_TYPES or kind_of(found.content_type) not in kinds:
            raise RequestInvalid(
                f"The upload holds {found.content_type[:80]!r}; needed is {' or '.join(kinds)}.", param=param
            )
        self._require_size(found.size, found.content_type, param)
        return UploadedObject(
            found.key, found.size, media_type(found.content_type), self._config.result_url_expires_s, self._store, param
        )

    async def resolve_image_parts(self, account_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A chat body whose `upload://` images are URLs a provider can read; the body itself when it has none.

        Raises as `resolve` does, before anything is reserved.
        """
        places: dict[str, str] = {}
        for url, param in each_reference(body):
            places.setdefault(url, param)
        if not places:
            return body
        if len(places) > REFERENCES_MAX:
            raise RequestInvalid(f"At most {REFERENCES_MAX} uploads fit into one request.", param="messages")
        found = await asyncio.gather(
            *(self._image_url(account_id, reference, param) for reference, param in places.items())
        )
        return replaced_references(body, dict(zip(places, found, strict=True)))

    async def store_result(
        self, account_id: str, hold_id: str, index: int, data: bytes, content_type: str
    ) -> StoredResult:
        """Puts one part of an answer where only its URL leads to. Raises StorageUnavailable."""
        key = f"results/{_owner(account_id)}/{hold_id}/{index}.{ending_of(content_type)}"
        try:
            await self._store.put(key, data, content_type)
            # Before the URL is signed: it never ends before the time we state.
            expires_at = int(self._clock.now()) + self._config.result_url_expires_s
            url = await self._store.presigned_get(key, self._config.result_url_expires_s)
        except PayloadStoreError as exc:
            raise _unavailable("stored") from exc
        return StoredResult(url, expires_at)

    async def _image_url(self, account_id: str, reference: str, param: str) -> str:
        return await (await self.resolve(account_id, reference, IMAGES, param)).url()

    async def _head(self, key: str) -> StoredObject | None:
        try:
            return await self._store.head(key)
        except PayloadStoreError as exc:
            raise _unavailable("read") from exc

    def _require_size(self, size: int, content_type: str, param: str | None) -> None:
        bytes_max = self._config.bytes_max(content_type)
        if size > bytes_max:
            raise RequestTooLarge(
                f"A file of type {media_type(content_type)} has at most {bytes_max} bytes.", param=param
            )
        if not size:
            raise RequestInvalid("The uploaded file is empty.", param=param)


def media_type(content_type: str) -> str:
    """`Audio/WebM; codecs=opus` → `audio/webm`."""
    return content_type.partition(";")[0].strip().lower()


def kind_of(content_type: str) -> str:
    """ "image", "audio" or "video"."""
    return media_type(content_type).partition("/")[0]


def ending_of(content_type: str) -> str:
    """A file name's ending, without a dot."""
    return _ENDINGS.get(media_type(content_type), "bin")


def each_reference(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(URL, path of the field as OpenAI writes it) of every part that refers to an upload.

    Anything that is no message or no part is left to validation.
    """
    messages = body.get("messages")
    for at, message in enumerate(messages if isinstance(messages, list) else ()):
        content = message.get("content") if isinstance(message, dict) else None
        # Almost every message is a text.
        if isinstance(content, list):
            for position, part in enumerate(content):
                if (url := _reference(part)) is not None:
                    yield url, f"messages[{at}].content[{position}].image_url.url"


def replaced_references(body: Mapping[str, Any], urls: Mapping[str, str]) -> dict[str, Any]:
    """A copy with `urls` by reference; what has no reference in it is shared with the original."""
    return {**body, "messages": [_replaced_message(message, urls) for message in body["messages"]]}


def _allowed_type(wanted: UploadBody) -> str:
    given = wanted.content_type or wanted.mime_type
    if given is None:
        raise ParameterMissing("Missing required parameter: 'content_type'.", param="content_type")
    content_type = media_type(given)
    if content_type not in UPLOAD_TYPES:
        param = "content_type" if wanted.content_type else "mime_type"
        raise RequestInvalid(f"A file can be one of {', '.join(sorted(UPLOAD_TYPES))}.", param=param)
    return content_type


def _upload_key(account_id: str, upload_id: str) -> str:
    return f"uploads/{_owner(account_id)}/{upload_id}"


def _owner(account_id: str) -> str:
    """The account's id as part of a key. Nothing but our own way of making ids keeps slashes and dots out of them."""
    if not _ACCOUNT_ID.fullmatch(account_id):
        raise StorageUnavailable("Files cannot be stored for this account.", retryable=False)
    return account_id


def _not_found(reference: str, param: str | None) -> UploadNotFound:
    return UploadNotFound(
        f"There is no file under {reference[:80]!r}: it is no upload of yours, its file has not been sent to the "
        "upload URL yet, or it has expired.",
        param=param,
    )


def _unavailable(what: str) -> StorageUnavailable:
    return StorageUnavailable(f"Files cannot be {what} at the moment.", retry_after_s=RETRY_AFTER_S, retryable=True)


def _replaced_message(message: Any, urls: Mapping[str, str]) -> Any:
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list) or not any(_reference(part) for part in content):
        return message
    return message | {"content": [_replaced_part(part, urls) for part in content]}


def _replaced_part(part: Any, urls: Mapping[str, str]) -> Any:
    reference = _reference(part)
    if reference is None:
        return part
    return part | {"image_url": part["image_url"] | {"url": urls[reference]}}


def _reference(part: Any) -> str | None:
    image = part.get("image_url") if isinstance(part, dict) else None
    url = image.get("url") if isinstance(image, dict) else None
    return url if isinstance(url, str) and url.startswith(REFERENCE_PREFIX) else None
