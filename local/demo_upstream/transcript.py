"""A transcript's text, cut into timed words and segments, in the formats that OpenAI writes."""

from dataclasses import dataclass
from typing import Any

WORDS_PER_SEGMENT = 8


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the text and when it is heard."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard, and for how long."""

    text: str
    seconds: float

    def words(self) -> list[Span]:
        """Each word with an equal share of the time."""
        found = self.text.split()
        share = self.seconds / max(1, len(found))
        return [Span(word, round(at * share, 3), round((at + 1) * share, 3)) for at, word in enumerate(found)]

    def segments(self) -> list[Span]:
        """Runs of a few words."""
        words = self.words()
        runs = [words[at : at + WORDS_PER_SEGMENT] for at in range(0, len(words), WORDS_PER_SEGMENT)]
        return [Span(" ".join(word.text for word in run), run[0].start_s, run[-1].end_s) for run in runs]


def srt(transcript: Transcript) -> str:
    """SubRip subtitles."""
    blocks = [
        f"{number}\n{_clock(one.start_s, ',')} --> {_clock(one.end_s, ',')}\n{one.text}\n"
        for number, one in enumerate(transcript.segments(), 1)
    ]
    return "\n".join(blocks) + "\n"


def vtt(transcript: Transcript) -> str:
    """WebVTT subtitles."""
    blocks = [f"{_clock(one.start_s, '.')} --> {_clock(one.end_s, '.')}\n{one.text}\n" for one in transcript.segments()]
    return "WEBVTT\n\n" + "\n".join(blocks) + "\n"


def verbose(transcript: Transcript, granularities: list[str], task: str) -> dict[str, Any]:
    """Whisper's verbose_json, without usage."""
    body: dict[str, Any] = {
        "task": task,
        "language": "english",
        "duration": round(transcript.seconds, 3),
        "text": transcript.text,
    }
    if "word" in granularities:
        body["words"] = [{"word": one.text, "start": one.start_s, "end": one.end_s} for one in transcript.words()]
    if "segment" in granularities or not granularities:
        body["segments"] = [_verbose_segment(number, one) for number, one in enumerate(transcript.segments())]
    return body


def diarized(transcript: Transcript) -> dict[str, Any]:
    """diarized_json, without usage; everything is said by speaker A."""
    return {
        "task": "transcribe",
        "duration": round(transcript.seconds, 3),
        "text": transcript.text,
        "segments": [
            {"type": "transcript.text.segment", **diarized_segment(number, one)}
            for number, one in enumerate(transcript.segments())
        ],
    }


def diarized_segment(number: int, span: Span) -> dict[str, Any]:
    """One speaker's turn, as in the event `transcript.text.segment`."""
    return {"id": f"seg_{number:03d}", "start": span.start_s, "end": span.end_s, "text": span.text, "speaker": "A"}


def _verbose_segment(number: int, span: Span) -> dict[str, Any]:
    return {
        "id": number,
        "seek": 0,
        "start": span.start_s,
        "end": span.end_s,
        "text": f" {span.text}",
        "tokens": list(range(len(span.text.split()))),
        "temperature": 0.0,
        "avg_logprob": -0.125,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.01,
    }


def _clock(seconds: float, point: str) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{point}{ms % 1000:03d}"
