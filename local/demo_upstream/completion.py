"""The answer to a request that does not stream, in OpenAI's shape."""

from typing import Any

import orjson

from local.demo_upstream.answer import Answer, Choice
from local.demo_upstream.ask import Ask
from local.demo_upstream.frames import FINGERPRINT, scores


def completion(ask: Ask, answer: Answer) -> bytes:
    """The `chat.completion` object as JSON; without `usage` where the model reports none."""
    body: dict[str, Any] = {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [_choice(ask, answer, choice) for choice in answer.choices],
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }
    if answer.usage is not None:
        body["usage"] = answer.usage
    return orjson.dumps(body)


def _choice(ask: Ask, answer: Answer, choice: Choice) -> dict[str, Any]:
    unscored = ask.logprobs is None or choice.tool_calls
    return {
        "index": choice.index,
        "message": _message(ask, answer, choice),
        "logprobs": None if unscored else scores(choice.pieces, ask.logprobs or 0),
        "finish_reason": choice.finish_reason,
    }


def _message(ask: Ask, answer: Answer, choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(choice.pieces), "refusal": None}
    message["annotations"] = []
    if ask.model == "demo-deepseek":
        message["reasoning_content"] = "".join(answer.reasoning_pieces)
    if choice.tool_calls:
        message["content"] = None
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": "".join(call.fragments)}}
            for call in choice.tool_calls
        ]
    return message
