"""The JSON object of a provider's whole answer, or why it is none."""

from typing import Any

from multiconnection.domain.provider import Provider

from .error_bodies import error_in
from .errors import empty_answer, not_an_answer, reported_error
from .wire_json import decode_plain


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
