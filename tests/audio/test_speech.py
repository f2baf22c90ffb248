"""Speech: what is forwarded, what is heard, what it costs, and what is refused before any money moves."""

from typing import Any

import orjson
import pytest

from multiconnection.catalog.models import CatalogError, parse_model
from multiconnection.errors import ParameterMissing, RateLimited
from multiconnection.usage import Ended, Usage, UsageSource
from tests.support.fake_http import typed_reply
from tests.support.scripted_world import SHIPPED
from tests.support.speech_world import (
    AUDIO,
    HD,
    MINI,
    TTS,
    USAGE,
    SpeechWorld,
    audio,
    delta,
    done,
    events,
)

pytestmark = pytest.mark.virtual_time


FAMILY = "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}"
CLASSIC = "alloy, ash, coral, echo, fable, nova, onyx, sage, shimmer"
GOLDEN = [
    ("The quick brown fox jumped over the lazy dog.", 45),
    ("x", 1),
    ("你好世界。", 5),
    (FAMILY, 5),
    ("e\N{COMBINING ACUTE ACCENT}", 2),
    ("\N{LATIN SMALL LETTER E WITH ACUTE}", 1),
    ("𝄞𠜎😀", 3),
    ("🇩🇪", 2),
    ("a\x00b\r\n", 5),
    ("\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}", 1),
    ("    ", 4),
    ("字" * 4096, 4096),
]


@pytest.mark.parametrize(("text", "characters"), GOLDEN)
@pytest.mark.parametrize(("model", "nano_each"), [(TTS, 15_000), (HD, 30_000)])
async def test_each_code_point_costs_the_same(text: str, characters: int, model: str, nano_each: int) -> None:
    world = SpeechWorld(audio())
    heard = await world.speak(await world.caller(), model=model, input=text)
    assert (heard.received, heard.clean) == (AUDIO, True)
    row = await world.settled_row()
    assert (row.cost, row.hold, row.overrun) == (characters * nano_each, characters * nano_each, 0)
    assert (row.usage, row.usage_source) == (Usage(characters=characters), UsageSource.REQUEST)
    assert (row.ended, row.endpoint, row.streamed, row.model) == (Ended.COMPLETE, "audio.speech", True, model)
    assert row.usage.as_openai()["characters"] == characters


async def test_the_markup_is_charged_on_characters_too() -> None:
    world = SpeechWorld(audio(), environment={"MARKUP_BASIS_POINTS": "1000"})
    await world.speak(await world.caller(), input="abc")
    assert (await world.settled_row()).cost == 49_500


async def test_a_token_priced_model_is_charged_what_the_provider_counted() -> None:
    """14 tokens at 600 n$ and 101 at 12,000 n$."""
    world = SpeechWorld(events())
    heard = await world.speak(await world.caller(), model=MINI, voice="marin", instructions="Calmly.")
    assert (heard.received, heard.clean, heard.media_type) == (AUDIO, True, "audio/mpeg")
    row = await world.settled_row()
    assert (row.cost, row.usage_source) == (14 * 600 + 101 * 12_000, UsageSource.UPSTREAM)
    assert row.usage == Usage(input=14, output_audio=101)


async def test_the_hold_of_a_token_priced_model_covers_the_longest_answer() -> None:
    """13 and 7 bytes and the overhead of two messages in, all that the model can say out."""
    world = SpeechWorld(events())
    await world.speak(await world.caller(), model=MINI, instructions="Calmly.")
    assert (await world.settled_row()).hold == (13 + 7 + 16) * 600 + 16_384 * 12_000


@pytest.mark.parametrize(("window", "tokens"), [(2000, 2000), (None, 3 * 4096 + 16)])
async def test_the_hold_covers_any_tokenizer_up_to_the_longest_input(window: int | None, tokens: int) -> None:
    world = SpeechWorld(events())
    entry = {**SHIPPED[MINI], "context_window": window, "upstreams": [{"provider": "one", "model": "k"}]}
    world.models.found = [parse_model(entry)]
    await world.speak(await world.caller(), model=MINI, input="字" * 4096)
    assert (await world.settled_row()).hold == tokens * 600 + 16_384 * 12_000


async def test_instructions_are_read_but_not_spoken() -> None:
    world = SpeechWorld(events(delta(b"x" * 10**6), done(None)))
    await world.speak(await world.caller(), model=MINI, instructions="Be calm.")
    assert (await world.settled_row()).usage == Usage(input=6, output_audio=18)


async def test_the_limit_of_tokens_counts_what_will_probably_be_spoken() -> None:
    """22 tokens a call until its usage is known; characters are no tokens."""
    world = SpeechWorld(audio(), events())
    caller = await world.caller(tokens_per_minute=21)
    assert (await world.speak(caller)).clean
    refused = (await world.speak(caller, model=MINI)).refused
    assert isinstance(refused, RateLimited)
    assert refused.type == "tokens"


@pytest.mark.parametrize("model", [TTS, MINI])
async def test_only_the_model_and_the_way_to_the_usage_are_rewritten(model: str) -> None:
    world = SpeechWorld(audio() if model == TTS else events())
    body = {"model": model, "input": "héllo 😀", "voice": "alloy", "speed": 4, "response_format": "wav", "user": "u"}
    await world.speak(await world.caller(), **body)
    (posted,) = world.http.posted
    assert posted.url == "https://api.one.example/v1/audio/speech"
    assert posted.json == {**body, "model": "theirs-1", **({"stream_format": "sse"} if model == MINI else {})}
    assert posted.headers["accept"] == ("application/octet-stream" if model == TTS else "text/event-stream")


async def test_events_are_passed_on_with_the_usage_and_its_cost_at_their_end() -> None:
    world = SpeechWorld(events())
    heard = await world.speak(await world.caller(), model=MINI, stream_format="sse")
    assert heard.media_type == "text/event-stream; charset=utf-8"
    assert heard.received[:3] == [delta(data) for data in AUDIO]
    name, _, data = heard.received[3].partition(b"\ndata: ")
    assert name == b"event: speech.audio.done"
    assert orjson.loads(data) == {"type": "speech.audio.done", "usage": {**USAGE, "cost": 0.0012204}}
    assert (await world.settled_row()).cost == 1_220_400


async def test_an_event_in_several_lines_is_one_line_for_the_caller() -> None:
    torn = b'data: {"type": "speech.audio.delta",\ndata: "audio": "SUQz"}\n\n'
    unknown = b'data: {"type": "speech.audio.mood"}\n\n'
    world = SpeechWorld(events(unknown, torn, done()))
    heard = await world.speak(await world.caller(), model=MINI, stream_format="sse")
    assert heard.received[0] == b'event: speech.audio.delta\ndata: {"type":"speech.audio.delta","audio":"SUQz"}\n\n'
    assert len(heard.received) == 2


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {"input_tokens": 1},
        {"input_tokens": "14", "output_tokens": 101},
        {"input_tokens": 14, "output_tokens": -1},
        {"input_tokens": True, "output_tokens": 1},
        {"input_tokens": 1.5, "output_tokens": 1},
        [],
    ],
)
async def test_without_a_usable_usage_the_text_tells_the_length(usage: object) -> None:
    """13 characters are 4 tokens, and 13 / 15 seconds of speech: 18 tokens."""
    world = SpeechWorld(events(delta(b"x" * 48_000), done(usage)))
    heard = await world.speak(await world.caller(), model=MINI, response_format="pcm", stream_format="sse")
    row = await world.settled_row()
    assert (row.usage, row.usage_source) == (Usage(input=4, output_audio=18), UsageSource.ESTIMATED)
    shown = orjson.loads(heard.received[-1].partition(b"data: ")[2])["usage"]
    assert shown == {
        "input_tokens": 4,
        "output_tokens": 18,
        "total_tokens": 22,
        "cost": 0.0002184,
        "estimated": True,
    }


@pytest.mark.parametrize(
    ("audio_format", "size", "tokens"),
    [("pcm", 2400, 1), ("wav", 2401, 2), ("flac", 24_000, 10), ("mp3", 1000, 1), ("aac", 4000, 4), ("opus", 800, 1)],
)
async def test_an_estimate_is_never_longer_than_the_audio_that_came(audio_format: str, size: int, tokens: int) -> None:
    world = SpeechWorld(events(delta(b"x" * size), done(None)))
    await world.speak(await world.caller(), model=MINI, response_format=audio_format)
    assert (await world.settled_row()).usage == Usage(input=4, output_audio=tokens)


@pytest.mark.parametrize(("speed", "tokens"), [(0.25, 70), (4, 5)])
async def test_who_speaks_slowly_speaks_longer(speed: float, tokens: int) -> None:
    world = SpeechWorld(events(delta(b"x" * 10**6), done(None)))
    await world.speak(await world.caller(), model=MINI, speed=speed)
    assert (await world.settled_row()).usage.output_audio == tokens


async def test_an_explicit_zero_stays_zero() -> None:
    world = SpeechWorld(events(delta(b"x"), done({"input_tokens": 0, "output_tokens": 0})))
    await world.speak(await world.caller(), model=MINI)
    row = await world.settled_row()
    assert (row.cost, row.usage_source) == (0, UsageSource.UPSTREAM)


async def test_what_the_operator_pays_is_not_shown() -> None:
    world = SpeechWorld(events(delta(b"x"), done({**USAGE, "cost": 7, "cost_details": {}})))
    heard = await world.speak(await world.caller(), model=MINI, stream_format="sse")
    shown = orjson.loads(heard.received[-1].partition(b"data: ")[2])["usage"]
    assert shown == {**USAGE, "cost": 0.0012204}


@pytest.mark.parametrize(
    ("asked", "media_type"),
    [
        (None, "audio/mpeg"),
        ("mp3", "audio/mpeg"),
        ("opus", "audio/opus"),
        ("aac", "audio/aac"),
        ("flac", "audio/flac"),
        ("wav", "audio/wav"),
        ("pcm", "audio/pcm"),
    ],
)
@pytest.mark.parametrize(
    "said", [None, "application/octet-stream", "audio/", "audio/x\r\nset-cookie: a=b", "video/mp4"]
)
async def test_the_type_is_that_of_the_format_unless_the_provider_names_a_kind_of_audio(
    said: str | None, asked: str | None, media_type: str
) -> None:
    world = SpeechWorld(audio(media_type=said))
    heard = await world.speak(await world.caller(), response_format=asked)
    assert (heard.media_type, heard.received) == (media_type, AUDIO)


@pytest.mark.parametrize("said", ["audio/wav", "Audio/L16; rate=24000; channels=1", "audio/vnd.wave"])
async def test_the_provider_knows_best_which_audio_it_sends(said: str) -> None:
    world = SpeechWorld(audio(media_type=said))
    assert (await world.speak(await world.caller())).media_type == said


async def test_events_that_say_nothing_of_their_type_are_still_read() -> None:
    reply = typed_reply(None, *map(delta, AUDIO), done())
    world = SpeechWorld(reply)
    assert (await world.speak(await world.caller(), model=MINI)).received == AUDIO


async def test_a_client_that_is_slow_is_not_held_against_the_provider() -> None:
    reply = audio()
    await (world := SpeechWorld(reply)).speak(await world.caller())
    assert reply.idle_since > 0


async def test_a_provider_without_events_is_listened_to_and_its_usage_estimated() -> None:
    world = SpeechWorld(audio(b"x" * 20_000))
    heard = await world.speak(await world.caller(), model=MINI)
    assert (heard.text, heard.clean) == (b"x" * 20_000, True)
    row = await world.settled_row()
    assert (row.usage, row.usage_source) == (Usage(input=4, output_audio=18), UsageSource.ESTIMATED)


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"input": ""}, "input", "at least 1 character"),
    ({"input": "字" * 4097}, "input", "at most 4096 characters"),
    ({"input": None}, "input", "a string"),
    ({"input": ["a"]}, "input", "a string"),
    ({"input": 7}, "input", "a string"),
    ({"voice": "marin"}, "voice", CLASSIC),
    ({"voice": "Alloy"}, "voice", CLASSIC),
    ({"voice": ""}, "voice", CLASSIC),
    ({"voice": None}, "voice", "a string"),
    ({"voice": 1}, "voice", "a string"),
    ({"voice": {"id": "voice_123"}}, "voice", "Custom voices"),
    ({"response_format": "ogg"}, "response_format", "'mp3', 'opus', 'aac', 'flac', 'wav' or 'pcm'"),
    ({"response_format": 3}, "response_format", "'mp3'"),
    ({"speed": 0.24}, "speed", "0.25 to 4"),
    ({"speed": 4.01}, "speed", "0.25 to 4"),
    ({"speed": -1}, "speed", "0.25 to 4"),
    ({"speed": 10**400}, "speed", "speed"),
    ({"speed": "1"}, "speed", "a number"),
    ({"speed": True}, "speed", "a number"),
    ({"instructions": "Whisper."}, "instructions", "takes no `instructions`"),
    ({"instructions": "x" * 4097, "model": MINI}, "instructions", "at most 4096 characters"),
    ({"stream_format": "sse"}, "stream_format", "'audio'"),
    ({"stream_format": "chunks"}, "stream_format", "'audio' or 'sse'"),
    ({"model": "m-1"}, "model", "is a chat model: send `messages`"),
    ({"model": ""}, "model", "at least 1 character"),
    ({"model": 1}, "model", "a string"),
]


@pytest.mark.parametrize(("body", "param", "says"), REFUSED)
async def test_what_cannot_be_spoken_is_refused_before_any_money_moves(
    body: dict[str, Any], param: str, says: str
) -> None:
    world = SpeechWorld()
    heard = await world.speak(await world.caller(), **body)
    assert heard.refused is not None
    assert (heard.refused.http_status, heard.refused.param) == (400, param)
    assert says in heard.refused.message
    assert world.http.posted == []
    assert await world.rows() == []
    assert (await world.account()).available == 10**9


@pytest.mark.parametrize("absent", ["input", "voice"])
async def test_text_and_voice_are_required(absent: str) -> None:
    world = SpeechWorld()
    body = {"input": "a", "voice": "alloy"}
    del body[absent]
    with pytest.raises(ParameterMissing) as caught:
        await world.speech.speak(await world.caller(), body, world.context())
    assert caught.value.param == absent


@pytest.mark.parametrize("voice", SHIPPED[MINI]["voices"])
async def test_every_voice_of_a_model_may_be_asked_for(voice: str) -> None:
    world = SpeechWorld(events())
    assert (await world.speak(await world.caller(), model=MINI, voice=voice)).clean


def test_the_voices_of_the_product_are_those_of_its_text_and_the_providers_others() -> None:
    assert {"alloy", "echo", "fable", "onyx", "nova", "shimmer"} < set(SHIPPED[TTS]["voices"])
    assert set(SHIPPED[TTS]["voices"]) == set(SHIPPED[HD]["voices"]) == set(CLASSIC.split(", "))
    assert {"ballad", "cedar", "marin", "verse"} == set(SHIPPED[MINI]["voices"]) - set(SHIPPED[TTS]["voices"])


async def test_a_model_without_a_list_of_voices_has_any() -> None:
    world = SpeechWorld(audio())
    world.models.found = [parse_model({**SHIPPED[TTS], "voices": [], "upstreams": [{"provider": "one", "model": "k"}]})]
    assert (await world.speak(await world.caller(), voice="af_bella")).clean


def test_a_token_priced_entry_without_a_bound_is_refused() -> None:
    with pytest.raises(CatalogError, match="max_output_tokens"):
        parse_model({**SHIPPED[MINI], "max_output_tokens": None})


async def test_speech_without_a_model_is_spoken_by_the_usual_one() -> None:
    world = SpeechWorld(audio())
    answer = await world.speech.speak(await world.caller(), {"input": "a", "voice": "nova"}, world.context())
    assert await answer.relay(world_ignores)
    assert (await world.settled_row()).model == TTS


async def world_ignores(_chunk: bytes) -> None:
    """A caller who does not look."""
