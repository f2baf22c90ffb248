"""A transcription request understood: what is asked for, what it costs at most, and what the model cannot do."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from pydantic import ValidationError

from multiconnection.domain.audio import Audio
from multiconnection.domain.bounds import MESSAGE_OVERHEAD_TOKENS, CostBound, text_tokens_max
from multiconnection.domain.catalog import Model
from multiconnection.domain.errors import RequestInvalid
from multiconnection.domain.parameters import base_name, refuse_costly
from multiconnection.domain.usage import Usage
from multiconnection.schemas.transcription import TranscriptionForm

from .form import Form
from .transcription_ports import TEXT_BYTES_PER_TOKEN
from .validation import invalid

TRANSCRIPTIONS, TRANSLATIONS = "transcriptions", "translations"
KIND = "transcription"
STREAMING, TRANSLATION = "streaming", "translation"
FORMAT_DEFAULT = "json"
TRUE = frozenset({"true", "True", "1"})
# Set by us, or no text.
OWN_FIELDS = frozenset({"model", "stream", "file"})
ARRAYS = frozenset(
    {
        "timestamp_granularities",
        "include",
        "languages",
        "keywords",
        "known_speaker_names",
        "known_speaker_references",
    }
)
# Data URLs of audio, of ten seconds each at most.
REFERENCES = "known_speaker_references"
REFERENCE_MS_MAX = 10_000
# Providers round seconds up, and decoders add a few milliseconds at both ends.
SECONDS_MARGIN = 1
# Providers count audio in windows that are filled up.
TOKENS_MARGIN_PERCENT = 25


@dataclass(frozen=True)
class TranscriptionRequest:
    """`fields` are what is forwarded, names and texts, as the provider wants them spelled."""

    task: str
    form: Form
    fields: tuple[tuple[str, str], ...]
    model: str
    response_format: str
    stream: bool

    @property
    def named(self) -> dict[str, str]:
        """The last text of each field that is forwarded, by its name without brackets."""
        return {base_name(name): text for name, text in self.fields}

    def only(self, names: Container[str]) -> "TranscriptionRequest":
        """The same request with only these fields."""
        kept = tuple((name, text) for name, text in self.fields if base_name(name) in names)
        return replace(self, fields=kept)

    def heard(self, model: Model, audio: Audio) -> Usage:
        """What the input consumes, by measuring it."""
        if by_seconds(model):
            return Usage(milliseconds=_whole_seconds(audio.milliseconds) * 1000)
        spoken = _tokens(audio.milliseconds, model)
        written = sum(-(-len(text) // TEXT_BYTES_PER_TOKEN) for text in self._texts())
        return Usage(input=written, input_audio=spoken)

    def cost_bound(self, model: Model, audio: Audio, markup_basis_points: int) -> CostBound:
        """All of it is fixed: no provider takes a limit for the length of a transcript."""
        most, prices = self.usage_max(model, audio), model.prices
        tokens = most.prompt_tokens * prices.dearest_input + most.completion_tokens * prices.dearest_output
        return CostBound(tokens + most.milliseconds * prices.millisecond, 0, 0, markup_basis_points)

    def usage_max(self, model: Model, audio: Audio) -> Usage:
        """The most that the call can consume."""
        if by_seconds(model):
            return Usage(milliseconds=1000 * (-(-audio.milliseconds_max // 1000) + SECONDS_MARGIN))
        heard, said = self._tokens_max(model, audio)
        return Usage(input_audio=heard, output=said)

    def tokens_estimate(self, model: Model, audio: Audio) -> int:
        return 0 if by_seconds(model) else self.heard(model, audio).prompt_tokens

    def _tokens_max(self, model: Model, audio: Audio) -> tuple[int, int]:
        """Of the input and of the answer.

        A context window's worth of audio is answered with `max_output_tokens` at most; a file that the provider cuts
        into more pieces than that still has no more words in it than audio tokens.
        """
        references = len(self.form.fields.get(REFERENCES, ()))
        spoken = _tokens(audio.milliseconds_max + references * REFERENCE_MS_MAX, model)
        spoken += -(-spoken * TOKENS_MARGIN_PERCENT // 100) + model.audio_tokens_per_second * SECONDS_MARGIN
        windows = -(-spoken // model.context_window) if model.context_window else 1
        return spoken + self._written_max + MESSAGE_OVERHEAD_TOKENS, max(windows * model.max_output_tokens, spoken)

    @cached_property
    def _written_max(self) -> int:
        return sum(text_tokens_max(text) + MESSAGE_OVERHEAD_TOKENS for text in self._texts())

    def _texts(self) -> Iterator[bytes]:
        return (text.encode() for name, text in self.fields if not name.startswith(REFERENCES))


def parse_transcription_request(task: str, form: Form) -> TranscriptionRequest:
    """Raises RequestInvalid and its kinds, with `param` naming the field as OpenAI does."""
    single = {name: text for name in TranscriptionForm.model_fields if (text := form.text(name))}
    try:
        parsed = TranscriptionForm.model_validate(single)
    except ValidationError as exc:
        raise invalid(exc) from exc
    return TranscriptionRequest(
        task=task,
        form=form,
        fields=tuple(_forwarded(form, single)),
        model=parsed.model,
        response_format=parsed.response_format or FORMAT_DEFAULT,
        stream=parsed.stream in TRUE,
    )


def require_hearing(request: TranscriptionRequest, model: Model) -> None:
    """Refuse what the model cannot do, before any money is set aside; raises RequestInvalid kinds."""
    if model.kind != KIND:
        raise RequestInvalid(
            f"`{model.id}` is a model of kind {model.kind} and does not transcribe; GET /v1/models lists those "
            f"of kind {KIND}.",
            param="model",
        )
    if request.task == TRANSLATIONS and TRANSLATION not in model.capabilities:
        raise RequestInvalid(
            f"`{model.id}` does not translate; use a model with the capability {TRANSLATION!r}, such as `whisper-1`.",
            param="model",
        )
    refuse_costly(f"audio.{request.task}", request.named, model)


def by_seconds(model: Model) -> bool:
    """Priced by the length of the audio, not by tokens."""
    return not model.audio_tokens_per_second


def _forwarded(form: Form, single: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name, texts in form.fields.items():
        if name in OWN_FIELDS:
            continue
        if name in TranscriptionForm.model_fields:
            # Of a field that came twice the later one counts; an empty one is as if it were absent.
            texts = [single[name]] if name in single else []
        listed = name in ARRAYS or name in form.arrays
        yield from ((f"{name}[]" if listed else name, text) for text in texts)


def _whole_seconds(milliseconds: int) -> int:
    """As providers count: the nearest second, so that no format costs less for want of a report."""
    return max(1, (milliseconds + 500) // 1000)


def _tokens(milliseconds: int, model: Model) -> int:
    return -(-milliseconds * model.audio_tokens_per_second // 1000)
