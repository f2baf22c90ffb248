"""Failures of a provider in our error tree: what the caller is told and how the provider is treated."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

from multiconnection.domain.errors import (
    ContextTooLong,
    RateLimited,
    RequestInvalid,
    UpstreamAuthFailed,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTimeout,
)
from multiconnection.domain.provider import Provider
from multiconnection.domain.usage import Ended
from multiconnection.services.ports import UpstreamError

from . import http
from .error_bodies import Complaint, complaint_of
from .scrub import clean_code, scrub
from .wire_json import decode

AUTH_COOL_DOWN_S = 60.0
CONNECT_COOL_DOWN_S = 10.0
FAILURE_COOL_DOWN_S = 5.0
RETRY_AFTER_S_MAX = 60.0
RETRY_AFTER_S_DEFAULT = 5.0
RETRY_AFTER_CHARS_MAX = 64
OUR_CREDENTIALS = frozenset({401, 402, 403})
REQUEST_AT_FAULT = frozenset({400, 413, 422})

ENDED_EARLY = "The provider's stream ended before the answer was complete."
EMPTY_ANSWER = "The provider sent an empty answer."
NOT_AN_ANSWER = "The provider sent something that is not an answer to the request."


def transport_error(failure: http.TransportFailure) -> UpstreamError:
    """A broken exchange before anything of the answer was shown."""
    if isinstance(failure, http.ConnectFailed):
        return _elsewhere(UpstreamFailed("The provider could not be reached."), CONNECT_COOL_DOWN_S)
    if isinstance(failure, http.ConnectTimedOut):
        return _elsewhere(UpstreamTimeout("The provider did not accept a connection in time."), CONNECT_COOL_DOWN_S)
    if isinstance(failure, http.AnswerTimedOut):
        # The provider may be working on it, and may bill it: a program should not simply ask again.
        return _elsewhere(UpstreamTimeout("The provider did not answer in time.", retryable=False), FAILURE_COOL_DOWN_S)
    if isinstance(failure, http.BodyTooLarge):
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


def body_complaint(body: bytes) -> Complaint:
    """HTML and other text say nothing that a caller should see."""
    try:
        return complaint_of(decode(body))
    except ValueError:
        return Complaint()


def reported_error(error: object, provider: Provider) -> UpstreamError:
    """An error object inside a 200: a body, a first event, or an event in mid-stream."""
    complaint = complaint_of(error)
    return _mapped(complaint.status or 502, {}, complaint, provider)


def _mapped(status: int, headers: Mapping[str, str], complaint: Complaint, provider: Provider) -> UpstreamError:
    if complaint.moderated and status == 403:
        return UpstreamError(_rejected(400, complaint, provider), retry_elsewhere=False)
    # A code is the provider's own and may close the provider for a while; its prose may quote the caller.
    if status in OUR_CREDENTIALS or complaint.words & {"insufficient_quota", "invalid_api_key", "api_key_invalid"}:
        return _elsewhere(_auth_failed(), AUTH_COOL_DOWN_S)
    if status == 429:
        return _rate_limited(headers)
    if status in REQUEST_AT_FAULT:
        return _request_error(status, complaint, provider)
    if status == 408 or status >= 500:
        return _elsewhere(_failed(complaint, provider), FAILURE_COOL_DOWN_S)
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


def _failed(complaint: Complaint, provider: Provider) -> UpstreamFailed:
    shown = _shown(complaint, provider)
    return UpstreamFailed(f"The provider failed: {shown}" if shown else "The provider answered with an error.")


def _rate_limited(headers: Mapping[str, str]) -> UpstreamError:
    after_s = retry_after_s(headers)
    error = RateLimited("The model's providers are busy. Try again later.", reason="upstream", retry_after_s=after_s)
    return _elsewhere(error, after_s)


def retry_after_s(headers: Mapping[str, str]) -> float:
    """`Retry-After` in seconds or as a date, between 1 and RETRY_AFTER_S_MAX."""
    given = (headers.get("retry-after") or headers.get("Retry-After") or "")[:RETRY_AFTER_CHARS_MAX]
    try:
        seconds = float(given)
    except ValueError:
        seconds = _seconds_until(given)
    if not isfinite(seconds) or seconds < 0:
        seconds = RETRY_AFTER_S_DEFAULT
    return min(max(seconds, 1.0), RETRY_AFTER_S_MAX)


def _seconds_until(date: str) -> float:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return RETRY_AFTER_S_DEFAULT
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _shown(complaint: Complaint, provider: Provider) -> str:
    """A page of HTML in a JSON string is no message either."""
    message = complaint.message or ""
    return "" if message.lstrip().startswith("<") else scrub(message, provider)


def _elsewhere(
    error: UpstreamFailed | RateLimited, cool_down_s: float, ended: Ended = Ended.UPSTREAM_ERROR
) -> UpstreamError:
    return UpstreamError(error, retry_elsewhere=True, cool_down_s=cool_down_s, ended=ended)
