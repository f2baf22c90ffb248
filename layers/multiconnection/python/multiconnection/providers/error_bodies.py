"""The shapes in which providers say that something went wrong, read into one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MESSAGE_CHARS_MAX = 2000  # what is searched; the bound keeps hostile text from costing time
WORD_CHARS_MAX = 200
# Of a list of details or the steps of a path, more say nothing new.
DETAILS_MAX = 16
STATUS_BY_WORD = {
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "context_length_exceeded": 400,
    "exceed_context_size_error": 400,
    "authentication_error": 401,
    "unauthenticated": 401,
    "invalid_api_key": 401,
    "api_key_invalid": 401,
    "insufficient_quota": 402,
    "billing_error": 402,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "not_found": 404,
    "model_not_found": 404,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "resource_exhausted": 429,
    "rate_limited": 429,
}
# The text may quote the caller, so it decides only what that caller is told, never how the provider is treated.
_TOO_LONG = re.compile(
    r"maximum context length|context.?length.?exceeded|context.?window|exceed\w{0,8} the (?:available )?context"
    r"|exceed_context_size|prompt is too long|input is too long|input token count .{0,100} exceeds"
    r"|reduce the length of the (?:messages|prompt|input)",
    re.IGNORECASE,
)
_OUR_KEY = re.compile(r"api.?key not valid|(?:incorrect|invalid) api.?key", re.IGNORECASE)
_NO_SUCH_MODEL = re.compile(r"\bmodel\b.{0,200}(?:not exist|not found|not supported)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a provider said: its words, and the machine-readable parts as they were."""

    message: str | None = None
    type: str | None = None
    param: str | None = None
    code: str | None = None
    status: int | None = None
    moderated: bool = False

    @property
    def words(self) -> frozenset[str]:
        return frozenset(word.lower() for word in (self.code, self.type) if word)

    @property
    def too_long(self) -> bool:
        coded = self.words & {"context_length_exceeded", "exceed_context_size_error"}
        return bool(coded) or bool(_TOO_LONG.search(self.message or ""))

    @property
    def names_our_key(self) -> bool:
        return bool(_OUR_KEY.search(self.message or ""))

    @property
    def no_such_model(self) -> bool:
        if "model_not_found" in self.words:
            return True
        return self.code in (None, "invalid_request_error") and bool(_NO_SUCH_MODEL.search(self.message or ""))


def error_in(value: object) -> object:
    """The error that an event or a 200 body carries, or None. `"error": null` in a chunk is none."""
    if isinstance(value, list):
        return error_in(value[0]) if value else None
    if not isinstance(value, dict):
        return None
    if value.get("error"):
        return value["error"]
    x_groq = value.get("x_groq")
    if isinstance(x_groq, dict) and x_groq.get("error"):
        return x_groq["error"]
    return value if "choices" not in value and _is_flat_error(value) else None


def _is_flat_error(value: Mapping[str, Any]) -> bool:
    named = "error" in (value.get("object"), value.get("type"))
    return named or "detail" in value or ("message" in value and "code" in value)


def complaint_of(body: object) -> Complaint:
    """Any of: {"error": {…}}, {"error": "…"}, {"detail": …}, [{"error": …}], {"message": …}, a string."""
    if isinstance(body, list):
        return complaint_of(body[0]) if body else Complaint()
    if isinstance(body, str):
        return Complaint(message=_bounded(body) or None)
    if not isinstance(body, dict):
        return Complaint()
    for name in ("error", "detail"):
        if body.get(name):
            inner = body[name]
            return _object(inner) if isinstance(inner, dict) else complaint_of(inner)
    return _object(body)


def _object(error: Mapping[str, Any]) -> Complaint:
    metadata = error.get("metadata")
    return Complaint(
        message=_message(error),
        type=_word(error.get("type")),
        param=_word(error.get("param")) or _location(error.get("loc")),
        code=_word(error.get("code")) or _reason(error.get("details")) or _word(error.get("status")),
        status=_status(error),
        moderated=isinstance(metadata, dict) and bool(metadata.get("reasons")),
    )


def _message(error: Mapping[str, Any]) -> str | None:
    for name in ("message", "msg", "detail"):
        value = error.get(name)
        if isinstance(value, str) and value:
            return _bounded(value)
        if isinstance(value, (dict, list)) and value:
            return complaint_of(value).message
    return None


def _status(error: Mapping[str, Any]) -> int | None:
    """OpenRouter: an integer code; Gemini: an integer code and a status word; OpenAI: words."""
    for name in ("code", "status", "status_code"):
        value = error.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == len("000"):
            value = int(value)
        if isinstance(value, int) and 400 <= value <= 599:
            return value
    words = (_reason(error.get("details")), error.get("code"), error.get("status"), error.get("type"))
    known = (STATUS_BY_WORD.get(word.lower()) for word in words if isinstance(word, str))
    return next((status for status in known if status), None)


def _reason(details: object) -> str | None:
    """Gemini's `details: [{"reason": "API_KEY_INVALID"}]`."""
    for detail in details[:DETAILS_MAX] if isinstance(details, list) else ():
        if isinstance(detail, dict) and _word(detail.get("reason")):
            return _word(detail["reason"])
    return None


def _location(loc: object) -> str | None:
    """FastAPI's ["body", "messages", 0]; a step may be a key of the caller's, of any length."""
    steps = loc[:DETAILS_MAX] if isinstance(loc, list) else []
    parts = [str(step)[:WORD_CHARS_MAX] for step in steps if isinstance(step, str | int) and step != "body"]
    return ".".join(parts)[:WORD_CHARS_MAX] or None


def _word(value: object) -> str | None:
    return value[:WORD_CHARS_MAX] if isinstance(value, str) and value else None


def _bounded(text: str) -> str:
    """Cut between words: half a key would not be recognised as one. A word of that length is no message."""
    if len(text) <= MESSAGE_CHARS_MAX:
        return text
    words = text[:MESSAGE_CHARS_MAX].rsplit(None, 1)
    return words[0] if len(words) > 1 else ""
