"""Transcriptions and translations: what is asked for, what it costs at most, and what the model cannot do."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field, replace

from multiconnection.audio.duration.types import Audio
from multiconnection.calls.requests import PricedCall
from multiconnection.catalog.bounds import MESSAGE_OVERHEAD_TOKENS, CostBound, text_tokens_max
from multiconnection.catalog.models import Model
from multiconnection.catalog.parameters import TRANSCRIPTIONS, TRANSLATIONS, base_name, refuse_costly
from multiconnection.errors import RequestInvalid
from multiconnection.usage import Usage, UsageSource
from multiconnection.web.body import validated
from multiconnection.web.forms import Form

from .schemas import TranscriptionForm

KIND = "transcription"
# Capabilities of models.
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
TEXT_BYTES_PER_TOKEN = 4
_CONTENT_TYPES = {"mp3": "audio/mpeg", "mpeg": "audio/mpeg"}


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A measured file. Its name and type say what it is: the caller's may not, and providers go by them."""

    audio: Audio
    data: bytes = field(repr=False)

    @property
    def filename(self) -> str:
        return f"audio.{self.audio.ending}"

    @property
    def content_type(self) -> str:
        return _CONTENT_TYPES.get(self.audio.ending, f"audio/{self.audio.ending}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionCall(PricedCall):
    """One file on its way to an upstream.

    `fields` are the caller's, in order, without `model` and `stream`. `asks_for_events`: so the provider is asked;
    what it answers in one piece becomes events where the caller wants a stream. `input_estimate` is what the file and
    the texts consume when the provider does not say: time or tokens, known as `input_source` says; a report of more
    than `usage_max` is not believed.
    """

    file: AudioFile
    fields: Sequence[tuple[str, str]]
    response_format: str
    asks_for_events: bool
    input_estimate: Usage
    input_source: UsageSource
    usage_max: Usage

    @property
    def in_json(self) -> bool:
        return self.response_format.endswith("json")

    @property
    def by_seconds(self) -> bool:
        return priced_by_seconds(self.model)

    def estimated(self, text_bytes: int) -> Usage:
        """The usage when the provider does not say: the input, and the text that came of it where that is priced."""
        if self.by_seconds:
            return self.input_estimate
        output = -(-text_bytes // TEXT_BYTES_PER_TOKEN)
        return replace(self.input_estimate, output=min(output, self.usage_max.output))


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """A validated form of `endpoint`, TRANSCRIPTIONS or TRANSLATIONS.

    `fields` are what is forwarded, names and texts, as the provider wants them spelled.
    """

    endpoint: str
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

    def bind(self, model: Model, markup_basis_points: int, file: AudioFile) -> TranscriptionCall:
        """All of the cost is fixed: no provider takes a limit for the length of a transcript."""
        usage_max, prices = self._usage_max(model, file.audio), model.prices
        pico = usage_max.prompt_tokens * prices.dearest_input + usage_max.completion_tokens * prices.dearest_output
        pico += usage_max.milliseconds * prices.millisecond
        estimate = self._input_estimate(model, file.audio)
        # Time is counted in the file; tokens, and the length of what cannot be counted, are guessed.
        exact = priced_by_seconds(model) and file.audio.measured
        return TranscriptionCall(
            endpoint=self.endpoint,
            model=model,
            bound=CostBound(pico, 0, 0, markup_basis_points),
            tokens_estimate=estimate.prompt_tokens,
            streamed=self.stream,
            file=file,
            fields=self.fields,
            response_format=self.response_format,
            asks_for_events=self.stream and self.endpoint == TRANSCRIPTIONS and STREAMING in model.capabilities,
            input_estimate=estimate,
            input_source=UsageSource.REQUEST if exact else UsageSource.ESTIMATED,
            usage_max=usage_max,
        )

    def _input_estimate(self, model: Model, audio: Audio) -> Usage:
        if priced_by_seconds(model):
            return Usage(milliseconds=_whole_seconds(audio.milliseconds) * 1000)
        written = sum(-(-len(text) // TEXT_BYTES_PER_TOKEN) for text in self._texts())
        return Usage(input=written, input_audio=_tokens(audio.milliseconds, model))

    def _usage_max(self, model: Model, audio: Audio) -> Usage:
        """The most that the call can consume.

        A context window's worth of audio is answered with `max_output_tokens` at most; a file that the provider cuts
        into more pieces than that still has no more words in it than audio tokens.
        """
        if priced_by_seconds(model):
            return Usage(milliseconds=1000 * (-(-audio.milliseconds_max // 1000) + SECONDS_MARGIN))
        references = len(self.form.fields.get(REFERENCES, ()))
        spoken = _tokens(audio.milliseconds_max + references * REFERENCE_MS_MAX, model)
        spoken += -(-spoken * TOKENS_MARGIN_PERCENT // 100) + model.audio_tokens_per_second * SECONDS_MARGIN
        written = sum(text_tokens_max(text) + MESSAGE_OVERHEAD_TOKENS for text in self._texts())
        windows = -(-spoken // model.context_window) if model.context_window else 1
        return Usage(
            input_audio=spoken + written + MESSAGE_OVERHEAD_TOKENS,
            output=max(windows * model.max_output_tokens, spoken),
        )

    def _texts(self) -> Iterator[bytes]:
        return (text.encode() for name, text in self.fields if not name.startswith(REFERENCES))


def parse_transcription_request(endpoint: str, form: Form) -> TranscriptionRequest:
    """Raises RequestInvalid and its kinds, with `param` naming the field as OpenAI does."""
    single = {name: text for name in TranscriptionForm.model_fields if (text := form.text(name))}
    parsed = validated(TranscriptionForm, single)
    return TranscriptionRequest(
        endpoint=endpoint,
        form=form,
        fields=tuple(_forwarded(form, single)),
        model=parsed.model,
        response_format=parsed.response_format or FORMAT_DEFAULT,
        stream=parsed.stream in TRUE,
    )


def require_transcription_model(request: TranscriptionRequest, model: Model) -> None:
    """Refuses what the model cannot do, before any money is set aside; raises RequestInvalid kinds."""
    if model.kind != KIND:
        raise RequestInvalid(
            f"`{model.id}` is a model of kind {model.kind} and does not transcribe; GET /v1/models lists those "
            f"of kind {KIND}.",
            param="model",
        )
    if request.endpoint == TRANSLATIONS and TRANSLATION not in model.capabilities:
        raise RequestInvalid(
            f"`{model.id}` does not translate; use a model with the capability {TRANSLATION!r}, such as `whisper-1`.",
            param="model",
        )
    refuse_costly(request.endpoint, request.named, model)


def priced_by_seconds(model: Model) -> bool:
    """True for prices by the length of the audio, False for prices by tokens."""
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
    """The nearest second, as providers count, so that no format costs less for want of a report."""
    return max(1, (milliseconds + 500) // 1000)


def _tokens(milliseconds: int, model: Model) -> int:
    return -(-milliseconds * model.audio_tokens_per_second // 1000)
