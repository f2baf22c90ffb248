"""Endpoints of plain texts: legacy completions, embeddings and moderations."""

import math
import os
import sys
import time
from array import array
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import shake_256
from itertools import chain, count, zip_longest
from typing import Any

import orjson

from local.demo_upstream.behaviours import Quirk
from local.demo_upstream.dialects import FINGERPRINT, Counts, Script
from local.demo_upstream.serving import COMPLETIONS, Call, pieces, shortened, until_stop
from local.demo_upstream.wire import BadRequest, Json, missing

CHOICES_MAX = 128
LOGPROBS_MAX = 5
# OpenAI's default here, unlike in chat.
MAX_TOKENS_DEFAULT = 16
TOKENS_MAX = 1_000_000
INPUTS_MAX = 2048
VECTORS_KEPT_MAX = 1024
LENGTH_DEFAULT = 1536
LENGTH_LARGE = 3072
# The words that flag a text, by category; a category without words is never flagged.
CATEGORIES: dict[str, tuple[str, ...]] = {
    "harassment": ("harass",),
    "harassment/threatening": (),
    "hate": ("hate",),
    "hate/threatening": (),
    "illicit": ("illicit",),
    "illicit/violent": (),
    "self-harm": ("self-harm",),
    "self-harm/intent": (),
    "self-harm/instructions": (),
    "sexual": ("sexual",),
    "sexual/minors": (),
    "violence": ("violence", "violent", "kill"),
    "violence/graphic": ("gore",),
}
SCORE_FLAGGED, SCORE_CLEAN = 0.95, 0.0001
# The categories that OpenAI looks for in pictures too.
SEEN_IN_IMAGES = ("self-harm", "sexual", "violence")
Text = str | tuple[int, ...]

_run = os.urandom(8).hex()
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a completion; `top` is -1 without logprobs."""

    n: int
    candidates: int
    tokens_max: int
    echo: bool
    top: int


@dataclass(frozen=True, slots=True)
class TextChoice:
    """One choice: the prompt again where `echo` asked for it, then the pieces of the answer."""

    index: int
    echoed: str
    pieces: tuple[str, ...]
    finish: str


async def complete(call: Call) -> None:
    """POST /completions: `n` texts for each prompt, streamed or not."""
    options, prompts = _options(call), texts_of(call.fields.get("prompt"), "prompt")
    choices, usage = _choices(call, options, prompts), _completion_usage(call, options, prompts)
    if call.streams:
        await call.play(COMPLETIONS, lambda: _script(call, options, choices, usage))
        return
    shown = [
        _piece(options, choice, choice.echoed + "".join(choice.pieces), choice.pieces, choice.finish)
        for choice in choices
    ]
    await call.respond(orjson.dumps({**_head(call), "choices": shown, **({} if usage is None else {"usage": usage})}))


async def embed(call: Call) -> None:
    """POST /embeddings: unit vectors that depend on the input alone, as floats or as float32 in base64."""
    inputs = texts_of(call.fields.get("input"), "input")
    longest = LENGTH_LARGE if "large" in call.base else LENGTH_DEFAULT
    length = call.fields.integer("dimensions", longest, 1, longest)
    asked = call.fields.choice("encoding_format", ("float", "base64"), "float")
    packed = {Quirk.ALWAYS_FLOATS: False, Quirk.ALWAYS_BASE64: True}.get(call.quirk, asked == "base64")
    answered = {Quirk.NO_DATA: [], Quirk.FEWER: inputs[:-1]}.get(call.quirk, inputs)
    body: Json = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _written(call, vector(text, length), packed)}
            for index, text in enumerate(answered)
        ],
        "model": call.model,
    }
    tokens = sum(_token_count(text) for text in inputs)
    usage = call.report(tokens, 0, lambda given, _made, total: {"prompt_tokens": given, "total_tokens": total})
    await call.respond(orjson.dumps(body if usage is None else {**body, "usage": usage}))


async def moderate(call: Call) -> None:
    """POST /moderations: one result for each text, flagged by plain words; one for all parts of a mixed input."""
    body = {
        "id": f"modr-{_run}{next(_numbers):08x}",
        "model": call.model,
        "results": [_result(text, pictured=pictured) for text, pictured in _moderated(call.fields.get("input"))],
    }
    await call.respond(orjson.dumps(body))


def texts_of(given: Any, name: str) -> list[Text]:
    """A text, texts, tokens or lists of tokens as one list. Raises BadRequest."""
    if given is None:
        raise missing(name)
    if isinstance(given, str) or (isinstance(given, list) and given and type(given[0]) is int):
        given = [given]
    if not isinstance(given, list) or not 1 <= len(given) <= INPUTS_MAX:
        raise BadRequest(f"Invalid '{name}': expected 1 to {INPUTS_MAX} texts.", name, "invalid_type")
    return [_text(one, name) for one in given]


@lru_cache(maxsize=VECTORS_KEPT_MAX)
def vector(text: Text, length: int) -> "array[float]":
    """Float32 values of length one; a shorter vector is the beginning of a longer one, scaled."""
    raw = array("h")
    raw.frombytes(shake_256(repr(text).encode()).digest(2 * length))
    norm = math.sqrt(sum(value * value for value in raw)) or 1.0
    return array("f", (value / norm for value in raw))


def _text(one: Any, name: str) -> Text:
    if isinstance(one, str) and one:
        return one
    if isinstance(one, list) and one and all(type(token) is int for token in one):
        return tuple(one)
    raise BadRequest(f"Invalid '{name}': expected texts or lists of tokens that are not empty.", name, "invalid_type")


def _token_count(text: Text) -> int:
    """Words of a text, or the tokens themselves."""
    return len(text.split()) if isinstance(text, str) else len(text)


def _written(call: Call, found: "array[float]", packed: bool) -> Any:
    if call.quirk is Quirk.BAD_BASE64:
        return "this is not base64!"
    if not packed:
        return found.tolist()
    ordered = array("f", found)
    if sys.byteorder == "big":
        ordered.byteswap()
    return b64encode(ordered.tobytes()).decode()


def _options(call: Call) -> Options:
    fields = call.fields
    n = fields.integer("n", 1, 1, CHOICES_MAX)
    return Options(
        n=n,
        candidates=max(n, fields.integer("best_of", 1, 1, CHOICES_MAX)),
        tokens_max=fields.integer("max_tokens", MAX_TOKENS_DEFAULT, 0, TOKENS_MAX),
        echo=fields.flag("echo"),
        top=fields.integer("logprobs", -1, 0, LOGPROBS_MAX),
    )


def _choices(call: Call, options: Options, prompts: list[Text]) -> list[TextChoice]:
    found: list[TextChoice] = []
    for prompt in prompts:
        kept, finish = _answer(call, options, prompt)
        echoed = _readable(prompt) if options.echo else ""
        found += [TextChoice(len(found) + number, echoed, kept, finish) for number in range(options.n)]
    return found[:-1] if call.quirk is Quirk.FEWER else found


def _answer(call: Call, options: Options, prompt: Text) -> tuple[tuple[str, ...], str]:
    text = call.demo.text if call.demo.text is not None else f" You said: {shortened(_readable(prompt))}"
    made = pieces(call.profile.text or until_stop(text, call.fields.get("stop")), call.demo.chunks)
    return made[: options.tokens_max], "stop" if len(made) <= options.tokens_max else "length"


def _readable(prompt: Text) -> str:
    return prompt if isinstance(prompt, str) else " ".join(f"<{token}>" for token in prompt)


def _completion_usage(call: Call, options: Options, prompts: list[Text]) -> Json | None:
    """All candidates of best_of count, whether shown or not."""
    made = options.candidates * sum(len(_answer(call, options, prompt)[0]) for prompt in prompts)
    counted = call.profile.usage(Counts(sum(_token_count(prompt) for prompt in prompts), made, 0, 0))
    return counted and (call.demo.usage or counted)


def _head(call: Call) -> Json:
    return {
        "id": f"cmpl-{_run}{next(_numbers):013x}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": call.model,
        "system_fingerprint": FINGERPRINT,
    }


def _piece(options: Options, choice: TextChoice, text: str, scored: tuple[str, ...], finish: str | None) -> Json:
    return {
        "text": text,
        "index": choice.index,
        "logprobs": None if options.top < 0 else _scores(scored, options.top),
        "finish_reason": finish,
    }


def _scores(scored: tuple[str, ...], top: int) -> Json:
    return {
        "tokens": list(scored),
        "token_logprobs": [-0.125] * len(scored),
        "top_logprobs": [{piece: -0.125} for piece in scored] if top else None,
        "text_offset": [len("".join(scored[:at])) for at in range(len(scored))],
    }


def _script(call: Call, options: Options, choices: list[TextChoice], usage: Json | None) -> Script:
    """A usage chunk exactly when asked for, `usage: null` before it, as in chat."""
    asked_options = call.fields.get("stream_options")
    asked = isinstance(asked_options, dict) and asked_options.get("include_usage") is True and usage is not None
    head, null = _head(call), {"usage": None} if asked else {}
    turns = chain.from_iterable(zip_longest(*(_deltas(options, choice) for choice in choices)))
    body = [_frame(head, [one], null) for one in turns if one is not None]
    ends = [_frame(head, [_piece(options, choice, "", (), choice.finish)], null) for choice in choices]
    return Script([], body, [*ends, *([_frame(head, [], {"usage": usage})] if asked else [])])


def _deltas(options: Options, choice: TextChoice) -> list[Json]:
    echoed = [_piece(options, choice, choice.echoed, (), None)] if choice.echoed else []
    return echoed + [_piece(options, choice, piece, (piece,), None) for piece in choice.pieces]


def _frame(head: Json, choices: list[Json], extra: Json) -> bytes:
    return b"data: " + orjson.dumps({**head, "choices": choices, **extra}) + b"\n\n"


def _moderated(given: Any) -> list[tuple[str, bool]]:
    """Each text, and whether there are pictures with it."""
    if given is None:
        raise missing("input")
    if isinstance(given, str):
        return [(given, False)]
    if isinstance(given, list) and given and all(isinstance(one, str) for one in given):
        return [(one, False) for one in given]
    if isinstance(given, list) and given and all(isinstance(one, dict) for one in given):
        return [_joined(given)]
    raise BadRequest("Invalid 'input': expected a text, texts or parts.", "input", "invalid_type")


def _joined(parts: list[Json]) -> tuple[str, bool]:
    kinds = {part.get("type") for part in parts}
    if not kinds <= {"text", "image_url"}:
        raise BadRequest("Invalid 'input': parts are of type text or image_url.", "input", "invalid_value")
    return " ".join(str(part.get("text", "")) for part in parts), "image_url" in kinds


def _result(text: str, *, pictured: bool) -> Json:
    lowered = text.lower()
    found = {name for name, words in CATEGORIES.items() if any(word in lowered for word in words)}
    return {
        "flagged": bool(found),
        "categories": {name: name in found for name in CATEGORIES},
        "category_scores": {name: SCORE_FLAGGED if name in found else SCORE_CLEAN for name in CATEGORIES},
        "category_applied_input_types": {name: list(_input_types(name, bool(text), pictured)) for name in CATEGORIES},
    }


def _input_types(category: str, texts: bool, pictured: bool) -> Iterable[str]:
    if texts:
        yield "text"
    if pictured and category.startswith(SEEN_IN_IMAGES) and category != "sexual/minors":
        yield "image"
