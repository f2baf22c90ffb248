"""The models of events, and the media types of answers, against what the corpus has recorded of the paid endpoints."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel

from multiconnection.web.openapi import EVENTS, JSON, MODELS
from tests.corpus import replay, store
from tools.openapi import routes

ASKED = re.compile(r": POST (/v1/\S+)")
PAID: dict[str, APIRoute] = {
    route.path: route for route in routes() if route.path.startswith("/v1/") and "POST" in (route.methods or ())
}
# Of the streams at the chat endpoint those of speech models are described at their own.
SPEECH = "/v1/audio/speech"
# Streams that the corpus has no good one of; their events are those of the other path of their room.
UNRECORDED = {"/v1/audio/translations", "/v1/images/edits"}


def recorded() -> Iterator[tuple[str, str, Any]]:
    """Path, media type and body of each good answer to a POST below /v1."""
    for room in replay.ROOMS:
        for records in store.read(room).values():
            for record in records:
                asked = ASKED.search(record["asked"]) if "asked" in record else None
                if asked and record["status"] == 200:
                    media = dict(record["headers"])["content-type"].partition(";")[0]
                    yield asked[1], media, record["body"]


def events(body: list[Any]) -> Iterator[dict[str, Any]]:
    """The data of a stream's events but for errors, comments and [DONE]."""
    for data in (data for event in body if isinstance(event, dict) for data in event.values()):
        if "error" not in data:
            # The recording has a word for the present time.
            yield {name: 0 if value == "<now>" else value for name, value in data.items()}


def documented(path: str) -> dict[str, Any]:
    """The content of an endpoint's good answer, by media type, JSON apart."""
    content: dict[str, Any] = PAID[path].responses.get(200, {}).get("content", {})
    return content


ANSWERS = list(recorded())
STREAMED = [
    (SPEECH if str(data.get("type")).startswith("speech.") else path, data)
    for path, media, body in ANSWERS
    if media == EVENTS
    for data in events(body)
]


def test_every_media_type_that_was_answered_is_documented() -> None:
    for path, media, _ in ANSWERS:
        assert media in documented(path) or (media == JSON and PAID[path].response_model), (path, media)


def test_every_stream_is_recorded() -> None:
    streams = {path for path in PAID if EVENTS in documented(path)}
    assert streams - {path for path, _ in STREAMED} == UNRECORDED


@pytest.mark.parametrize("path", sorted({path for path, _ in STREAMED}))
def test_an_event_has_the_members_of_its_model_and_no_others(path: str) -> None:
    model = MODELS[documented(path)[EVENTS]["schema"]["$ref"].rpartition("/")[2]]
    for data in [data for each, data in STREAMED if each == path]:
        assert list(undocumented(model.model_validate(data, strict=True), data)) == []


def undocumented(found: Any, data: Any, where: str = "") -> Iterator[str]:
    """The members of an event that its model does not have."""
    if isinstance(found, BaseModel):
        yield from (f"{where}.{name}" for name in data.keys() - type(found).model_fields.keys())
        for name in data.keys() & type(found).model_fields.keys():
            yield from undocumented(getattr(found, name), data[name], f"{where}.{name}")
    elif isinstance(found, list):
        for one, given in zip(found, data, strict=True):
            yield from undocumented(one, given, f"{where}[]")
