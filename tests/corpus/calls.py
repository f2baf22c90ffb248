"""Paid calls: whole and streamed answers of every endpoint, what goes wrong on the way, limits of money and rate."""

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import orjson

from multiconnection.providers.errors import AnswerTimedOut, ConnectFailed, ConnectionCut
from tests.audience.scene import PNG, Scene, bearer
from tests.support import images_world, speech_world, transcription_world
from tests.support.audio_files import wav
from tests.support.chat_world import MESSAGES
from tests.support.fake_http import FakeReply, json_reply, typed_reply
from tests.support.whole_world import IP, OURS

from .tape import USAGE, Tape, function_of, minutes, sent, whole_chat, with_scene

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
EMBEDDINGS, MODERATIONS = "/v1/embeddings", "/v1/moderations"
GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
SPEECH, TRANSCRIPTIONS, TRANSLATIONS = "/v1/audio/speech", "/v1/audio/transcriptions", "/v1/audio/translations"
TOP = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "theirs"}
DONE = b"data: [DONE]\n\n"
FORM = {"content-type": "multipart/form-data; boundary=edge"}


def event(value: object) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def chunk(delta: Any = None, finish: str | None = None, **more: Any) -> bytes:
    return event({**TOP, "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **more})


def text_chunk(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
    return event({"id": "cmpl-1", "object": "text_completion", "created": 5, "model": "theirs", "choices": [choice]})


USAGE_CHUNK = event({**TOP, "choices": [], "usage": USAGE})
ANSWER = [chunk({"role": "assistant", "content": ""}), chunk({"content": "Hel"}), chunk({"content": "lo"})]
STOP = chunk(finish="stop")
TOOL = {"index": 0, "id": "call_abc", "type": "function", "function": {"name": "look", "arguments": '{"a":'}}
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]


def stream(*pieces: Any) -> FakeReply:
    return FakeReply(pieces, 200, {"content-type": "text/event-stream"})


def refusal(status: int, **more: Any) -> FakeReply:
    return FakeReply(
        [orjson.dumps({"error": {"message": "theirs", "code": "their_code", **more}})],
        status,
        {"content-type": "application/json", "retry-after": "7"},
    )


def form(*files: tuple[str, str, bytes], **fields: str) -> bytes:
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, filename, data in files:
        head = f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        parts.append(head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + data + b"\r\n")
    return b"".join(parts) + b"--edge--\r\n"


class Caller:
    """Ada with her key, at one endpoint after the other."""

    def __init__(self, tape: Tape, scene: Scene) -> None:
        self.tape, self.scene = tape, scene
        self.headers = bearer(scene.key)

    async def chat(self, note: str, *replies: Any, **body: Any) -> Any:
        return await self.post(CHAT, note, *replies, **{"model": "m-1", "messages": MESSAGES, **body})

    async def post(self, path: str, note: str, *replies: Any, headers: Any = None, **body: Any) -> Any:
        self.tape.replies(*replies)
        return await self.tape.ask("key", "POST", path, headers or self.headers, note=note, json=body)

    async def send_form(self, path: str, note: str, *replies: Any, content: bytes) -> Any:
        self.tape.replies(*replies)
        return await self.tape.ask("key", "POST", path, {**self.headers, **FORM}, note=note, content=content)

    async def usage(self) -> None:
        """The row of the last call, and the balance."""
        last = self.tape.world.answers[-1].response.headers["x-request-id"]
        await self.tape.ask("key", "GET", f"/v1/usage/{last}", self.headers)
        await self.tape.ask("key", "GET", "/v1/balance", self.headers)


async def whole_chats(tape: Tape) -> None:
    me = Caller(tape, await with_scene(tape))
    await me.chat("whole", whole_chat())
    await me.usage()
    await me.chat("an alias", whole_chat(), model="m-1-latest", max_tokens=5, temperature=0.5, user="u", seed=1)
    await me.chat("details of usage", whole_chat(usage={**USAGE, "prompt_tokens_details": {"cached_tokens": 4}}))
    await me.usage()
    await me.chat("no usage", whole_chat(usage=None))
    await me.usage()
    call = {"id": None, "type": "function", "function": {"name": "look", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    tools = json_reply(
        {**TOP, "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}], "usage": USAGE}
    )
    await me.chat("a tool call without an id", tools, tools=TOOLS)
    history = [*MESSAGES, {**message, "tool_calls": [{**call, "id": "call_1"}]}]
    answered = [*history, {"role": "tool", "tool_call_id": "call_1", "content": "42"}]
    await me.chat("history with tools", whole_chat(), messages=answered, tools=TOOLS, tool_choice="auto")
    await me.chat("a bare answer", json_reply({"choices": [{"index": 0, "message": {"content": "x"}}]}))
    await me.chat("two choices", whole_chat(), n=2, max_completion_tokens=10)
    picture = {"type": "image_url", "image_url": {"url": me.scene.upload}}
    await me.chat("an upload", whole_chat(), messages=[{"role": "user", "content": [picture]}])
    inline = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + b64encode(PNG).decode()}}
    await me.chat(
        "a picture", whole_chat(), messages=[{"role": "user", "content": [{"type": "text", "text": "x"}, inline]}]
    )
    await me.usage()


async def streamed_chats(tape: Tape) -> None:
    me = Caller(tape, await with_scene(tape))
    usage = {"include_usage": True}
    await me.chat("streamed", stream(*ANSWER, STOP, USAGE_CHUNK, DONE), stream=True)
    await me.usage()
    await me.chat("with usage", stream(*ANSWER, STOP, USAGE_CHUNK, DONE), stream=True, stream_options=usage)
    await me.chat("without usage", stream(*ANSWER, STOP, DONE), stream=True, stream_options=usage)
    await me.usage()
    late = b'","type":"x'
    pieces = [chunk({"tool_calls": [TOOL]}), chunk({"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]})]
    await me.chat(
        "tool calls", stream(*pieces, chunk(finish="tool_calls"), USAGE_CHUNK, DONE), stream=True, tools=TOOLS
    )
    whole = b"".join([*ANSWER, STOP, USAGE_CHUNK, DONE])
    cut = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    await me.chat("in small pieces", stream(*cut), stream=True)
    await me.chat("with CRLF", stream(whole.replace(b"\n", b"\r\n")), stream=True)
    await me.chat("comments", stream(b": hello\n\n", *ANSWER, b": again\n\n", STOP, USAGE_CHUNK, DONE), stream=True)
    await me.chat("no [DONE]", stream(*ANSWER, STOP, USAGE_CHUNK), stream=True)
    await me.usage()
    await me.chat("JSON instead of a stream", whole_chat(), stream=True)
    await me.chat("broken JSON", stream(*ANSWER, b"data: {" + late + b"\n\n", DONE), stream=True)
    await me.usage()


async def silence(tape: Tape) -> None:
    me = Caller(tape, await with_scene(tape))
    slow = typed_reply("text/event-stream", *ANSWER, 45.0, STOP, USAGE_CHUNK, DONE)
    await me.chat("a long silence", slow, stream=True)
    await me.usage()


async def failed_streams(tape: Tape) -> None:
    tape.pace_s = 10
    me = Caller(tape, await with_scene(tape))
    error = event({"error": {"message": "overloaded", "code": "busy"}})
    await me.chat("an error first", stream(error), stream(*ANSWER, STOP, USAGE_CHUNK, DONE), stream=True)
    await me.chat("an error in the middle", stream(*ANSWER, error), stream=True)
    await me.usage()
    await me.chat("cut in the middle", stream(*ANSWER, ConnectionCut("gone")), stream=True)
    await me.usage()
    await me.chat("ends in the middle", stream(*ANSWER), stream=True)
    await me.chat("silent in the middle", stream(*ANSWER, AnswerTimedOut("slow")), stream=True)
    await me.chat("nothing at all", stream(), stream(), stream=True)
    await me.usage()


async def provider_failures(tape: Tape) -> None:
    tape.pace_s = 10
    me = Caller(tape, await with_scene(tape))
    for status in (400, 401, 403, 404, 408, 413, 422, 429, 500, 503, 529):
        await me.chat(f"every provider: {status}", refusal(status), refusal(status))
        await minutes(2)
    await me.usage()
    for failure in (ConnectFailed("no"), AnswerTimedOut("slow"), ConnectionCut("gone")):
        await me.chat(f"every provider: {type(failure).__name__}", failure, failure)
        await minutes(2)
        await me.chat(f"the first provider: {type(failure).__name__}", failure, whole_chat())
        await minutes(2)
    await me.chat("the first provider: 500", refusal(500), whole_chat())
    await minutes(2)
    await me.chat("a page", FakeReply([b"<html>"], 200, {"content-type": "text/html"}), refusal(500))
    await minutes(2)
    await me.chat("no answer in the answer", json_reply({"choices": []}), json_reply({}))
    await minutes(2)
    await me.chat("an error with 200", json_reply({"error": {"message": "x"}}), whole_chat())
    await me.chat("no provider", model="nowhere")
    await me.usage()


async def refused_chats(tape: Tape) -> None:
    me = Caller(tape, await with_scene(tape))
    long_text = "word " * 200_000
    for name, value in {
        "audio": {"voice": "alloy", "format": "mp3"},
        "modalities": ["text", "audio"],
        "prediction": {"type": "content", "content": "x"},
        "service_tier": "flex",
        "store": True,
        "web_search_options": {},
        "tools": [{"type": "web_search"}],
        "functions": [{"name": "x"}],
        "n": 129,
        "max_tokens": 0,
        "temperature": "hot",
        "stream_options": {"include_usage": "x"},
        "response_format": {"type": "json_schema"},
        "model": "nobody-makes-it",
        "plugins": [],
        "metadata": {"a": "b"},
        "logprobs": True,
    }.items():
        await me.chat(f"{name}: {str(value)[:40]}", whole_chat(), **{name: value})
    await me.chat("too long", messages=[{"role": "user", "content": long_text}])
    parts: list[Any] = [
        {"type": "file", "file": {"file_id": "x"}},
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        {"type": "image_url", "image_url": {"url": "ftp://x"}},
        {"type": "image_url", "image_url": {"url": "upload://upl_" + "z" * 22}},
        {"type": "video"},
    ]
    for part in parts:
        await me.chat(f"part: {part}", whole_chat(), messages=[{"role": "user", "content": [part]}])
    for model in ("e-1", "tts-1", "dall-e-3", "whisper-1", "omni-moderation-latest"):
        await me.chat(f"the kind of {model}", model=model)
    await me.usage()


async def completions(tape: Tape) -> None:
    me = Caller(tape, await with_scene(tape))
    choice = {"text": "Hello", "index": 0, "logprobs": None, "finish_reason": "length"}
    await me.post(
        COMPLETIONS,
        "whole",
        json_reply({"id": "cmpl-1", "choices": [choice], "usage": USAGE}),
        model="m-1",
        prompt="Say",
    )
    await me.usage()
    pieces = [text_chunk("Hel"), text_chunk("lo"), text_chunk("", "stop")]
    for note, more in (("streamed", {}), ("with usage", {"stream_options": {"include_usage": True}})):
        reply = stream(*pieces, event({"choices": [], "usage": USAGE}), DONE)
        await me.post(COMPLETIONS, note, reply, model="m-1", prompt=["a", "b"], stream=True, **more)
    await me.post(COMPLETIONS, "cut", stream(*pieces[:2], ConnectionCut("gone")), model="m-1", prompt="x", stream=True)
    await me.usage()
    await me.post(COMPLETIONS, "another kind", model="e-1", prompt="x")
    await me.post(COMPLETIONS, "best_of", model="m-1", prompt="x", best_of=3)
    await me.post(COMPLETIONS, "tokens", model="m-1", prompt=[[1, 2], [3]])


async def inputs(tape: Tape) -> None:
    me = Caller(tape, await with_scene(tape))
    data = [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25, 1.0]}]
    body = {"object": "list", "data": data, "model": "theirs", "usage": {"prompt_tokens": 3, "total_tokens": 3}}
    await me.post(EMBEDDINGS, "whole", json_reply(body), model="e-1", input="hi")
    await me.usage()
    await me.post(EMBEDDINGS, "base64", json_reply(body), model="e-1", input="hi", encoding_format="base64")
    await me.post(EMBEDDINGS, "tokens", json_reply({**body, "usage": None}), model="e-1", input=[[1, 2]], dimensions=3)
    await me.post(EMBEDDINGS, "too few", json_reply(body), json_reply(body), model="e-1", input=["a", "b"])
    await me.post(EMBEDDINGS, "every provider fails", refusal(500), refusal(500), model="e-1", input="hi")
    await me.post(EMBEDDINGS, "another kind", model="m-1", input="hi")
    result = {"flagged": False, "categories": {"hate": False}, "category_scores": {"hate": 0.1}}
    verdict = json_reply({"id": "modr-1", "model": "theirs", "results": [result]})
    await me.post(MODERATIONS, "whole", verdict, input="hi")
    await me.usage()
    await me.post(MODERATIONS, "parts", verdict, input=[{"type": "text", "text": "x"}], model="omni-moderation-latest")


async def pictures(tape: Tape) -> None:
    me = Caller(tape, await with_scene(tape))
    one = images_world.images
    await me.post(
        GENERATIONS, "whole", one(images_world.item(revised_prompt="A cat")), model="dall-e-3", prompt="A cat"
    )
    await me.usage()
    await me.post(GENERATIONS, "as a link", one(), model="dall-e-3", prompt="A cat", response_format="url")
    await me.post(
        GENERATIONS, "by tokens", one(usage=images_world.USAGE), model="gpt-image-1-mini", prompt="A cat", quality="low"
    )
    await me.usage()
    events = images_world.events(images_world.partial(), images_world.completed())
    await me.post(
        GENERATIONS, "streamed", events, model="gpt-image-1-mini", prompt="A cat", stream=True, partial_images=1
    )
    await me.usage()
    broken = images_world.events(images_world.partial(), ConnectionCut("gone"))
    await me.post(GENERATIONS, "cut", broken, model="gpt-image-1-mini", prompt="A cat", stream=True, partial_images=1)
    await me.usage()
    await me.post(GENERATIONS, "an empty answer", one({}), one({}), model="dall-e-3", prompt="A cat")
    await me.post(GENERATIONS, "refused", refusal(400), model="dall-e-3", prompt="A cat")
    for name, value in {
        "n": 3,
        "size": "1x1",
        "quality": "best",
        "style": "odd",
        "background": "red",
        "stream": True,
    }.items():
        await me.post(GENERATIONS, f"{name}: {value}", model="dall-e-3", prompt="A cat", **{name: value})
    await me.post(GENERATIONS, "another kind", model="m-1", prompt="A cat")
    mini = {"model": "gpt-image-1-mini", "prompt": "A hat"}
    await me.post(EDITS, "by reference", one(usage=images_world.USAGE), **mini, images=[{"image_url": me.scene.upload}])
    await me.usage()
    await me.post(EDITS, "a missing upload", **mini, images=[{"image_url": "upload://upl_" + "z" * 22}])
    file = ("image", "a.png", images_world.PNG)
    await me.send_form(EDITS, "a form", one(usage=images_world.USAGE), content=form(file, **mini))
    await me.send_form(EDITS, "a form without a prompt", content=form(file, model="gpt-image-1-mini"))
    await me.send_form(EDITS, "no picture", content=form(("image", "a.txt", b"text"), **mini))
    await me.send_form(EDITS, "a broken form", content=b"--edge\r\nContent")


async def speech(tape: Tape) -> None:
    me = Caller(tape, await with_scene(tape))
    said = {"input": "Good morning.", "voice": "alloy"}
    for path in (SPEECH, CHAT):
        await me.post(path, "whole", speech_world.audio(), model="tts-1", **said)
        await me.usage()
        await me.post(path, "events", speech_world.events(), model="gpt-4o-mini-tts", stream_format="sse", **said)
        await me.usage()
        await me.post(path, "an unknown voice", model="tts-1", **{**said, "voice": "marin"})
    for name in ("mp3", "opus", "aac", "flac", "wav", "pcm", "ogg"):
        await me.post(SPEECH, name, speech_world.audio(), model="tts-1", response_format=name, **said)
    cut = speech_world.events(speech_world.delta(b"ID3"), ConnectionCut("gone"))
    await me.post(SPEECH, "events, cut", cut, model="gpt-4o-mini-tts", stream_format="sse", **said)
    await me.usage()
    await me.post(SPEECH, "no events", model="tts-1", stream_format="sse", **said)
    await me.post(SPEECH, "refused", refusal(400), model="tts-1", **said)
    await me.post(SPEECH, "every provider fails", refusal(500), refusal(500), model="tts-1", **said)
    await me.post(SPEECH, "too long", model="tts-1", **{**said, "input": "x" * 5000})
    await me.post(SPEECH, "another kind", model="m-1", **said)


async def transcriptions(tape: Tape) -> None:
    me = Caller(tape, await with_scene(tape))
    file, seconds = ("file", "speech.wav", wav()), {"type": "duration", "seconds": 3}
    whisper = {"model": "whisper-1"}
    text = transcription_world.answer({"text": "Good morning.", "usage": seconds})
    for path in (TRANSCRIPTIONS, TRANSLATIONS):
        reply = transcription_world.answer({"text": "Good morning.", "usage": seconds})
        await me.send_form(path, "JSON", reply, content=form(file, **whisper))
        await me.usage()
    await me.send_form(TRANSCRIPTIONS, "text", text, content=form(file, response_format="text", **whisper))
    for kind in ("srt", "vtt"):
        reply = transcription_world.answer(b"1\n00:00 Good morning.\n")
        await me.send_form(TRANSCRIPTIONS, kind, reply, content=form(file, response_format=kind, **whisper))
    tokens = transcription_world.answer({"text": "x", "usage": transcription_world.TOKENS})
    await me.send_form(TRANSCRIPTIONS, "tokens", tokens, content=form(file, model="gpt-4o-transcribe"))
    await me.usage()
    events = transcription_world.events()
    await me.send_form(TRANSCRIPTIONS, "streamed", events, content=form(file, model="gpt-4o-transcribe", stream="true"))
    await me.usage()
    cut = transcription_world.events(transcription_world.DELTAS[0], ConnectionCut("gone"))
    await me.send_form(TRANSCRIPTIONS, "cut", cut, content=form(file, model="gpt-4o-transcribe", stream="true"))
    await me.usage()
    for note, content in {
        "no file": form(**whisper),
        "no sound": form(("file", "a.wav", b"RIFF"), **whisper),
        "no model": form(file),
        "an unknown format": form(file, response_format="x", **whisper),
        "another kind": form(file, model="m-1"),
        "an unknown field": form(file, nobody_knows_it="1", **whisper),
        "no stream": form(file, stream="true", **whisper),
        "an upload that is missing": form(file=f"upload://upl_{'z' * 22}", **whisper),
        "a broken form": b"--edge\r\nContent",
        "huge": form(("file", "a.wav", bytes(6 * 1024 * 1024)), **whisper),
    }.items():
        await me.send_form(TRANSCRIPTIONS, note, content=content)
    for path in (TRANSCRIPTIONS, TRANSLATIONS):
        await me.post(path, "JSON body", **whisper)


async def money_and_limits(tape: Tape) -> None:
    """Budgets and limits of keys, addresses and models, and an account that has nothing left."""
    scene = await with_scene(tape)
    settings: Mapping[str, dict[str, Any]] = {
        "budget": {"budget": "0.000100"},
        "requests": {"requests_per_minute": 2},
        "tokens": {"tokens_per_minute": 40},
        "models": {"models": ["e-1"]},
        "addresses": {"ips": ["198.51.100.0/24"]},
    }
    for note, limits in settings.items():
        made = await tape.ask("ada", "POST", "/api/keys", scene.ada.headers, json={"name": note, **limits}, note=note)
        headers = bearer(str(made.get("secret")))
        for max_tokens in (4, 4, 400):
            tape.replies(whole_chat())
            body = {"model": "m-1", "messages": MESSAGES, "max_tokens": max_tokens}
            await tape.ask(f"key with {note}", "POST", CHAT, headers, json=body, note=f"max_tokens {max_tokens}")
        await tape.ask(f"key with {note}", "GET", "/v1/models", headers)
        await tape.ask(f"key with {note}", "GET", "/v1/balance", headers)
    me = Caller(tape, scene)
    dear: Mapping[str, dict[str, Any]] = {
        CHAT: {"model": "m-1", "messages": MESSAGES, "n": 128, "max_tokens": 1000, "stream": True},
        COMPLETIONS: {"model": "m-1", "prompt": ["x"] * 100, "n": 100},
        GENERATIONS: {"model": "gpt-image-1-mini", "prompt": "x" * 30_000, "n": 10},
    }
    for endpoint, body in dear.items():
        await me.post(endpoint, "more than there is", whole_chat(), **body)
    await tape.ask("ada", "GET", "/api/keys", scene.ada.headers)


async def money_in_flight(tape: Tape) -> None:
    """What one call has set aside is not there for another one, until it has ended."""
    me = Caller(tape, await with_scene(tape))
    body = {"model": "m-1", "messages": MESSAGES, "n": 128, "max_tokens": 1000, "stream": True}
    slow = typed_reply("text/event-stream", 30.0, *ANSWER, STOP, USAGE_CHUNK, DONE)
    tape.replies(slow)
    first = asyncio.ensure_future(tape.world.ask("chat", "POST", CHAT, me.headers, IP, json=body))
    await asyncio.sleep(5)
    await tape.ask("key", "POST", CHAT, me.headers, json=body, note="while another one runs")
    await tape.ask("key", "GET", "/v1/balance", me.headers)
    running = (await first).headers["x-request-id"]
    await tape.ask("key", "GET", f"/v1/usage/{running}", me.headers)
    await tape.ask("key", "GET", "/v1/balance", me.headers)


async def limits_of_people(tape: Tape) -> None:
    """Wrong keys from one address, renewals of sessions, mails and codes for one person, pages of one account."""
    scene = await with_scene(tape)
    made_up = {**OURS, "cookie": "__Host-mc_id=x; __Host-mc_refresh=refresh-made-up"}
    email = {"email": scene.ada.session.email}
    wrong_code = {**email, "code": "000000", "password": "another horse 2"}
    asked: tuple[tuple[str, int, str, str, Mapping[str, str], Any], ...] = (
        ("a wrong key", 61, "GET", "/v1/balance", bearer("sk-live-" + "z" * 32), {}),
        ("a session that is made up", 300, "GET", "/api/account", made_up, {}),
        ("a mail", 6, "POST", "/api/auth/forgot", OURS, email),
        ("a code", 10, "POST", "/api/auth/reset", OURS, wrong_code),
        ("a download", 60, "GET", "/api/usage.csv", scene.ada.headers, {}),
    )
    for note, often, method, path, headers, body in asked:
        function, more = function_of(method, path), sent(body)
        for _ in range(often + 2):
            await tape.world.ask(function, method, path, headers, IP, **more)
        await tape.ask("somebody", method, path, headers, ip=IP, note=f"{note} too often", at_once=True, **more)
    await tape.ask("a good key from there", "GET", "/v1/balance", bearer(scene.key), ip=IP)
