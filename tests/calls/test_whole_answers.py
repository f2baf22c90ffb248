"""Answers that are no streams of events: they end before API Gateway cuts them, and what is cut is not charged."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from multiconnection.calls.upstream import UpstreamError
from multiconnection.catalog.providers import configured_providers
from multiconnection.config import SettingsError
from multiconnection.errors import UpstreamTimeout
from multiconnection.providers.http import EVENTS, Exchange, Outgoing
from multiconnection.usage import Ended
from tests.support.chat_world import ChatWorld, Client
from tests.support.fake_http import FakeReply
from tests.support.fake_upstream import Attempt, a_provider
from tests.support.speech_world import AUDIO, SpeechWorld, audio

pytestmark = pytest.mark.virtual_time


DIRECT = {"API_GATEWAY_IN_FRONT": "false", "WHOLE_ANSWER_TIMEOUT_S": "900", "FIRST_BYTE_TIMEOUT_S": "900"}


async def whole(silent_s: float, environment: dict[str, str] | None = None, **body: Any) -> tuple[Client, ChatWorld]:
    world = ChatWorld(environment=environment)
    world.upstream.attempts = [Attempt(silent_s=silent_s)]
    return await world.call(await world.caller(), **body), world


@pytest.mark.parametrize("silent_s", [0.0, 200.0, 284.0])
async def test_a_provider_that_takes_its_time_still_answers(silent_s: float) -> None:
    client, world = await whole(silent_s)
    assert client.body is not None
    row = await world.settled_row()
    assert (row.ended, row.cost > 0) == (Ended.COMPLETE, True)


@pytest.mark.parametrize("silent_s", [286.0, 600.0, 10_000.0])
async def test_a_whole_answer_that_takes_longer_is_a_504_that_recommends_a_stream_and_costs_nothing(
    silent_s: float,
) -> None:
    client, world = await whole(silent_s)
    assert 285 <= asyncio.get_running_loop().time() < 291
    assert isinstance(client.refused, UpstreamTimeout)
    assert client.refused.headers()["x-should-retry"] == "false"
    assert "`stream: true`" in client.refused.message
    assert "885 seconds" in client.refused.message
    row = await world.settled_row()
    assert (row.ended, row.cost) == (Ended.DEADLINE, 0)


async def test_a_provider_that_was_silent_for_too_long_is_told_in_the_same_way() -> None:
    world = ChatWorld()
    silent = UpstreamError(
        UpstreamTimeout("The provider did not answer in time.", retryable=False), retry_elsewhere=False
    )
    world.upstream.attempts = [Attempt(raises=silent, silent_s=240)]
    client = await world.call(await world.caller())
    assert client.refused is not None
    assert "`stream: true`" in client.refused.message
    assert (await world.settled_row()).cost == 0


async def test_a_stream_of_events_keeps_its_long_limit() -> None:
    client, world = await whole(600.0, stream=True)
    assert client.whole
    assert (await world.settled_row()).ended is Ended.COMPLETE


async def test_without_api_gateway_the_functions_own_limit_counts() -> None:
    client, _ = await whole(700.0, DIRECT)
    assert client.body is not None
    client, world = await whole(890.0, DIRECT)
    assert client.refused is not None
    assert "stream" not in client.refused.message
    assert (await world.settled_row()).cost == 0


@pytest.mark.parametrize(("silent_s", "heard"), [(280.0, True), (286.0, False), (800.0, False)])
async def test_raw_audio_comes_by_then_or_costs_nothing(silent_s: float, heard: bool) -> None:
    world = SpeechWorld(audio())
    post = world.http.post

    async def late(*request: Any, **timeouts: Any) -> FakeReply:
        await asyncio.sleep(silent_s)
        return await post(*request, **timeouts)

    world.http.post = late  # type: ignore[method-assign]
    listener = await world.speak(await world.caller(), input="abc")
    assert (listener.received == AUDIO) is heard
    assert (listener.refused is None) is heard
    row = await world.settled_row()
    assert (row.cost > 0) is heard


async def test_raw_audio_that_has_begun_may_go_on() -> None:
    world = SpeechWorld(audio(*AUDIO, 200.0, *AUDIO, 200.0, *AUDIO))
    listener = await world.speak(await world.caller(), input="abc")
    assert listener.received == AUDIO * 3


class Timeouts:
    """Implements `Http`: notes the time-outs that it is given."""

    def __init__(self) -> None:
        self.given: list[tuple[float, float]] = []

    async def post(self, url: str, headers: Any, body: bytes, **timeouts: float) -> FakeReply:
        self.given.append((timeouts["first_byte_timeout_s"], timeouts["idle_timeout_s"]))
        return FakeReply([])


@pytest.mark.parametrize(
    ("accept", "expected"),
    [(EVENTS, (600.0, 500.0)), ("application/json", (240.0, 240.0)), ("*/*", (240.0, 240.0))],
)
async def test_only_a_stream_of_events_may_be_silent_for_as_long_as_its_provider_allows(
    accept: str, expected: tuple[float, float]
) -> None:
    http = Timeouts()
    patient = replace(a_provider("one"), first_byte_timeout_s=600.0, idle_timeout_s=500.0, silence_max_s=240.0)
    await Exchange(http).send(patient, Outgoing("/x", b"", accept=accept))
    assert http.given == [expected]


def test_every_shipped_provider_has_the_bound_of_the_settings() -> None:
    keys = {"OPENAI_API_KEY": "k", "DEEPSEEK_API_KEY": "k"}
    behind = configured_providers(ChatWorld(environment=keys).settings)
    assert {provider.silence_max_s for provider in behind.values()} == {240.0}
    direct = configured_providers(ChatWorld(environment=keys | DIRECT).settings)
    assert {provider.silence_max_s for provider in direct.values()} == {900.0}


@pytest.mark.parametrize("name", ["WHOLE_ANSWER_TIMEOUT_S", "FIRST_BYTE_TIMEOUT_S"])
def test_a_longer_limit_needs_the_word_that_no_api_gateway_stands_in_front(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is above 285.*API_GATEWAY_IN_FRONT"):
        ChatWorld(environment={name: "600"})
    assert getattr(ChatWorld(environment={**DIRECT, name: "600"}).settings, name.lower()) == 600


def test_api_gateway_in_front_is_true_or_false() -> None:
    with pytest.raises(SettingsError, match="API_GATEWAY_IN_FRONT"):
        ChatWorld(environment={"API_GATEWAY_IN_FRONT": "perhaps"})
