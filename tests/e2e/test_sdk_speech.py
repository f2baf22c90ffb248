"""The official SDKs and speech: the very bytes of the provider, priced to the character or the token."""

import io
import wave
from base64 import b64decode
from decimal import Decimal

from local.demo_upstream.audio import audio_seconds
from local.demo_upstream.audio import speech as spoken
from tests.e2e.support.events import named_events_of
from tests.e2e.support.prices import mini_tts, tts_1
from tests.e2e.support.sdks import SdkRun

TEXT = "one two three"
# 0.06 s a character, 20 tokens a second, rounded up.
WORDS, AUDIO_TOKENS, SLOW_AUDIO_TOKENS = 3, 16, 32
INSTRUCTION_WORDS = 2


def test_speech_is_the_providers_mp3_and_costs_its_characters(sdk: SdkRun) -> None:
    facts = sdk["speech"]
    audio = b64decode(facts["audio"])
    assert (facts["kind"], audio) == ("audio/mpeg", spoken(TEXT, "alloy", 1.0, "mp3"))
    assert 0.7 < audio_seconds(audio) < 0.9
    row = sdk.paid("speech", tts_1(len(TEXT)))
    assert (row["endpoint"], row["model"], row["usage"]["characters"]) == ("audio.speech", "tts-1", len(TEXT))
    assert (row["ended"], row["usage_source"], row["streamed"]) == ("complete", "request", True)


def test_speech_comes_in_pieces_at_the_asked_speed_and_costs_its_tokens(sdk: SdkRun) -> None:
    facts = sdk["speech_in_pieces"]
    assert (facts["kind"], b64decode(facts["audio"])) == ("audio/pcm", spoken(TEXT, "marin", 0.5, "pcm"))
    assert facts["pieces"] > 3
    row = sdk.paid("speech_in_pieces", mini_tts(WORDS + INSTRUCTION_WORDS, SLOW_AUDIO_TOKENS))
    assert (row["usage_source"], row["usage"]["completion_tokens_details"]["audio_tokens"]) == ("upstream", 32)


def test_speech_as_events_ends_with_its_usage_and_cost(sdk: SdkRun) -> None:
    facts = sdk["speech_events"]
    assert facts["kind"].startswith("text/event-stream")
    *deltas, done = named_events_of(facts["body"])
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    audio = b"".join(b64decode(event["audio"]) for event in deltas)
    assert audio == spoken(TEXT, "marin", 1.0, "wav")
    with wave.open(io.BytesIO(audio)) as file:
        assert file.getnframes() / file.getframerate() == 0.78
    assert (done["type"], done["usage"]["input_tokens"], done["usage"]["output_tokens"]) == (
        "speech.audio.done",
        WORDS,
        AUDIO_TOKENS,
    )
    cost = mini_tts(WORDS, AUDIO_TOKENS)
    assert Decimal(str(done["usage"]["cost"])) == cost
    sdk.paid("speech_events", cost)


def test_audio_that_breaks_off_raises_after_what_came_and_is_free(sdk: SdkRun) -> None:
    facts = sdk["speech_cut"]
    whole = spoken(TEXT, "alloy", 1.0, "mp3")
    received = b64decode(facts["audio"])
    assert facts["raised"] is not None, "half of the audio must not look whole"
    assert whole.startswith(received)
    assert 0 < len(received) < len(whole)
    assert sdk.paid("speech_cut", Decimal(0))["ended"] == "mid_stream_error"
