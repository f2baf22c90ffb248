"""What drawing needs from a provider and from the payload bucket."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from multiconnection.domain.provider import Provider

from .images_tariff import ImageTariff
from .ports import CostOf, Outcome, UpstreamStream
from .uploads import StoredResult, UploadedObject


@dataclass(frozen=True, slots=True)
class PictureData:
    """A picture to start from; the type is what its first bytes say."""

    data: bytes = field(repr=False)
    content_type: str


@dataclass(frozen=True, slots=True)
class PictureUrl:
    """A picture for the provider to fetch: https, and of the caller's own choice."""

    url: str = field(repr=False)


Picture = PictureData | PictureUrl


@dataclass(frozen=True, slots=True)
class ImageCall:
    """One image request on its way to one upstream.

    `fields` are the caller's, validated, without model, pictures and `response_format`. `edit`: there are `pictures`.
    """

    fields: Mapping[str, Any]
    upstream_model: str
    images: int
    stream: bool
    tariff: ImageTariff
    edit: bool = False
    pictures: tuple[Picture, ...] = ()
    mask: Picture | None = None
    markup: Picture | None = None


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """One finished image; `more` is what the provider says beside it, such as `revised_prompt`."""

    data: bytes = field(repr=False)
    content_type: str
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A whole answer: at least one image, what the provider tells of all of them, and what they cost.

    `items` is the answer's `data`, once the images are where the caller gets them.
    """

    images: tuple[DrawnImage, ...]
    told: Mapping[str, Any]
    outcome: Outcome
    items: tuple[Mapping[str, Any], ...] = ()


class ImageUpstream(Protocol):
    """The dialect of a provider."""

    async def draw(self, provider: Provider, call: ImageCall) -> Drawn:
        """Raises UpstreamError, also when no image of the answer can be used."""

    async def stream(self, provider: Provider, call: ImageCall, cost_of: CostOf) -> UpstreamStream:
        """Returns once the first image, partial or not, has arrived; raises UpstreamError."""


class Files(Protocol):
    """The caller's uploads, and a place for large answers (UploadService)."""

    async def resolve(
        self, account_id: str, reference: str, kinds: tuple[str, ...], param: str | None = None
    ) -> UploadedObject:
        """Raises UploadNotFound, RequestInvalid, RequestTooLarge or StorageUnavailable."""

    async def store_result(
        self, account_id: str, hold_id: str, index: int, data: bytes, content_type: str
    ) -> StoredResult:
        """Raises StorageUnavailable."""
