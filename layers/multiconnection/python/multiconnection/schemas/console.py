"""Bodies of the console's API. Strict: a misspelt member of our own pages is a mistake, not an extension."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from .open import items

NAME_CHARS_MAX = 80
OVERLAP_S_MAX = 7 * 86400
# How many a key may have is for the keys to say.
ENTRIES_MAX = 1024

Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)]


class ConsoleBody(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class KeySettings(ConsoleBody):
    """`budget` is a decimal string in USD; null takes a limit away, an empty list allows everything."""

    budget: str | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    models: Annotated[list[str], items(ENTRIES_MAX)] | None = None
    ips: Annotated[list[str], items(ENTRIES_MAX)] | None = None
    expires_at: int | None = None


class KeyBody(KeySettings):
    """A new key."""

    name: Name


class KeyPatch(KeySettings):
    """Only the members that are sent are changed."""

    name: Name | None = None
    disabled: bool = False


class RotateBody(ConsoleBody):
    overlap_s: Annotated[int, Field(ge=0, le=OVERLAP_S_MAX)]


class SessionKeyBody(ConsoleBody):
    """Nothing to choose: what a page of the console may spend is ours to say."""
