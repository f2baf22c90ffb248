"""A form of POST /v1/images/edits as the JSON body it stands for: numbers and flags come as texts."""

from typing import Any

from multiconnection.domain.errors import RequestInvalid

from .form import Form

FILES = ("image", "mask", "markup")
_INTEGERS = ("n", "output_compression", "partial_images")
_FLAGS = ("stream",)
_KNOWN = frozenset(
    {
        *_INTEGERS,
        *_FLAGS,
        *("prompt", "model", "size", "quality", "style", "background", "moderation", "response_format"),
        *("output_format", "user"),
    }
)
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


def body_of(form: Form) -> dict[str, Any]:
    """Everything but the pictures. Raises RequestInvalid for a file under any other name."""
    for name in form.files:
        if name not in FILES:
            raise RequestInvalid(f"Files belong into 'image', 'mask' and 'markup', not into {name[:64]!r}.", param=name)
    return {name: _value(name, form) for name in form.fields if name not in FILES}


def _value(name: str, form: Form) -> Any:
    values = form.fields[name]
    if name not in _KNOWN:
        return list(values) if len(values) > 1 or name in form.arrays else values[0]
    return _typed(name, values[-1])


def _typed(name: str, value: str) -> str | int | bool | None:
    """What is no number stays a text, and validation says so. An empty field is as if it were absent."""
    if not value and name != "prompt":
        return None
    if name in _INTEGERS and value.isascii() and value.lstrip("-").isdecimal() and len(value) < len("10" * 8):
        return int(value)
    if name in _FLAGS:
        return _TRUTH.get(value.lower(), value)
    return value
