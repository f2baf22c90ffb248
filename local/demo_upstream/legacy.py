"""POST /completions, the legacy endpoint: prompts in, texts out, streamed or not."""

import os
import time
from dataclasses import dataclass
from itertools import chain, count, zip_longest
from typing import Any

import orjson

from local.demo_upstream.answer import Counts
from local.demo_upstream.behaviours import Quirk
from local.demo_upstream.call import Call, Usage
from local.demo_upstream.dialects import Script
from local.demo_upstream.embeddings import Text, texts_of, token_count
from local.demo_upstream.frames import FINGERPRINT
from local.demo_upstream.serve import COMPLETIONS
from local.demo_upstream.words import pieces, shortened, until_stop

CHOICES_MAX = 128
LOGPROBS_MAX = 5
# OpenAI's default here, unlike in chat.
MAX_TOKENS_DEFAULT = 16
TOKENS_MAX = 1_000_000
Json = dict[str, Any]

_run = os.urandom(8).hex()
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The request's options; `top` is -1 without logprobs."""

    n: int
    candidates: int
    tokens_max: int
    echo: bool
    top: int


@dataclass(frozen=True, slots=True)
class Said:
    """One choice: the prompt again where asked for, then the answer's pieces."""

    index: int
    echoed: str
    pieces: tuple[str, ...]
    finish: str


async def complete(call: Call) -> None:
    """`n` texts for each prompt."""
    wanted, prompts = _wanted(call), texts_of(call.fields.get("prompt"), "prompt")
    choices, usage = _choices(call, wanted, prompts), _usage(call, wanted, prompts)
    if call.streams:
        await call.play(COMPLETIONS, lambda: _script(call, wanted, choices, usage))
        return
    shown = [_piece(wanted, said, said.echoed + "".join(said.pieces), said.pieces, said.finish) for said in choices]
    await call.respond(orjson.dumps({**_head(call), "choices": shown, **({} if usage is None else {"usage": usage})}))


def _wanted(call: Call) -> Wanted:
    fields = call.fields
    n = fields.integer("n", 1, 1, CHOICES_MAX)
    return Wanted(
        n=n,
        candidates=max(n, fields.integer("best_of", 1, 1, CHOICES_MAX)),
        tokens_max=fields.integer("max_tokens", MAX_TOKENS_DEFAULT, 0, TOKENS_MAX),
        echo=fields.flag("echo"),
        top=fields.integer("logprobs", -1, 0, LOGPROBS_MAX),
    )


def _choices(call: Call, wanted: Wanted, prompts: list[Text]) -> list[Said]:
    found: list[Said] = []
    for prompt in prompts:
        kept, finish = _answer(call, wanted, prompt)
        echoed = _readable(prompt) if wanted.echo else ""
        found += [Said(len(found) + number, echoed, kept, finish) for number in range(wanted.n)]
    return found[:-1] if call.quirk is Quirk.FEWER else found


def _answer(call: Call, wanted: Wanted, prompt: Text) -> tuple[tuple[str, ...], str]:
    text = call.demo.text if call.demo.text is not None else f" You said: {shortened(_readable(prompt))}"
    said = pieces(call.profile.text or until_stop(text, call.fields.get("stop")), call.demo.chunks)
    return said[: wanted.tokens_max], "stop" if len(said) <= wanted.tokens_max else "length"


def _readable(prompt: Text) -> str:
    return prompt if isinstance(prompt, str) else " ".join(f"<{token}>" for token in prompt)


def _usage(call: Call, wanted: Wanted, prompts: list[Text]) -> Usage | None:
    """All candidates of best_of are paid for, whether shown or not."""
    made = wanted.candidates * sum(len(_answer(call, wanted, prompt)[0]) for prompt in prompts)
    counted = call.profile.usage(Counts(sum(token_count(prompt) for prompt in prompts), made, 0, 0))
    return counted and (call.demo.usage or counted)


def _head(call: Call) -> Json:
    return {
        "id": f"cmpl-{_run}{next(_numbers):013x}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": call.model,
        "system_fingerprint": FINGERPRINT,
    }


def _piece(wanted: Wanted, said: Said, text: str, scored: tuple[str, ...], finish: str | None) -> Json:
    return {
        "text": text,
        "index": said.index,
        "logprobs": None if wanted.top < 0 else _scores(scored, wanted.top),
        "finish_reason": finish,
    }


def _scores(scored: tuple[str, ...], top: int) -> Json:
    lengths = [len("".join(scored[:at])) for at in range(len(scored))]
    best = [{piece: -0.125} for piece in scored]
    return {
        "tokens": list(scored),
        "token_logprobs": [-0.125] * len(scored),
        "top_logprobs": best if top else None,
        "text_offset": lengths,
    }


def _script(call: Call, wanted: Wanted, choices: list[Said], usage: Usage | None) -> Script:
    """A usage chunk exactly when asked for, `usage: null` before it, as in chat."""
    options = call.fields.get("stream_options")
    asked = isinstance(options, dict) and options.get("include_usage") is True and usage is not None
    head, null = _head(call), {"usage": None} if asked else {}
    turns = chain.from_iterable(zip_longest(*(_deltas(wanted, said) for said in choices)))
    body = [_frame(head, [one], null) for one in turns if one is not None]
    ends = [_frame(head, [_piece(wanted, said, "", (), said.finish)], null) for said in choices]
    return Script([], body, [*ends, *([_frame(head, [], {"usage": usage})] if asked else [])])


def _deltas(wanted: Wanted, said: Said) -> list[Json]:
    echoed = [_piece(wanted, said, said.echoed, (), None)] if said.echoed else []
    return echoed + [_piece(wanted, said, piece, (piece,), None) for piece in said.pieces]


def _frame(head: Json, choices: list[Json], extra: Json) -> bytes:
    return b"data: " + orjson.dumps({**head, "choices": choices, **extra}) + b"\n\n"
