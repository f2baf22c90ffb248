"""Embeddings of every kind of input, legacy completions, moderations."""

from functools import partial
from typing import Any

from openai import OpenAI

from tests.e2e.sdk_python.facts import Facts, Target
from tests.e2e.sdk_python.paid import Told, id_of, paid

MODEL = "text-embedding-3-small"
WORDS = "one two three"
SHOWN = 8


def embedding_of_a_text(target: Target) -> Facts:
    """Without saying a format the SDK asks for base64 and reads it."""
    return _embedded(target, input=WORDS)


def embedding_of_texts(target: Target) -> Facts:
    return _embedded(target, input=[WORDS, "four"])


def embedding_of_tokens(target: Target) -> Facts:
    return _embedded(target, input=[1, 2, 3])


def embedding_of_token_lists(target: Target) -> Facts:
    return _embedded(target, input=[[1, 2], [3]])


def embedding_in_floats(target: Target) -> Facts:
    return _embedded(target, input=WORDS, encoding_format="float", dimensions=SHOWN)


def embedding_in_base64(target: Target) -> Facts:
    """Asked for by name it is handed on as it is."""

    def call(client: OpenAI) -> Told:
        raw = client.embeddings.with_raw_response.create(
            model=MODEL, input=WORDS, encoding_format="base64", dimensions=SHOWN
        )
        return {"encoded": raw.parse().data[0].embedding}, id_of(raw)

    return paid(target, call)


def completion(target: Target) -> Facts:
    def call(client: OpenAI) -> Told:
        raw = client.completions.with_raw_response.create(model="demo-chat", prompt=WORDS)
        answer = raw.parse()
        assert answer.usage is not None
        choice = answer.choices[0]
        told = {"object": answer.object, "text": choice.text, "finish": choice.finish_reason}
        return told | {"usage": answer.usage.to_dict()}, id_of(raw)

    return paid(target, call)


def completion_streamed(target: Target) -> Facts:
    def call(client: OpenAI) -> Told:
        raw = client.completions.with_raw_response.create(
            model="demo-chat", prompt=[WORDS, "four"], stream=True, stream_options={"include_usage": True}
        )
        chunks = list(raw.parse())
        texts = ["", ""]
        for choice in (choice for chunk in chunks for choice in chunk.choices):
            texts[choice.index] += choice.text
        usages = [chunk.usage.to_dict() for chunk in chunks if chunk.usage]
        return {"texts": texts, "usages": usages}, id_of(raw)

    return paid(target, call)


def moderation(target: Target) -> Facts:
    def call(client: OpenAI) -> Told:
        raw = client.moderations.with_raw_response.create(input=["I hate you", WORDS])
        results = raw.parse().results
        hate = [one.categories.hate for one in results]
        return {"flagged": [one.flagged for one in results], "hate": hate}, id_of(raw)

    return paid(target, call)


def _embedded(target: Target, **fields: Any) -> Facts:
    def call(client: OpenAI) -> Told:
        raw = partial(client.embeddings.with_raw_response.create, model=MODEL)(**fields)
        answer = raw.parse()
        found = [one.embedding for one in answer.data]
        return {
            "starts": [vector[:SHOWN] for vector in found],
            "lengths": [len(vector) for vector in found],
            "usage": answer.usage.to_dict(),
        }, id_of(raw)

    return paid(target, call)


SCENARIOS = (
    embedding_of_a_text,
    embedding_of_texts,
    embedding_of_tokens,
    embedding_of_token_lists,
    embedding_in_floats,
    embedding_in_base64,
    completion,
    completion_streamed,
    moderation,
)
