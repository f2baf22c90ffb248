"""Answers that are not streamed, and the model list."""

import asyncio
import json
from typing import Any

from openai import AsyncOpenAI

from tests.e2e.sdk_python.facts import WEATHER, WORDS, Facts, Target
from tests.e2e.sdk_python.tools import TOOLS, calls_of


def models(target: Target) -> Facts:
    client = target.client()
    listed = [model.id for model in client.models.list()]
    names = ("demo-chat", "openai/gpt-oss-20b:free", "deepseek-v4-flash")
    return {"listed": listed, "retrieved": [client.models.retrieve(name).id for name in names], "asked": names}


def chat(target: Target) -> Facts:
    answer = target.client().chat.completions.create(model="demo-chat", messages=WORDS)
    assert answer.usage is not None
    return {
        "text": answer.choices[0].message.content,
        "finish": answer.choices[0].finish_reason,
        "usage": answer.usage.to_dict(),
        "request_id": answer._request_id,
    }


def tools(target: Target) -> Facts:
    answer = target.client().chat.completions.create(model="demo-chat", messages=WEATHER, tools=TOOLS)
    return {"calls": calls_of(answer.choices[0].message), "finish": answer.choices[0].finish_reason}


def response_format(target: Target) -> Facts:
    schema: dict[str, object] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    answer = target.client().chat.completions.create(
        model="demo-chat",
        messages=WORDS,
        response_format={"type": "json_schema", "json_schema": {"name": "place", "schema": schema, "strict": True}},
    )
    return {"parsed": json.loads(answer.choices[0].message.content or "")}


def logprobs(target: Target) -> Facts:
    answer = target.client().chat.completions.create(
        model="demo-chat", messages=WORDS, logprobs=True, top_logprobs=2, max_completion_tokens=4
    )
    choice = answer.choices[0]
    assert choice.logprobs is not None
    tokens = choice.logprobs.content or []
    return {
        "text": choice.message.content,
        "tokens": "".join(token.token for token in tokens),
        "alternatives": [len(token.top_logprobs) for token in tokens],
        "finish": choice.finish_reason,
    }


def choices(target: Target) -> Facts:
    answer = target.client().chat.completions.create(model="demo-chat", messages=WORDS, n=2)
    assert answer.usage is not None
    return {
        "indexes": [choice.index for choice in answer.choices],
        "texts": [choice.message.content for choice in answer.choices],
        "completion_tokens": answer.usage.completion_tokens,
    }


def stop(target: Target) -> Facts:
    answer = target.client().chat.completions.create(model="demo-chat", messages=WORDS, stop=[" You"])
    return {"text": answer.choices[0].message.content}


def images(target: Target) -> Facts:
    content: list[Any] = [
        {"type": "text", "text": "what is this"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
    ]
    client = target.client()
    answer, last = target.seen_upstream(
        lambda mark: client.chat.completions.create(
            model="demo-chat", messages=[{"role": "user", "content": content}], user=mark
        )
    )
    assert answer.usage is not None
    sent = last["body"]["messages"][0]["content"]
    return {"prompt_tokens": answer.usage.prompt_tokens, "sent": sent, "given": content}


def passed_through(target: Target) -> Facts:
    """A seed at JavaScript's limit, and fields that no SDK knows."""
    client = target.client()
    _, last = target.seen_upstream(
        lambda mark: client.chat.completions.create(
            model="demo-chat",
            messages=WORDS,
            user=mark,
            seed=-9007199254740991,
            extra_body={"top_k": 7, "chat_template_kwargs": {"thinking": False}},
        )
    )
    return {"body": last["body"], "headers": last["headers"]}


def asynchronous(target: Target) -> Facts:
    """The asynchronous client; for an SDK that has one kind only, the same again."""

    async def ask() -> str | None:
        async with AsyncOpenAI(base_url=target.config["base_url"], api_key=target.config["api_key"]) as client:
            answer = await client.chat.completions.create(model="demo-chat", messages=WORDS)
            stream = await client.chat.completions.create(model="demo-chat", messages=WORDS, stream=True)
            streamed = [chunk.choices[0].delta.content or "" async for chunk in stream]
            return answer.choices[0].message.content if "".join(streamed) == answer.choices[0].message.content else None

    return {"text": asyncio.run(ask())}


SCENARIOS = (
    models,
    chat,
    tools,
    response_format,
    logprobs,
    choices,
    stop,
    images,
    passed_through,
    asynchronous,
)
