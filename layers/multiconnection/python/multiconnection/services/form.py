"""A form with files, as use cases see it: what a client sent as multipart/form-data."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FormFile:
    """One file; name and type are the client's words and prove nothing about the data."""

    filename: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """Texts and files by field name, in the order they came.

    A field that was sent as `name[]` is found under `name`, and `arrays` tells that it was: some providers care.
    """

    fields: Mapping[str, list[str]] = field(default_factory=dict)
    files: Mapping[str, list[FormFile]] = field(default_factory=dict)
    arrays: frozenset[str] = frozenset()

    def text(self, name: str) -> str | None:
        """The last text under this name: who sends a field twice means the later one."""
        values = self.fields.get(name)
        return values[-1] if values else None
