"""Transcriptions from form to bill: prices to the nano-dollar, formats, streams, uploads, refusals."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from multiconnection.audio.duration import Audio, probe
from multiconnection.audio.transcription import FILE_BYTES_MAX
from multiconnection.catalog.models import CatalogError, parse_model
from multiconnection.catalog.parameters import TRANSCRIPTIONS, TRANSLATIONS, ParameterPolicy
from multiconnection.usage import Ended, Usage, UsageSource
from multiconnection.web.forms import Form, FormFile
from tests.audio.test_duration_lies import LIES
from tests.support.audio_files import encoded, wav
from tests.support.fake_http import named_event
from tests.support.scripted_world import SHIPPED
from tests.support.transcription_world import (
    DELTAS,
    DIARIZE,
    GPT,
    MINI,
    TEXT,
    TOKENS,
    WHISPER,
    TranscriptionWorld,
    a_form,
    answer,
    delta,
    done,
    events,
    usage_of,
)

pytestmark = pytest.mark.virtual_time


# whisper-1: $0.0001 a second is 100,000 n$ a second, 100 n$ a millisecond.
# gpt-4o-transcribe: $2.50, $6.00, $10.00 a million are 2,500, 6,000, 10,000 n$ a token of text, audio, answer.
SECONDS: list[tuple[str, dict[str, Any], int, int, UsageSource]] = [
    ("usage in seconds", {"usage": {"type": "duration", "seconds": 3}}, 3000, 300_000, UsageSource.UPSTREAM),
    ("a part of a second", {"usage": {"seconds": 2.0001}}, 2001, 200_100, UsageSource.UPSTREAM),
    ("what binary fractions do not hold", {"usage": {"seconds": 1.1}}, 1100, 110_000, UsageSource.UPSTREAM),
    ("an explicit zero", {"usage": {"seconds": 0}}, 0, 0, UsageSource.UPSTREAM),
    ("verbose duration", {"duration": 2.509999990463257}, 2510, 251_000, UsageSource.UPSTREAM),
    ("verbose duration as text", {"duration": "2.51"}, 2510, 251_000, UsageSource.UPSTREAM),
    ("usage before duration", {"usage": {"seconds": 3}, "duration": 2.51}, 3000, 300_000, UsageSource.UPSTREAM),
    ("nothing said", {}, 3000, 300_000, UsageSource.REQUEST),
    ("tokens said", {"usage": TOKENS}, 3000, 300_000, UsageSource.REQUEST),
    *(
        (f"nonsense {given!r}", {"usage": {"seconds": given}}, 3000, 300_000, UsageSource.REQUEST)
        for given in (-1, "3", True, None, [3])
    ),
]


@pytest.mark.parametrize(
    ("members", "ms", "cost", "source"), [row[1:] for row in SECONDS], ids=[row[0] for row in SECONDS]
)
async def test_a_second_of_whisper_costs_a_tenth_of_a_thousandth(
    members: dict[str, Any], ms: int, cost: int, source: UsageSource
) -> None:
    world = TranscriptionWorld(answer({"text": TEXT, **members}))
    reader = await world.hear(await world.caller())
    row = await world.settled_row()
    assert (row.usage, row.cost, row.usage_source, row.overrun) == (Usage(milliseconds=ms), cost, source, 0)
    assert (row.ended, row.endpoint, row.model, row.streamed) == (
        Ended.COMPLETE,
        "audio.transcriptions",
        WHISPER,
        False,
    )
    usage = usage_of(reader)
    assert usage["cost"] == cost / 10**9
    assert (usage["type"], usage["seconds"]) == ("duration", ms / 1000)
    assert "estimated" not in usage


@pytest.mark.parametrize(("seconds", "claimed"), [(3600, 3600), (4.001, 4.001), (10**15, 86_400), (1e300, 86_400)])
async def test_more_seconds_than_a_file_can_last_are_not_believed(seconds: float, claimed: float) -> None:
    world = TranscriptionWorld(answer({"text": TEXT, "usage": {"seconds": seconds}}))
    reader = await world.hear(await world.caller())
    row = await world.settled_row()
    assert row.hold == 400_000  # 2.5 s, rounded up to whole seconds, and one more
    assert (row.cost, row.overrun) == (300_000, int(claimed * 100_000) - 300_000)
    assert usage_of(reader)["seconds"] == 3
    assert "overrun" in world.alarms.raised


@pytest.mark.parametrize(
    ("model", "usage", "kinds", "cost"),
    [
        (GPT, TOKENS, Usage(input=6, input_audio=25, output=4), 6 * 2500 + 25 * 6000 + 4 * 10_000),
        (MINI, TOKENS, Usage(input=6, input_audio=25, output=4), 6 * 1250 + 25 * 3000 + 4 * 5000),
        (GPT, {"input_tokens": 25, "output_tokens": 4}, Usage(input_audio=25, output=4), 190_000),
        (
            GPT,
            {"input_tokens": 25, "output_tokens": 4, "input_token_details": {"text_tokens": 5}},
            Usage(input=5, input_audio=20, output=4),
            172_500,
        ),
        (
            GPT,
            {"input_tokens": 25, "output_tokens": 4, "input_token_details": {"audio_tokens": 900}},
            Usage(input_audio=25, output=4),
            190_000,
        ),
        (GPT, {"input_tokens": 0, "output_tokens": 0}, Usage(), 0),
    ],
)
async def test_tokens_are_charged_by_kind(model: str, usage: Any, kinds: Usage, cost: int) -> None:
    world = TranscriptionWorld(answer({"text": TEXT, "usage": usage}))
    reader = await world.hear(await world.caller(), model)
    row = await world.settled_row()
    assert (row.usage, row.cost, row.usage_source) == (kinds, cost, UsageSource.UPSTREAM)
    assert "stream" not in dict(world.sent.fields)
    assert usage_of(reader) == {
        "type": "tokens",
        "input_tokens": kinds.input + kinds.input_audio,
        "input_token_details": {"text_tokens": kinds.input, "audio_tokens": kinds.input_audio},
        "output_tokens": kinds.output,
        "total_tokens": kinds.input + kinds.input_audio + kinds.output,
        "cost": cost / 10**9,
    }


@pytest.mark.parametrize(
    "usage",
    [
        None,
        7,
        {"type": "duration", "seconds": 3},
        {"input_tokens": -1, "output_tokens": 4},
        {"input_tokens": "31", "output_tokens": 4},
        {"input_tokens": 31.5, "output_tokens": 4},
        {"input_tokens": True, "output_tokens": 4},
        {"input_tokens": 10**15, "output_tokens": 4},
        {"input_tokens": 10**15, "output_tokens": 10**15},
        {"input_tokens": 31},
    ],
)
async def test_tokens_that_nobody_can_believe_are_measured(usage: Any) -> None:
    world = TranscriptionWorld(answer({"text": TEXT, "usage": usage}))
    reader = await world.hear(await world.caller(), GPT, prompt="Names: Ada, Grace.")
    row = await world.settled_row()
    # 2.5 s at ten tokens a second; 18 and 13 bytes at four bytes a token.
    assert row.usage == Usage(input=5, input_audio=25, output=4)
    assert (row.cost, row.usage_source) == (5 * 2500 + 25 * 6000 + 4 * 10_000, UsageSource.ESTIMATED)
    assert usage_of(reader)["estimated"] is True


async def test_what_the_operator_pays_is_not_shown() -> None:
    world = TranscriptionWorld(answer({"text": TEXT, "usage": {"seconds": 3, "cost": 9, "cost_details": {}, "x": 1}}))
    reader = await world.hear(await world.caller())
    assert usage_of(reader) == {"type": "duration", "seconds": 3, "x": 1, "cost": 0.0003}


async def test_the_markup_is_on_hold_and_charge() -> None:
    world = TranscriptionWorld(
        answer({"text": TEXT, "usage": {"seconds": 3}}), environment={"MARKUP_BASIS_POINTS": "2500"}
    )
    await world.hear(await world.caller())
    row = await world.settled_row()
    assert (row.hold, row.cost) == (500_000, 375_000)


async def test_bare_text_costs_what_the_same_call_costs_in_json() -> None:
    world = TranscriptionWorld(answer({"text": TEXT, "usage": {"seconds": 3}}))
    reader = await world.hear(await world.caller(), response_format="text")
    row = await world.settled_row()
    assert (reader.plain, row.cost, row.usage_source) == (f"{TEXT}\n".encode(), 300_000, UsageSource.UPSTREAM)
    assert ("response_format", "json") in world.sent.fields


@pytest.mark.parametrize(("kind", "text"), [("srt", b"1\n00:00"), ("vtt", b"\n")])
async def test_text_formats_pass_as_they_are_and_cost_the_file_s_length(kind: str, text: bytes) -> None:
    world = TranscriptionWorld(answer(text))
    reader = await world.hear(await world.caller(), response_format=kind)
    row = await world.settled_row()
    assert (reader.plain, reader.body) == (text, None)
    assert (row.usage, row.cost, row.usage_source) == (Usage(milliseconds=3000), 300_000, UsageSource.REQUEST)
    assert ("response_format", kind) in world.sent.fields


async def test_a_file_that_cannot_be_measured_is_charged_its_bound_and_says_so() -> None:
    data = encoded("vob", "mp2", 2.5, 48_000)
    world = TranscriptionWorld(answer())
    reader = await world.hear(await world.caller(), audio=data)
    row = await world.settled_row()
    assert (row.usage, row.usage_source) == (
        Usage(milliseconds=(len(data) + 500) // 1000 * 1000),
        UsageSource.ESTIMATED,
    )
    assert (row.cost, usage_of(reader)["estimated"]) == (row.usage.milliseconds * 100, True)


async def test_the_hold_covers_what_a_lying_file_can_be() -> None:
    opus = encoded("webm", "libopus", 10.0, 48_000)
    world = TranscriptionWorld(answer({"text": TEXT, "usage": {"seconds": 11}}))
    await world.hear(await world.caller(), audio=opus)
    row = await world.settled_row()
    assert (row.hold, row.cost, row.overrun) == (1_200_000, 1_100_000, 0)


async def test_neither_hold_nor_charge_is_less_than_what_a_lying_file_s_frames_are() -> None:
    data = encoded("ipod", "aac", 10.0, 8000)
    durations = data.index(b"stts") + 16
    lied = data[:durations] + b"\x00\x00\x00\x01" + data[durations + 4 :]
    world = TranscriptionWorld(answer(b"1\n00:00"))
    await world.hear(await world.caller(), audio=lied, response_format="srt")
    row = await world.settled_row()
    assert (row.hold, row.cost, row.overrun) == (1_200_000, 1_000_000, 0)


async def test_the_hold_goes_by_the_bound_and_the_charge_by_the_length() -> None:
    data = encoded("ipod", "alac", 2.4, 8000)
    assert probe(data) == Audio("mp4", 2400, 2560)  # the last block is not full
    world = TranscriptionWorld(answer())
    await world.hear(await world.caller(), audio=data)
    row = await world.settled_row()
    assert (row.hold, row.cost) == (400_000, 200_000)


CHEAP: dict[str, tuple[Callable[[], bytes], int]] = {
    "aac without a config": (lambda: LIES["mkv with aac, no config"](), 10_000),
    "vorbis granules": (lambda: LIES["ogg vorbis, positions"](), 2000),
    "ac-3 durations": (lambda: LIES["mp4 with ac-3"](), 10_000),
}


@pytest.mark.parametrize("response_format", ["srt", "vtt", "text", "json"])
@pytest.mark.parametrize("name", CHEAP)
async def test_no_format_makes_a_lying_file_cheap(name: str, response_format: str) -> None:
    make, heard_ms = CHEAP[name]
    body = {"text": TEXT, "usage": {"seconds": heard_ms // 1000}}
    world = TranscriptionWorld(answer(body if response_format in ("json", "text") else b"1\n00:00"))
    await world.hear(await world.caller(), audio=make(), response_format=response_format)
    row = await world.settled_row()
    assert heard_ms * 100 <= row.cost <= row.hold
    assert row.overrun == 0


async def test_the_hold_of_tokens_covers_audio_text_and_answer() -> None:
    world = TranscriptionWorld(answer({"text": TEXT, "usage": TOKENS}))
    await world.hear(await world.caller(), GPT, prompt="abcd", language="en")
    row = await world.settled_row()
    # 25 audio tokens and a quarter, ten for a second of margin; 4 + 2 bytes, 8 around each text, 8 for the template.
    assert row.hold == (25 + 7 + 10 + 4 + 2 + 16 + 8) * 6000 + 2000 * 10_000


async def test_a_long_file_may_have_a_longer_answer() -> None:
    world = TranscriptionWorld(answer({"text": TEXT, "usage": TOKENS}))
    hour = encoded("mp3", "libmp3lame", 60.0)
    await world.hear(await world.caller("9.00"), GPT, audio=hour * 60)
    row = await world.settled_row()
    assert row.hold > 36_000 * 1.25 * 6000 + 36_000 * 1.25 * 10_000


async def test_the_provider_gets_the_caller_s_fields_and_a_name_that_fits_the_content() -> None:
    world = TranscriptionWorld(answer())
    world.providers["one"] = replace(world.providers["one"], parameters=ParameterPolicy("pass"))
    form = a_form(
        WHISPER,
        encoded("ogg", "libopus", 1.0, 48_000),
        language="de",
        prompt='Grüße "x"\r\n--edge',
        temperature="0.2",
        timestamp_granularities=["word", "segment"],
        include="logprobs",
        new_thing="1",
        new_list=["a"],
        response_format="",
        stream="false",
        **{"chunking_strategy[type]": "server_vad"},
    )
    await world.hear(await world.caller(), form=form)
    sent = world.sent
    assert sent.fields == [
        ("model", "theirs-1"),
        ("language", "de"),
        ("prompt", 'Grüße "x"\r\n--edge'),
        ("temperature", "0.2"),
        ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"),
        ("include[]", "logprobs"),
        ("new_thing", "1"),
        ("new_list[]", "a"),
        ("chunking_strategy[type]", "server_vad"),
    ]
    assert (sent.filename, sent.content_type) == ("audio.ogg", "audio/ogg")
    assert sent.data == form.files["file"][0].data
    posted = world.http.posted[-1]
    assert posted.url == "https://api.one.example/v1/audio/transcriptions"
    assert b"secret plans" not in posted.body


@pytest.mark.parametrize("name", ["new_thing", "vad_filter", "background", "max_new_tokens"])
async def test_what_nobody_judged_is_refused(name: str) -> None:
    world = TranscriptionWorld(answer())
    client = await world.hear(await world.caller(), form=a_form(WHISPER, wav(), **{name: "1"}))
    assert client.refused is not None
    assert (client.refused.code, client.refused.param) == ("unsupported_parameter", name)
    assert world.http.posted == []


@pytest.mark.parametrize(
    ("ending", "content_type", "data"),
    [
        ("wav", "audio/wav", wav()),
        ("mp3", "audio/mpeg", encoded("mp3", "libmp3lame")),
        ("flac", "audio/flac", encoded("flac", "flac")),
        ("mp4", "audio/mp4", encoded("ipod", "aac", 2.5, 44_100)),
        ("webm", "audio/webm", encoded("webm", "libopus", 2.5, 48_000)),
    ],
)
async def test_a_mislabelled_file_is_what_its_bytes_are(ending: str, content_type: str, data: bytes) -> None:
    world = TranscriptionWorld(answer())
    form = Form({"model": [WHISPER]}, {"file": [FormFile("cat.png", "image/png", data)]})
    assert (await world.hear(await world.caller(), form=form)).refused is None
    assert (world.sent.filename, world.sent.content_type) == (f"audio.{ending}", content_type)


async def test_translations_go_to_their_own_endpoint() -> None:
    world = TranscriptionWorld(answer({"text": TEXT, "usage": {"seconds": 3}}))
    await world.hear(await world.caller(), endpoint=TRANSLATIONS)
    assert (await world.settled_row()).endpoint == "audio.translations"
    assert world.http.posted[-1].url.endswith("/v1/audio/translations")


REFUSED: list[tuple[Form, str, str | None, str]] = [
    (a_form(None), "model", "missing_required_parameter", "Missing required parameter: 'model'."),
    (a_form(""), "model", "missing_required_parameter", "model"),
    (a_form("m-1"), "model", None, "kind chat"),
    (Form({"model": [WHISPER]}), "file", "missing_required_parameter", "file"),
    (a_form(audio=b""), "file", None, "empty"),
    (a_form(audio=b"hello " * 100), "file", None, "supported format: send flac, mp3"),
    (a_form(audio=wav(0.0)), "file", None, "no samples"),
    (a_form(audio="just text"), "file", None, "filename"),
    (a_form(response_format="xml"), "response_format", None, "response_format"),
    (a_form(stream="yes"), "stream", None, "stream"),
    (a_form(temperature="hot"), "temperature", None, "number"),
    (a_form(temperature="nan"), "temperature", None, "temperature"),
    (a_form(temperature="2"), "temperature", None, "temperature"),
    (a_form(model="m" * 300), "model", None, "model"),
    (
        Form({"model": [WHISPER]}, {"file": [FormFile("a", "b", wav())] * 2}),
        "file",
        None,
        "one file",
    ),
    (
        Form({"model": [WHISPER]}, {"file": [FormFile("a", "b", wav())], "other": [FormFile("a", "b", wav())]}),
        "other",
        None,
        "cannot be a file",
    ),
]


@pytest.mark.parametrize(("form", "param", "code", "said"), REFUSED)
async def test_a_request_that_cannot_be_served_costs_nothing(
    form: Form, param: str, code: str | None, said: str
) -> None:
    world = TranscriptionWorld()
    reader = await world.hear(await world.caller(), form=form)
    assert reader.refused is not None
    assert (reader.refused.http_status, reader.refused.param, reader.refused.code) == (400, param, code)
    assert said in reader.refused.message
    assert (world.http.posted, await world.rows(), (await world.account()).holds) == ([], [], {})


async def test_only_models_that_translate_translate() -> None:
    world = TranscriptionWorld()
    reader = await world.hear(await world.caller(), GPT, endpoint=TRANSLATIONS)
    assert reader.refused is not None
    assert (reader.refused.http_status, reader.refused.param) == (400, "model")
    assert "whisper-1" in reader.refused.message


async def test_a_file_above_the_provider_s_limit_is_413() -> None:
    world = TranscriptionWorld()
    reader = await world.hear(await world.caller(), audio=bytes(FILE_BYTES_MAX + 1))
    assert reader.refused is not None
    assert (reader.refused.http_status, reader.refused.param) == (413, "file")


UPLOAD_ID = "upl_" + "a" * 22


async def test_an_uploaded_file_is_sent_inline() -> None:
    world = TranscriptionWorld(answer({"text": TEXT, "usage": {"seconds": 3}}))
    await world.objects.put(f"uploads/a1/{UPLOAD_ID}", wav(), "video/mp4")
    reader = await world.hear(await world.caller(), audio=f"upload://{UPLOAD_ID}")
    assert usage_of(reader)["seconds"] == 3
    assert (world.sent.data, world.sent.filename) == (wav(), "audio.wav")
    assert all(name != "file" for name, _ in world.sent.fields)


async def test_an_upload_that_is_too_large_is_not_even_read() -> None:
    world = TranscriptionWorld()
    await world.objects.put(f"uploads/a1/{UPLOAD_ID}", bytes(FILE_BYTES_MAX + 1), "audio/wav")
    reader = await world.hear(await world.caller(), audio=f"upload://{UPLOAD_ID}")
    assert reader.refused is not None
    assert (reader.refused.http_status, reader.refused.param) == (413, "file")
    assert "get" not in {operation for operation, _ in world.objects.calls}


@pytest.mark.parametrize("reference", [f"upload://{UPLOAD_ID}", "upload://../a2/x", "upload://"])
async def test_another_account_s_upload_is_404(reference: str) -> None:
    world = TranscriptionWorld()
    await world.objects.put(f"uploads/a2/{UPLOAD_ID}", wav(), "audio/wav")
    reader = await world.hear(await world.caller(), audio=reference)
    assert reader.refused is not None
    assert (reader.refused.http_status, reader.refused.code, reader.refused.param) == (404, "upload_not_found", "file")


async def test_a_picture_is_no_upload_to_hear_and_a_bucket_that_is_down_is_503() -> None:
    world = TranscriptionWorld()
    await world.objects.put(f"uploads/a1/{UPLOAD_ID}", wav(), "image/png")
    caller = await world.caller()
    for down, status in ((False, 400), (True, 503)):
        world.objects.down = down
        reader = await world.hear(caller, audio=f"upload://{UPLOAD_ID}")
        assert reader.refused is not None
        assert reader.refused.http_status == status
    assert await world.rows() == []


async def test_a_stream_is_passed_on_and_its_end_carries_the_cost() -> None:
    world = TranscriptionWorld(events())
    reader = await world.hear(await world.caller(), GPT, stream="true")
    row = await world.settled_row()
    assert reader.received[:2] == DELTAS
    assert reader.events[-1] == {
        "type": "transcript.text.done",
        "text": TEXT,
        "usage": TOKENS | {"cost": 0.000205},
    }
    assert (row.cost, row.usage_source, row.streamed, row.ended) == (
        205_000,
        UsageSource.UPSTREAM,
        True,
        Ended.COMPLETE,
    )
    assert ("stream", "true") in world.sent.fields
    assert world.http.posted[-1].headers["accept"] == "text/event-stream"


@pytest.mark.parametrize("flag", ["true", "True", "1"])
async def test_whisper_does_not_stream_but_its_answer_does(flag: str) -> None:
    world = TranscriptionWorld(answer({"text": TEXT, "usage": {"seconds": 3}, "language": "english"}))
    reader = await world.hear(await world.caller(), stream=flag)
    assert reader.events == [
        {"type": "transcript.text.delta", "delta": TEXT},
        {
            "type": "transcript.text.done",
            "text": TEXT,
            "language": "english",
            "usage": {"type": "duration", "seconds": 3, "cost": 0.0003},
        },
    ]
    assert "stream" not in dict(world.sent.fields)
    assert (await world.settled_row()).cost == 300_000


async def test_a_text_format_streams_too() -> None:
    world = TranscriptionWorld(answer(b"WEBVTT\n"))
    reader = await world.hear(await world.caller(), stream="true", response_format="vtt")
    assert [each.get("delta") or each["text"] for each in reader.events] == ["WEBVTT\n"] * 2
    assert reader.events[-1]["usage"] == {
        "type": "duration",
        "seconds": 3,
        "cost": 0.0003,
    }


async def test_a_provider_that_answers_a_stream_with_json_is_turned_into_events() -> None:
    segments = [{"type": "transcript.text.segment", "id": "seg_0", "speaker": "A", "text": TEXT, "start": 0, "end": 2}]
    world = TranscriptionWorld(answer({"text": TEXT, "segments": segments, "usage": TOKENS}))
    reader = await world.hear(await world.caller(), DIARIZE, stream="true", response_format="diarized_json")
    assert [each["type"].rpartition(".")[2] for each in reader.events] == ["delta", "segment", "done"]
    assert reader.events[1] == segments[0]
    assert (await world.settled_row()).cost == 205_000


async def test_segments_pass_and_events_nobody_knows_do_not_break_the_stream() -> None:
    segment = named_event("transcript.text.segment", id="seg_0", speaker="A", text=TEXT)
    noise = [named_event("ping"), b": comment\n\n", b'data: {"type":"x\\ny"}\n\n']
    world = TranscriptionWorld(events(segment, *noise, delta("x"), done()))
    reader = await world.hear(await world.caller(), DIARIZE, stream="true")
    assert [each["type"].rpartition(".")[2] for each in reader.events] == ["segment", "delta", "done"]


async def test_silence_is_an_answer() -> None:
    for stream, reply in (("true", events(done(text=""))), ("false", answer({"text": "", "usage": TOKENS}))):
        world = TranscriptionWorld(reply)
        reader = await world.hear(await world.caller(), GPT, stream=stream)
        assert reader.refused is None
        assert (await world.settled_row()).cost == 205_000


async def test_a_stream_without_usage_is_measured() -> None:
    world = TranscriptionWorld(events(*DELTAS, done(None)))
    reader = await world.hear(await world.caller(), GPT, stream="true")
    row = await world.settled_row()
    assert (row.usage, row.usage_source) == (Usage(input_audio=25, output=4), UsageSource.ESTIMATED)
    assert reader.events[-1]["usage"]["estimated"] is True
    assert reader.events[-1]["usage"]["cost"] == 0.00019


async def test_tokens_count_for_the_limits_and_seconds_do_not() -> None:
    world = TranscriptionWorld(answer({"text": TEXT, "usage": TOKENS}), answer())
    caller = await world.caller(tokens_per_minute=30)
    assert (await world.hear(caller, WHISPER, endpoint=TRANSCRIPTIONS)).refused is None
    reader = await world.hear(caller, GPT, audio=wav(4.0))
    assert reader.refused is not None
    assert reader.refused.http_status == 429


@pytest.mark.parametrize("changes", [{"prices": {"input": "1.00", "output": "1.00"}}, {"audio_tokens_per_second": 10}])
def test_a_catalog_entry_says_how_a_transcription_is_priced(changes: dict[str, Any]) -> None:
    with pytest.raises(CatalogError, match="either by seconds, or by tokens"):
        parse_model({**SHIPPED[WHISPER], **changes})
