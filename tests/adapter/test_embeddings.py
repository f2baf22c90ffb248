"""Embeddings through the real adapter: whole answers, larger than a buffered function could give."""

from base64 import b64decode

import pytest

from tests.support.adapter_world import Customer
from tests.support.gateway_event import gateway_event
from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.adapter, pytest.mark.asyncio(loop_scope="session")]

EMBEDDINGS, MODERATIONS = "/v1/embeddings", "/v1/moderations"
# What Lambda takes from a function that does not stream.
BUFFERED_BYTES_MAX = 6 * 1024 * 1024
FLOAT_BYTES = 4


async def test_vectors_beyond_a_buffered_answer_arrive_whole(embeddings: Sandbox, customer: Customer) -> None:
    texts = [f"text number {number}" for number in range(1000)]
    body = {"model": "text-embedding-3-small", "input": texts, "encoding_format": "base64"}
    answer = await embeddings.invoke(gateway_event(body, path=EMBEDDINGS, api_key=customer.api_key))
    assert answer.status == 200, answer.body[:500]
    assert len(answer.body) > BUFFERED_BYTES_MAX
    assert int(answer.headers["content-length"]) == len(answer.body)
    found = answer.json()
    assert [one["index"] for one in found["data"]] == list(range(len(texts)))
    assert {len(b64decode(one["embedding"])) for one in found["data"]} == {1536 * FLOAT_BYTES}
    row = await customer.settled_row()
    assert (row.ended, row.usage.prompt_tokens) == ("complete", found["usage"]["prompt_tokens"])


async def test_moderation_is_free_and_leaves_a_row(embeddings: Sandbox, customer: Customer) -> None:
    answer = await embeddings.invoke(gateway_event({"input": "hello"}, path=MODERATIONS, api_key=customer.api_key))
    assert answer.json()["results"][0]["flagged"] is False
    row = await customer.settled_row()
    assert (row.endpoint, row.cost) == ("moderations", 0)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"model": "text-embedding-3-small", "input": []}, 400, None),
        ({"model": "tts-1", "input": "hello"}, 400, None),
        ({"model": "no-such-model", "input": "hello"}, 404, "model_not_found"),
    ],
)
async def test_an_error_keeps_its_shape(
    embeddings: Sandbox, customer: Customer, body: dict[str, object], status: int, code: str | None
) -> None:
    answer = await embeddings.invoke(gateway_event(body, path=EMBEDDINGS, api_key=customer.api_key))
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)
    assert (await customer.image()).live_holds == 0
