"""Every list and map of every body is bounded, and a hostile one costs one error."""

import time
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from multiconnection.chat.schemas import ChatBody, CompletionsBody
from multiconnection.embeddings.schemas import EmbeddingsBody, ModerationsBody
from multiconnection.errors import RequestInvalid
from multiconnection.images.schemas import ImageEditReferences
from multiconnection.web.validation import Members, invalid, items
from tests.support.package import modules

MODULES = list(modules("schemas", "validation"))
BODIES = sorted(
    {
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value is not BaseModel
    },
    key=lambda body: body.__name__,
)
# A map gets an error for each wrong member, in each branch of its type.
ERRORS_MAX = 3 * 1024
MANY = 1_000_000
CHAT = {"model": "m-1", "messages": [{"role": "user", "content": "hi"}]}


def containers(node: object, where: str = "", parent: str = "") -> Iterator[tuple[str, dict[str, Any], str]]:
    """Every list and map of pydantic's own description of a schema: where it is, itself, and what is around it."""
    if isinstance(node, dict):
        kind = node.get("type")
        if kind in ("list", "dict", "set", "tuple", "generator", "frozenset"):
            yield where, node, parent
        for name, child in node.items():
            if name != "metadata":
                yield from containers(child, f"{where}.{name}", kind if isinstance(kind, str) else parent)
    elif isinstance(node, list | tuple):
        for at, child in enumerate(node):
            yield from containers(child, f"{where}[{at}]", parent)


def unbounded(body: Any) -> list[str]:
    """pydantic looks at the size of a map when it has validated all of it, so a function has to count it before."""
    return [
        where
        for where, node, parent in containers(TypeAdapter(body).core_schema)
        if "max_length" not in node
        or (node["type"] == "list" and not node.get("fail_fast"))
        or (node["type"] == "dict" and parent != "function-before")
    ]


@pytest.mark.parametrize("body", BODIES)
def test_every_list_and_map_has_a_maximum_and_a_list_fails_at_once(body: type[BaseModel]) -> None:
    assert unbounded(body) == []


def test_the_walk_finds_what_has_no_maximum() -> None:
    class Inner(BaseModel):
        texts: list[str] | None = None

    class Outer(BaseModel):
        inner: list[Inner] | None = None
        other: dict[str, int] | None = None
        late: Annotated[dict[str, int], Field(max_length=5)] | None = None
        slow: Annotated[list[str], Field(max_length=5)] | None = None
        good: Annotated[dict[str, int], Members(5)] | Annotated[list[str], items(5)] | None = None

    assert len(unbounded(Outer)) == 5
    assert {body.__name__ for body in BODIES} >= {"ChatBody", "Part", "KeyBody", "PriceBody", "ImageEditReferences"}


ONES: list[Any] = [1] * MANY
HOSTILE: list[tuple[type[BaseModel], dict[str, Any]]] = [
    *(
        (ChatBody, CHAT | {name: ONES})
        for name in ("messages", "stop", "tools", "functions", "modalities", "logit_bias", "metadata")
    ),
    (ChatBody, CHAT | {"messages": [{"role": "user", "content": ONES}]}),
    (ChatBody, CHAT | {"messages": [{"role": "user", "content": None, "tool_calls": ONES}]}),
    (ChatBody, CHAT | {"messages": [{"role": "user", "content": ONES[:10_000]}] * 100_000}),
    (ChatBody, CHAT | {"messages": [{"role": "x"}] * 100_000}),
    (ChatBody, CHAT | {"logit_bias": {str(at): "x" for at in range(100_000)}}),
    (ChatBody, CHAT | {"logit_bias": {str(at): "x" for at in range(1024)}}),
    (ChatBody, CHAT | {"metadata": {str(at): 1 for at in range(100_000)}}),
    (CompletionsBody, {"model": "m-1", "prompt": [None] * MANY}),
    (CompletionsBody, {"model": "m-1", "prompt": [["x"] * 10_000] * 100}),
    (EmbeddingsBody, {"model": "m-1", "input": [[]] * MANY}),
    (EmbeddingsBody, {"model": "m-1", "input": [-1] * MANY}),
    (EmbeddingsBody, {"model": "m-1", "input": [[-1] * 400] * 2048}),
    (ModerationsBody, {"input": ONES}),
    (ModerationsBody, {"input": ONES[:2048]}),
    (ImageEditReferences, {"images": ONES}),
    (ImageEditReferences, {"image": ONES}),
]


@pytest.mark.parametrize(
    ("schema", "body"), HOSTILE, ids=lambda value: value.__name__ if isinstance(value, type) else ""
)
def test_a_list_of_wrong_items_costs_few_errors_and_little_time(schema: type[BaseModel], body: dict[str, Any]) -> None:
    best, error = float("inf"), None
    for _ in range(3):
        began = time.process_time()
        with pytest.raises(ValidationError) as caught:
            schema.model_validate(body)
        error = invalid(caught.value)
        best = min(best, time.process_time() - began)
    assert caught.value.error_count() <= ERRORS_MAX
    assert isinstance(error, RequestInvalid)
    assert error.param
    # It takes less than 15 ms; an object for each of a million items takes seconds.
    assert best <= 0.15


def test_large_bodies_of_real_clients_pass() -> None:
    EmbeddingsBody.model_validate({"model": "m-1", "input": [[12345] * 480] * 2048})
    ChatBody.model_validate({"model": "m-1", "messages": [{"role": "user", "content": "hi"}] * 100_000})
    ChatBody.model_validate(
        CHAT | {"tools": [{"type": "function", "function": {"name": "f"}}] * 500, "stop": ["x"] * 16}
    )
