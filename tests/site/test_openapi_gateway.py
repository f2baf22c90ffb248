"""The document's models of /v1 hold for every answer that the corpus has recorded."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel

from multiconnection.web.openapi import EVENTS, JSON, MODELS
from tests.corpus import replay, store
from tools.openapi import routes

ASKED = re.compile(r": (POST) (/v1/\S+)")
ROUTES: dict[str, APIRoute] = {
    route.path: route for route in routes() if route.path.startswith("/v1/") and "POST" in (route.methods or ())
}
# Of the streams at the chat endpoint those of speech models are described at their own.
SPEECH = "/v1/audio/speech"
# Streams that the corpus has no good one of; their events are those of the other path of their room.
UNRECORDED = {"/v1/audio/translations", "/v1/images/edits"}
# Members that a provider has added, and that are passed on.
PASSED_ON = {".choices[].message"}


def recorded() -> Iterator[tuple[str, str, Any]]:
    """Path, media type and body of each good answer to a POST below /v1."""
    for room in replay.ROOMS:
        for records in store.read(room).values():
            for record in records:
                asked = ASKED.search(record.get("asked", ""))
                if asked and record["status"] == 200:
                    headers = dict(record["headers"])
                    yield asked[2], headers["content-type"].partition(";")[0], record["body"]


def shown(value: Any) -> Any:
    """The answer without the corpus's word for the present time."""
    if isinstance(value, dict):
        return {name: shown(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shown(each) for each in value]
    return 1 if value == "<now>" else value


def events(body: list[Any]) -> Iterator[dict[str, Any]]:
    for event in body:
        if isinstance(event, dict):
            [(name, data)] = event.items()
            if name != "event: error" and "error" not in data:
                yield data


def event_model(path: str) -> type[BaseModel]:
    reference = ROUTES[path].responses[200]["content"][EVENTS]["schema"]["$ref"]
    return MODELS[reference.rpartition("/")[2]]


ANSWERS = [(path, media, shown(body)) for path, media, body in recorded()]
STREAMED = [
    (SPEECH if str(data.get("type")).startswith("speech.") else path, data)
    for path, media, body in ANSWERS
    if media == EVENTS
    for data in events(body)
]


def test_every_endpoint_and_every_kind_of_its_answers_is_recorded() -> None:
    assert {path for path, _, _ in ANSWERS} == ROUTES.keys()
    for path, route in ROUTES.items():
        documented = route.responses.get(200, {}).get("content", {}).keys()
        if EVENTS in documented and path not in UNRECORDED:
            assert path in {each for each, _ in STREAMED}, path


def undocumented(found: Any, body: Any, where: str) -> Iterator[str]:
    """The members of an answer that its model does not have."""
    if isinstance(found, BaseModel):
        names = {field.alias or name: name for name, field in type(found).model_fields.items()}
        yield from (f"{where}.{name}" for name in body.keys() - names.keys())
        for name in body.keys() & names.keys():
            yield from undocumented(getattr(found, names[name]), body[name], f"{where}.{name}")
    elif isinstance(found, list):
        for one, given in zip(found, body, strict=True):
            yield from undocumented(one, given, f"{where}[]")


@pytest.mark.parametrize("path", ROUTES)
def test_a_whole_answer_is_as_documented(path: str) -> None:
    model, bodies = (
        ROUTES[path].response_model,
        [body for each, media, body in ANSWERS if (each, media) == (path, JSON)],
    )
    found = {each for body in bodies for each in undocumented(model.model_validate(body, strict=True), body, "")}
    assert found <= PASSED_ON


@pytest.mark.parametrize("path", sorted({path for path, _ in STREAMED}))
def test_an_event_is_as_documented(path: str) -> None:
    model, datas = event_model(path), [data for each, data in STREAMED if each == path]
    found = {each for data in datas for each in undocumented(model.model_validate(data, strict=True), data, "")}
    assert found <= PASSED_ON


def test_every_media_type_that_was_answered_is_documented() -> None:
    for path, media, _ in ANSWERS:
        json = [JSON] if ROUTES[path].response_model else []
        assert media in {*ROUTES[path].responses.get(200, {}).get("content", {}), *json}, (path, media)
