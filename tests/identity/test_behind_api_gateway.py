"""The same app as Lambda calls it: several cookies in one answer, the platform's address, the stage in front."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from mangum import Mangum

from tests.support.gateway_event import gateway_event
from tests.support.people_world import PeopleWorld

ADA, PASSWORD = "ada@example.com", "correct horse 1"
OURS = {"x-mc-csrf": "1", "Origin": "https://api.example.com", "X-Forwarded-Proto": "https"}


class Context:
    aws_request_id = "c6af9ac6"


def call(handler: Mangum, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    headers = {**OURS, **more.pop("headers", {})}
    event = gateway_event(body, method=method, path=path, headers=headers, **more)
    answer: dict[str, Any] = handler(event, Context())  # type: ignore[arg-type]
    return answer


@pytest.fixture
def world() -> PeopleWorld:
    found = PeopleWorld()
    found.cognito.add(ADA, PASSWORD)
    return found


@pytest.fixture
def handler(world: PeopleWorld) -> Iterator[Mangum]:
    """Mangum runs on the thread's own loop, which it leaves open."""

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield Mangum(world.app, lifespan="off")
    loop.close()
    asyncio.set_event_loop(None)


def test_both_cookies_arrive_and_are_a_session(handler: Mangum) -> None:
    signed_in = call(handler, "POST", "/api/auth/sign-in", {"email": ADA, "password": PASSWORD})
    assert signed_in["statusCode"] == 200
    cookies = signed_in["multiValueHeaders"]["set-cookie"]
    assert len(cookies) == 2
    presented = "; ".join(cookie.partition(";")[0] for cookie in cookies)
    session = call(handler, "GET", "/api/auth/session", headers={"Cookie": presented})
    assert json.loads(session["body"])["user"]["email"] == ADA
    renamed = call(handler, "PATCH", "/api/account", {"name": "Ada"}, headers={"Cookie": presented})
    assert json.loads(renamed["body"])["name"] == "Ada"


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"X-Forwarded-Proto": "http"}])
def test_the_origin_is_compared_with_the_domain(handler: Mangum, headers: dict[str, str]) -> None:
    answer = call(handler, "POST", "/api/auth/sign-out", headers=headers)
    assert (answer["statusCode"], json.loads(answer["body"])["error"]["code"]) == (403, "csrf_failed")


def test_attempts_are_counted_by_the_platforms_address(world: PeopleWorld, handler: Mangum) -> None:
    for number in range(61):
        body = {"email": f"{number}@example.com", "password": PASSWORD}
        forwarded = {"X-Forwarded-For": f"198.51.100.{number}"}
        last = call(handler, "POST", "/api/auth/sign-in", body, headers=forwarded)
    assert last["statusCode"] == 429
    assert int(last["headers"]["retry-after"]) > 0
