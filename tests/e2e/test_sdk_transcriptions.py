"""The official SDKs and audio in: each format as the SDK reads it, priced by the second or by the token."""

from decimal import Decimal

import pytest

from tests.e2e.support.media import HEARD, HEARD_WORDS, RECORDING_MS
from tests.e2e.support.prices import transcribe, whisper
from tests.e2e.support.sdks import SdkRun

SECONDS = 1
AUDIO_TOKENS = 12
PROMPT_WORDS = 2


def test_a_transcript_costs_the_seconds_that_the_provider_counts(sdk: SdkRun) -> None:
    answer = sdk["transcript_json"]["answer"]
    cost = whisper(SECONDS * 1000)
    assert (answer["text"], answer["usage"]["type"], answer["usage"]["seconds"]) == (HEARD, "duration", SECONDS)
    assert Decimal(str(answer["usage"]["cost"])) == cost
    row = sdk.paid("transcript_json", cost)
    assert (row["endpoint"], row["usage"]["seconds"]) == ("audio.transcriptions", SECONDS)
    assert (row["ended"], row["usage_source"]) == ("complete", "upstream")


def test_a_transcript_of_a_token_priced_model_costs_words_audio_and_answer(sdk: SdkRun) -> None:
    answer = sdk["transcript_by_tokens"]["answer"]
    assert answer["text"] == HEARD
    assert answer["usage"]["input_token_details"] == {"text_tokens": PROMPT_WORDS, "audio_tokens": AUDIO_TOKENS}
    cost = transcribe(PROMPT_WORDS, AUDIO_TOKENS, HEARD_WORDS)
    assert Decimal(str(answer["usage"]["cost"])) == cost
    sdk.paid("transcript_by_tokens", cost)


def test_a_verbose_transcript_has_the_asked_granularities(sdk: SdkRun) -> None:
    answer = sdk["transcript_verbose"]["answer"]
    assert (answer["text"], answer["duration"], answer["language"]) == (HEARD, RECORDING_MS / 1000, "english")
    assert [one["word"] for one in answer["words"]] == HEARD.split()
    assert [one["text"].strip() for one in answer["segments"]] == [HEARD]
    sdk.paid("transcript_verbose", whisper(SECONDS * 1000))


@pytest.mark.parametrize(
    ("scenario", "text", "source"),
    [
        ("transcript_text", f"{HEARD}\n", "upstream"),
        ("transcript_srt", f"1\n00:00:00,000 --> 00:00:01,200\n{HEARD}\n\n", "request"),
        ("transcript_vtt", f"WEBVTT\n\n00:00:00.000 --> 00:00:01.200\n{HEARD}\n\n", "request"),
    ],
)
def test_texts_and_subtitles_are_the_providers_and_cost_what_json_costs(
    sdk: SdkRun, scenario: str, text: str, source: str
) -> None:
    facts = sdk[scenario]
    assert facts["text"] == text
    assert facts["kind"] == "text/plain; charset=utf-8"
    row = sdk.paid(scenario, whisper(SECONDS * 1000))
    assert (row["usage_source"], row["usage"]["seconds"]) == (source, SECONDS)


def test_a_streamed_transcript_comes_in_deltas_and_ends_with_its_cost(sdk: SdkRun) -> None:
    *deltas, done = sdk["transcript_streamed"]["events"]
    assert {event["type"] for event in deltas} == {"transcript.text.delta"}
    assert len(deltas) == HEARD_WORDS
    assert "".join(event["delta"] for event in deltas) == HEARD
    assert (done["type"], done["text"]) == ("transcript.text.done", HEARD)
    cost = transcribe(0, AUDIO_TOKENS, HEARD_WORDS)
    assert Decimal(str(done["usage"]["cost"])) == cost
    assert sdk.paid("transcript_streamed", cost)["streamed"] is True


def test_a_translation_is_heard_and_paid_by_the_second(sdk: SdkRun) -> None:
    assert sdk["translation"]["answer"]["text"] == HEARD
    assert sdk.paid("translation", whisper(SECONDS * 1000))["endpoint"] == "audio.translations"
