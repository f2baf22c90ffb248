"""Routing: catalog order, bounded retries, cool-downs, and an end to all of it."""

import asyncio

import pytest

from multiconnection.calls.pipeline import ATTEMPTS_MAX, RETRY_PAUSE_S, Router
from multiconnection.calls.upstream import UpstreamError
from multiconnection.catalog.models import Provider, UpstreamRef
from multiconnection.errors import NoAvailableUpstream, RateLimited, UpstreamFailed
from multiconnection.usage import Attempts
from tests.support.chat_world import ChatWorld, a_model
from tests.support.fake_upstream import a_provider, failed

pytestmark = pytest.mark.virtual_time


class Line:
    """The upstreams of a model; each raises its next error, or answers."""

    def __init__(self, world: ChatWorld, *errors: UpstreamError | None) -> None:
        self.errors = list(errors)
        self.tried: list[str] = []
        self.attempts = Attempts()
        self._router = world.router
        self.at: list[float] = []

    async def call(self, model: str = "m-1") -> str:
        async def operation(provider: Provider, ref: UpstreamRef) -> str:
            self.tried.append(provider.name)
            self.at.append(asyncio.get_running_loop().time())
            error = self.errors.pop(0) if self.errors else None
            if error is not None:
                raise error
            return ref.model

        return await self._router.call(a_model(id=model), self.attempts, operation)


async def test_the_first_upstream_of_the_catalog_serves() -> None:
    line = Line(ChatWorld())
    assert await line.call() == "m-1-one"
    assert line.attempts == Attempts(1, "one")


async def test_after_a_failure_the_next_one_serves() -> None:
    line = Line(ChatWorld(), failed())
    assert await line.call() == "m-1-two"
    assert line.tried == ["one", "two"]
    assert line.attempts == Attempts(2, "two")


async def test_a_request_at_fault_is_tried_nowhere_else() -> None:
    line = Line(ChatWorld(), failed(elsewhere=False))
    with pytest.raises(UpstreamError):
        await line.call()
    assert line.tried == ["one"]


async def test_the_last_error_is_the_one_that_counts() -> None:
    line = Line(ChatWorld(), failed(), failed(error=UpstreamFailed("the second")))
    with pytest.raises(UpstreamError, match="the second"):
        await line.call()


async def test_rounds_go_through_all_upstreams_before_one_is_asked_again() -> None:
    world = ChatWorld()
    world.providers |= {"one": a_provider("one", 2), "two": a_provider("two", 3)}
    line = Line(world, *[failed()] * 9)
    with pytest.raises(UpstreamError):
        await line.call()
    assert line.tried == ["one", "two", "one", "two"]
    assert line.attempts.count == ATTEMPTS_MAX
    assert [later - earlier for earlier, later in zip(line.at, line.at[1:], strict=False)] == pytest.approx(
        [0, RETRY_PAUSE_S, RETRY_PAUSE_S]
    )


@pytest.mark.parametrize(("after_s", "pause_s"), [(None, 0.2), (1.0, 1.0), (2.0, 2.0), (2.1, 0.2), (60.0, 0.2)])
async def test_a_short_retry_after_is_waited_for_and_a_long_one_is_the_clients(
    after_s: float | None, pause_s: float
) -> None:
    world = ChatWorld()
    world.providers |= {"one": a_provider("one", 2)}
    del world.providers["two"]
    busy = RateLimited("busy", reason="upstream", retry_after_s=after_s) if after_s else None
    line = Line(world, failed(error=busy))
    await line.call()
    assert line.at[1] - line.at[0] == pytest.approx(pause_s)


async def test_a_failing_upstream_is_left_alone_until_it_has_cooled_down() -> None:
    world = ChatWorld()
    await Line(world, failed(cool_down_s=5)).call()
    for model in ("m-1", "m-2"):
        line = Line(world)
        assert await line.call(model) == "m-1-two"
        assert line.tried == ["two"]
    await asyncio.sleep(5)
    assert await Line(world).call() == "m-1-one"


async def test_an_upstream_that_is_cooling_down_is_still_better_than_none() -> None:
    world = ChatWorld()
    await Line(world, failed(cool_down_s=60)).call()
    line = Line(world, failed())
    assert await line.call() == "m-1-one"
    assert line.tried == ["two", "one"]


async def test_a_model_without_a_configured_provider_is_a_matter_of_configuration() -> None:
    world = ChatWorld()
    world.providers.clear()
    with pytest.raises(NoAvailableUpstream) as caught:
        await Line(world).call()
    assert caught.value.headers() == {"x-should-retry": "false"}


async def test_an_error_of_our_own_is_not_routed_around() -> None:
    world = ChatWorld()
    attempts = Attempts()

    async def broken(provider: Provider, ref: UpstreamRef) -> None:
        raise KeyError(ref.model)

    with pytest.raises(KeyError):
        await Router(world.catalog, world.clock).call(a_model(), attempts, broken)
    assert attempts.count == 1
