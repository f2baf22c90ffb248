"""Usage of transcripts, in seconds or tokens: found, checked, and shown to the caller."""

import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from math import isfinite
from typing import Any

from multiconnection.domain.usage import Usage, UsageSource
from multiconnection.services.ports import Outcome
from multiconnection.services.transcription_ports import TranscriptionCall

from .usage import OPERATORS_ONLY, counted, detail

# No file that is taken plays for longer: larger figures are counted as this one, which no bound allows.
SECONDS_MAX = 24 * 3600
# Some versions of the API wrote the duration as text.
_NUMBER = re.compile(r"\d{1,6}(\.\d{1,20})?", re.ASCII)


def read_usage(body: Mapping[str, Any], call: TranscriptionCall) -> Usage | None:
    """Of a whole answer or a last event. None where nothing valid is said; an explicit 0 stays 0."""
    given = usage_object(body)
    if not call.by_seconds:
        return _tokens_used(given)
    milliseconds = _milliseconds(given.get("seconds"))
    if milliseconds is None:
        milliseconds = _milliseconds(_number(body.get("duration")))
    return None if milliseconds is None else Usage(milliseconds=milliseconds)


def usage_object(body: Mapping[str, Any]) -> Mapping[str, Any]:
    given = body.get("usage")
    return given if isinstance(given, dict) else {}


def shown_usage(given: Mapping[str, Any], outcome: Outcome, call: TranscriptionCall) -> dict[str, Any]:
    """The provider's members, agreeing with what is charged, without the operator's own costs."""
    usage = outcome.usage
    reported = outcome.source is UsageSource.UPSTREAM
    shown = {name: value for name, value in given.items() if reported and not name.startswith(OPERATORS_ONLY)}
    if call.by_seconds:
        seconds, rest = divmod(usage.milliseconds, 1000)
        shown |= {"type": "duration", "seconds": usage.milliseconds / 1000 if rest else seconds}
    else:
        shown |= {
            "type": "tokens",
            "input_tokens": usage.prompt_tokens,
            "input_token_details": {"text_tokens": usage.input, "audio_tokens": usage.input_audio},
            "output_tokens": usage.output,
            "total_tokens": usage.prompt_tokens + usage.output,
        }
    return shown | {"estimated": True} if outcome.source is UsageSource.ESTIMATED else shown


def _tokens_used(given: Mapping[str, Any]) -> Usage | None:
    """Input that is not told apart is audio: that is what a transcript is made of."""
    total, said = counted(given.get("input_tokens")), counted(given.get("output_tokens"))
    if total is None or said is None:
        return None
    details = given.get("input_token_details")
    details = details if isinstance(details, dict) else {}
    audio, text = detail(details.get("audio_tokens")), detail(details.get("text_tokens"))
    if audio is None:
        audio = total - min(text or 0, total)
    audio = min(audio, total)
    return Usage(input=total - audio, input_audio=audio, output=said)


def _milliseconds(seconds: object) -> int | None:
    """Rounded up to whole ones; bool is an int in Python and not on the wire."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float, Decimal)):
        return None
    if not (isfinite(seconds) and seconds >= 0):
        return None
    return int((Decimal(str(min(seconds, SECONDS_MAX))) * 1000).to_integral_value(ROUND_CEILING))


def _number(text: object) -> object:
    return Decimal(text) if isinstance(text, str) and _NUMBER.fullmatch(text) else text
