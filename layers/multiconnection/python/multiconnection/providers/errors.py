"""Failures of a provider in our error tree: the caller's error, and how the provider is treated."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from multiconnection.calls.upstream import UpstreamError
from multiconnection.catalog.models import Provider
from multiconnection.errors import (
    ContextTooLong,
    RateLimited,
    RequestInvalid,
    UpstreamAuthFailed,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTimeout,
)
from multiconnection.usage import Ended
from multiconnection.web.json import decode, decode_plain

from . import retry_hints


class TransportFailure(Exception):
    """The exchange with a provider failed below HTTP; the subclass says where."""


class ConnectFailed(TransportFailure):
    """Refused, unresolved, unreachable, or no trusted TLS: nothing was sent."""


class ConnectTimedOut(TransportFailure):
    """No connection in time: nothing was sent."""


class AnswerTimedOut(TransportFailure):
    """The request was sent and the answer, or the rest of it, did not come in time."""


class ConnectionCut(TransportFailure):
    """The connection was lost after the request was sent."""


class BodyTooLarge(TransportFailure):
    """An unstreamed answer longer than the bound."""


AUTH_COOL_DOWN_S = 60.0
CONNECT_COOL_DOWN_S = 10.0
FAILURE_COOL_DOWN_S = 5.0
RETRY_AFTER_S_MAX = 60.0
RETRY_AFTER_S_DEFAULT = 5.0
OUR_CREDENTIALS = frozenset({401, 402, 403})
REQUEST_AT_FAULT = frozenset({400, 413, 422})
ENDED_EARLY = "The provider's stream ended before the answer was complete."
EMPTY_ANSWER = "The provider sent an empty answer."
NOT_AN_ANSWER = "The provider sent something that is not an answer to the request."
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
# The text may quote the caller, so it decides only the error of that caller, never how the provider is treated.
_TOO_LONG = re.compile(
    r"maximum context length|context.?length.?exceeded|context.?window|exceed\w{0,8} the (?:available )?context"
    r"|exceed_context_size|prompt is too long|input is too long|input token count .{0,100} exceeds"
    r"|reduce the length of the (?:messages|prompt|input)",
    re.IGNORECASE,
)
_OUR_KEY = re.compile(r"api.?key not valid|(?:incorrect|invalid) api.?key", re.IGNORECASE)
_NO_SUCH_MODEL = re.compile(r"\bmodel\b.{0,200}(?:not exist|not found|not supported)", re.IGNORECASE)
SCRUBBED_CHARS_MAX = 500
# Callers cut between words; this only bounds the work.
TEXT_CHARS_MAX = 2000
REDACTED = "[redacted]"
_KEY_CHARS_MIN = 4
_SECRET = re.compile(
    r"""\bbearer\s+[^\s"',;]+
      | \b[a-z]+://[^\s"'<>]+
      | \b(?:sk|gsk|xai|pk|rk|org|proj)[-_][\w*.-]{6,}
      | \bAIza[\w-]{10,}
      | \b(?:localhost|\d{1,3}(?:\.\d{1,3}){3})(?::\d+)?\b
      | (?<![a-z0-9-])(?:[a-z0-9-]{1,63}\.){1,10}(?:com|ai|net|io|org|dev|cloud|local|internal)(?::\d+)?\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
_CODE = re.compile(r"[\w.:-]{1,64}")


@dataclass(frozen=True, slots=True)
class Complaint:
    """An error in whatever shape a provider stated it: its message, and the machine-readable parts as they were.

    `retry_after_s` is what its members say, not its words.
    """

    message: str | None = None
    type: str | None = None
    param: str | None = None
    code: str | None = None
    status: int | None = None
    moderated: bool = False
    retry_after_s: float | None = None

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


def transport_error(failure: TransportFailure) -> UpstreamError:
    """A broken exchange before anything of the answer was shown."""
    if isinstance(failure, ConnectFailed):
        return _unreachable(UpstreamFailed("The provider could not be reached."))
    if isinstance(failure, ConnectTimedOut):
        return _unreachable(UpstreamTimeout("The provider did not accept a connection in time."))
    if isinstance(failure, AnswerTimedOut):
        # The provider may be working on it, and may bill it: a program should not simply ask again.
        return _elsewhere(UpstreamTimeout("The provider did not answer in time.", retryable=False), FAILURE_COOL_DOWN_S)
    if isinstance(failure, BodyTooLarge):
        return _elsewhere(UpstreamFailed("The provider's answer is too large."), FAILURE_COOL_DOWN_S)
    return _elsewhere(UpstreamFailed(ENDED_EARLY), FAILURE_COOL_DOWN_S)


def not_an_answer(message: str = NOT_AN_ANSWER) -> UpstreamError:
    """A 200 that is empty, not JSON, or not what was asked for."""
    return _elsewhere(UpstreamFailed(message), FAILURE_COOL_DOWN_S)


def empty_answer() -> UpstreamError:
    """A 200 without anything in it: the endings table has a line of its own for it."""
    return _elsewhere(UpstreamFailed(EMPTY_ANSWER), FAILURE_COOL_DOWN_S, Ended.EMPTY)


def status_error(status: int, headers: Mapping[str, str], body: bytes, provider: Provider) -> UpstreamError:
    """An answer with a status other than 2xx."""
    return _mapped(status, headers, body_complaint(body), provider)


def reported_error(error: object, provider: Provider) -> UpstreamError:
    """An error object inside a 200: a body, a first event, or an event in mid-stream."""
    complaint = complaint_of(error)
    return _mapped(complaint.status or 502, {}, complaint, provider)


def answer_body(raw: bytes, provider: Provider) -> dict[str, Any]:
    """The JSON object of a 200 answer that is no error; raises UpstreamError."""
    if not raw or raw.isspace():
        raise empty_answer()
    try:
        body = decode_plain(raw)
    except ValueError as exc:
        raise not_an_answer() from exc
    error = error_in(body)
    if error is not None:
        raise reported_error(error, provider)
    if not isinstance(body, dict):
        raise not_an_answer()
    return body


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
            complaint = _object(inner) if isinstance(inner, dict) else complaint_of(inner)
            if complaint.retry_after_s is None:
                complaint = replace(complaint, retry_after_s=retry_hints.in_error(body))
            return complaint
    return _object(body)


def body_complaint(body: bytes) -> Complaint:
    """HTML and other text say nothing that a caller should see."""
    try:
        return complaint_of(decode(body))
    except ValueError:
        return Complaint()


def scrub(text: str, provider: Provider) -> str:
    """One line of at most MESSAGE_CHARS_MAX characters, in time linear in the text."""
    text = text[:TEXT_CHARS_MAX].encode("utf-8", "replace").decode()
    if provider.api_key and len(provider.api_key) >= _KEY_CHARS_MIN:
        text = text.replace(provider.api_key, REDACTED)
    if host := urlsplit(provider.base_url).hostname:
        text = re.sub(rf"\b{re.escape(host)}(?::\d+)?\b", REDACTED, text, flags=re.IGNORECASE)
    text = " ".join(_SECRET.sub(REDACTED, text).split())
    return text if len(text) <= SCRUBBED_CHARS_MAX else text[: SCRUBBED_CHARS_MAX - 1] + "…"


def clean_code(code: str | None) -> str | None:
    """A machine-readable code, or None for anything that is not one."""
    return code if code and _CODE.fullmatch(code) and not _SECRET.search(code) else None


def _mapped(status: int, headers: Mapping[str, str], complaint: Complaint, provider: Provider) -> UpstreamError:
    if complaint.moderated and status == 403:
        return UpstreamError(_rejected(400, complaint, provider), retry_elsewhere=False)
    # A code is the provider's own and may close the provider for a while; its prose may quote the caller.
    if status in OUR_CREDENTIALS or complaint.words & {"insufficient_quota", "invalid_api_key", "api_key_invalid"}:
        return _elsewhere(_auth_failed(), AUTH_COOL_DOWN_S)
    asked_s, shown_s = _retry_after_s(status, headers, complaint)
    if status == 429:
        return _rate_limited(asked_s, shown_s)
    if status in REQUEST_AT_FAULT:
        return _request_error(status, complaint, provider)
    if status == 408 or status >= 500:
        return _elsewhere(_failed(complaint, provider, shown_s), max(asked_s or 0.0, FAILURE_COOL_DOWN_S))
    # 404, redirects and the rest are our configuration, but a caller may be able to provoke them: no cool-down.
    return _elsewhere(UpstreamFailed(f"The provider refused the request (status {status})."), 0.0)


def _request_error(status: int, complaint: Complaint, provider: Provider) -> UpstreamError:
    if complaint.names_our_key:
        return _elsewhere(_auth_failed(), 0.0)
    if complaint.too_long:
        return UpstreamError(_too_long(complaint, provider), retry_elsewhere=False)
    if complaint.no_such_model:
        return _elsewhere(UpstreamFailed("The provider does not serve this model."), 0.0)
    return UpstreamError(_rejected(400 if status == 422 else status, complaint, provider), retry_elsewhere=False)


def _rejected(status: int, complaint: Complaint, provider: Provider) -> UpstreamRejected:
    message = _shown(complaint, provider) or "The provider refused the request."
    param = scrub(complaint.param, provider) if complaint.param else None
    return UpstreamRejected(message, status=status, code=clean_code(complaint.code), param=param)


def _too_long(complaint: Complaint, provider: Provider) -> RequestInvalid:
    message = _shown(complaint, provider) or "The input is longer than the model's context window."
    return ContextTooLong(message, param="messages")


def _auth_failed() -> UpstreamAuthFailed:
    return UpstreamAuthFailed("The provider refused the gateway's own credentials. Your API key is not the cause.")


def _failed(complaint: Complaint, provider: Provider, retry_after_s: float | None) -> UpstreamFailed:
    shown = _shown(complaint, provider)
    message = f"The provider failed: {shown}" if shown else "The provider answered with an error."
    return UpstreamFailed(message, retry_after_s=retry_after_s)


def _rate_limited(asked_s: float | None, shown_s: float | None) -> UpstreamError:
    after_s = RETRY_AFTER_S_DEFAULT if shown_s is None else shown_s
    error = RateLimited("The model's providers are busy. Try again later.", reason="upstream", retry_after_s=after_s)
    return _elsewhere(error, RETRY_AFTER_S_DEFAULT if asked_s is None else asked_s)


def _retry_after_s(status: int, headers: Mapping[str, str], complaint: Complaint) -> tuple[float | None, float | None]:
    """The time until the provider asks to be tried again, and what the caller is told: words only decide that."""
    asked_s = retry_hints.in_headers(headers, limited=status == 429)
    if asked_s is None:
        asked_s = complaint.retry_after_s
    shown_s = retry_hints.in_text(complaint.message or "") if asked_s is None else asked_s
    return _bounded_s(asked_s), _bounded_s(shown_s)


def _bounded_s(seconds: float | None) -> float | None:
    return None if seconds is None else min(max(seconds, 1.0), RETRY_AFTER_S_MAX)


def _shown(complaint: Complaint, provider: Provider) -> str:
    """A page of HTML in a JSON string is no message either."""
    message = complaint.message or ""
    return "" if message.lstrip().startswith("<") else scrub(message, provider)


def _elsewhere(
    error: UpstreamFailed | RateLimited, cool_down_s: float, ended: Ended = Ended.UPSTREAM_ERROR
) -> UpstreamError:
    return UpstreamError(error, retry_elsewhere=True, cool_down_s=cool_down_s, ended=ended)


def _unreachable(error: UpstreamFailed) -> UpstreamError:
    return UpstreamError(error, retry_elsewhere=True, cool_down_s=CONNECT_COOL_DOWN_S, unreachable=True)


def _is_flat_error(value: Mapping[str, Any]) -> bool:
    named = "error" in (value.get("object"), value.get("type"))
    return named or "detail" in value or ("message" in value and "code" in value)


def _object(error: Mapping[str, Any]) -> Complaint:
    metadata = error.get("metadata")
    return Complaint(
        message=_message(error),
        type=_word(error.get("type")),
        param=_word(error.get("param")) or _location(error.get("loc")),
        code=_word(error.get("code")) or _reason(error.get("details")) or _word(error.get("status")),
        status=_status(error),
        moderated=isinstance(metadata, dict) and bool(metadata.get("reasons")),
        retry_after_s=retry_hints.in_error(error),
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
