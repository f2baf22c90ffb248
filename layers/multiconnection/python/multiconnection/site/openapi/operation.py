"""One operation of the API as this product describes it; to document a route, add one of these."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Audience = Literal["api_key", "public", "session", "admin"]
JSON = "application/json"
EVENTS = "text/event-stream"
FORM = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Operation:
    """`body` and `answer` name schemas; `answer` None means an empty answer or one of `media` alone; `json_body` is the
    schema of a body that may also come as JSON instead of `body_media`.

    `path` is OpenAPI's, with `{name}` for greedy segments too. `query` maps parameters to what they mean.
    """

    method: str
    path: str
    tag: str
    summary: str
    audience: Audience
    body: str | None = None
    answer: str | None = None
    status: int = 200
    body_media: str = JSON
    json_body: str | None = None
    body_required: bool = True
    media: tuple[str, ...] = ()
    query: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[int, ...] = ()

    @property
    def is_unsafe(self) -> bool:
        """A browser's change, which has to show that it comes from our own pages."""
        return self.method != "GET" and self.path.startswith("/api/")

    @property
    def operation_id(self) -> str:
        words = [self.method.lower(), *self.path.strip("/").replace("{", "by-").replace("}", "").split("/")]
        return "_".join(words).replace("-", "_").replace(".", "_")
