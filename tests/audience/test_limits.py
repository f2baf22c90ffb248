"""How often anybody may ask, and what an account can still do that has been suspended."""

from collections.abc import Awaitable, Callable, Mapping

import pytest

from multiconnection.errors import RateLimited
from multiconnection.identity.challenges import Challenges
from multiconnection.identity.models import Challenge, ChallengeKind
from multiconnection.limits.limiter import CONSOLE_PER_MINUTE
from tests.audience.answers import assert_sound, outcome
from tests.audience.bodies import good
from tests.audience.declared import DECLARED, UNSAFE, Route, routes_for
from tests.audience.scene import Scene, bearer, scene
from tests.support.chat_world import MESSAGES
from tests.support.whole_world import OURS, PASSWORD

# By an address and by the person's own, whichever comes first.
GUESSES = ("sign-in", "confirm", "totp", "new-password", "reset", "sign-up", "resend", "forgot")
MAILS = ("sign-up", "resend", "forgot")
KINDS: Mapping[str, ChallengeKind] = {"totp": "totp", "new-password": "new_password"}
GUESSES_MAX, GUESSES_EVERYWHERE, MAILS_EVERYWHERE = 10, 50, 12


async def whose(scene: Scene, name: str, email: str) -> dict[str, str]:
    """The part of a body that says whom it is about: an address, or a sealed challenge of it."""
    if name not in KINDS:
        return {"email": email}
    world, challenge = scene.world, Challenge(KINDS[name], f"the id of {email}", "over")
    return {"session": (await Challenges(world.cognito.client_secret, world.clock).sealed(email, challenge)).token}


async def used_up(admit: Callable[[str], Awaitable[None]], account_id: str) -> None:
    for _ in range(CONSOLE_PER_MINUTE + 1):
        try:
            await admit(account_id)
        except RateLimited:
            return
    raise AssertionError("there is no limit")


async def test_a_session_has_a_limit_on_every_route(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene() as world:
        # A limit gives way with every moment that passes.
        now_s = world.world.clock.now()
        monkeypatch.setattr(world.world.clock, "now", lambda: now_s)
        quota = world.world.console.quota
        for who in (world.ada, world.second):
            await used_up(quota.admit, who.account_id)
            await used_up(quota.admit_heavy, who.account_id)
        before = world.world.state()
        for route in routes_for("session", "admin"):
            who = world.second if DECLARED[route] == "admin" else world.ada
            answer = await world.ask(route, who.headers, **good(world, route))
            assert (answer.status_code, str(route)) == (429, str(route))
            assert outcome(answer) == (429, "rate_limited")
            assert int(answer.headers["retry-after"]) >= 1
            assert world.world.state() == before, str(route)
        assert (await world.world.ask("account", "GET", "/api/balance", world.bob.headers)).status_code == 200
        assert_sound(world.world.answers)


@pytest.mark.parametrize("is_moving", [True, False], ids=["from ever new networks", "from one network"])
@pytest.mark.parametrize("name", GUESSES)
async def test_guessing_ends_for_one_person_and_not_for_another(name: str, is_moving: bool) -> None:
    """The person's own count ends it, that of a network or that of all."""
    everywhere = MAILS_EVERYWHERE if name in MAILS else GUESSES_EVERYWHERE
    route = Route("account", "POST", f"/api/auth/{name}")
    async with scene() as world:
        body = good(world, route)["json"] | ({"password": "a wrong one 3"} if name == "sign-in" else {})
        body |= await whose(world, name, "new@example.com")
        statuses = [
            (await world.ask(route, OURS, ip=f"198.51.100.{number * is_moving}", json=body)).status_code
            for number in range((everywhere if is_moving else GUESSES_MAX) + 1)
        ]
        assert statuses[0] != 429
        assert statuses[-1] == 429
        if not is_moving:
            elsewhere = await world.ask(route, OURS, ip="198.51.100.199", json=body)
            assert elsewhere.status_code != 429, "a stranger locks nobody out"
        other = await world.ask(
            route, OURS, ip="198.51.100.200", json=body | await whose(world, name, "other@example.com")
        )
        assert other.status_code != 429
        assert_sound(world.world.answers)


@pytest.mark.parametrize("name", GUESSES)
async def test_guessing_ends_for_one_address_of_the_network(name: str) -> None:
    """With ever new e-mail addresses."""
    route = Route("account", "POST", f"/api/auth/{name}")
    async with scene() as world:
        statuses = []
        for number in range(61):
            body = good(world, route)["json"] | {"email": f"person-{number}@example.com"}
            statuses.append((await world.ask(route, OURS, json=body)).status_code)
        assert statuses[0] != 429
        assert statuses[-1] == 429
        assert (await world.ask(route, OURS, ip="198.51.100.1", json=body)).status_code != 429
        assert_sound(world.world.answers)


async def test_wrong_keys_end_for_one_address() -> None:
    route = Route("account", "GET", "/v1/balance")
    async with scene() as world:
        statuses = [
            (await world.ask(route, bearer(f"sk-live-{number:032}"), ip="198.51.100.7")).status_code
            for number in range(62)
        ]
        assert (statuses[0], statuses[-1]) == (401, 429)
        assert (await world.ask(route, bearer(world.key), ip="198.51.100.8")).status_code == 200


async def suspended(scene: Scene) -> None:
    route = Route("admin", "POST", "/api/admin/accounts/{account_id}/suspend")
    assert (await scene.ask(route, scene.root.headers, json={"reason": "fraud"})).status_code == 200


CALLS: Mapping[str, tuple[str, dict[str, object]]] = {
    "/v1/chat/completions": ("chat", {"model": "m-1", "messages": MESSAGES}),
    "/v1/completions": ("chat", {"model": "m-1", "prompt": "hi"}),
    "/v1/embeddings": ("embeddings", {"model": "e-1", "input": "hi"}),
}


@pytest.mark.parametrize("path", CALLS)
async def test_a_suspended_account_calls_nothing(path: str) -> None:
    """At once: what processes remember of its keys does not help it."""
    function, body = CALLS[path]
    async with scene() as world:
        route = Route(function, "POST", path)
        assert (await world.ask(route, bearer(world.key), json=body)).status_code in (200, 400)
        await suspended(world)
        before = world.world.state()
        answer = await world.ask(route, bearer(world.key), json=body)
        assert outcome(answer) == (403, "account_suspended")
        assert world.world.state() == before


async def test_a_suspended_account_sees_its_books_and_cannot_resume_itself() -> None:
    async with scene() as world:
        await suspended(world)
        for path in ("/api/account", "/api/balance", "/api/usage", "/api/orders", "/api/credits", "/api/keys"):
            answer = await world.world.ask("account", "GET", path, world.ada.headers)
            assert answer.status_code == 200, path
        account = await world.world.ask("account", "GET", "/api/account", world.ada.headers)
        assert account.json()["status"] == "suspended"
        signed_in = await world.world.ask(
            "account", "POST", "/api/auth/sign-in", OURS, json={"email": world.ada.session.email, "password": PASSWORD}
        )
        assert signed_in.status_code == 200
        before = world.world.state()
        resume = Route("admin", "POST", "/api/admin/accounts/{account_id}/resume")
        assert outcome(await world.ask(resume, world.ada.headers, json={"reason": "me"})) == (403, "admin_forbidden")
        for method, path in (("PATCH", "/api/account"), ("POST", "/api/keys")):
            body = {"name": "x", "status": "active"}
            await world.world.ask("account", method, path, world.ada.headers, json=body)
        assert (await world.world.image(world.ada.account_id)).status == "suspended"
        assert world.world.state()["table credits"] == before["table credits"]


async def test_an_order_of_a_suspended_account_is_credited_and_still_buys_nothing() -> None:
    """Money that was paid in belongs to the account, whatever becomes of it."""
    async with scene() as world:
        await suspended(world)
        approve = Route("admin", "POST", "/api/admin/orders/{order_id}/approve")
        assert (await world.ask(approve, world.root.headers, **good(world, approve))).status_code == 200
        await world.world.engine.settled()
        assert (await world.world.image(world.ada.account_id)).credits_in == 100_500_000_000
        chat = Route("chat", "POST", "/v1/chat/completions")
        assert outcome(await world.ask(chat, bearer(world.key), **good(world, chat))) == (403, "account_suspended")


# Ending what there is, and keeping one's own sign-in safe, which a mailed code can change in any case.
LEFT_TO_THE_SUSPENDED = {
    "POST /api/auth/sign-out-everywhere",
    "POST /api/auth/change-password",
    "POST /api/auth/totp/setup",
    "POST /api/auth/totp/enable",
    "POST /api/auth/totp/disable",
    "DELETE /api/keys/{key_id}",
    "POST /api/orders/{order_id}/cancel",
}
CHANGES = [route for route in routes_for("session") if route.method in UNSAFE]


@pytest.mark.parametrize("route", [*CHANGES, Route("uploads", "POST", "/v1/uploads")], ids=str)
async def test_a_suspended_account_changes_nothing(route: Route) -> None:
    async with scene() as world:
        await suspended(world)
        before = world.world.state()
        headers = bearer(world.key) if DECLARED[route] == "api_key" else world.ada.headers
        answer = await world.ask(route, headers, **good(world, route))
        if str(route) in LEFT_TO_THE_SUSPENDED:
            assert answer.status_code in (200, 204) or outcome(answer) == (400, "code_invalid")
        else:
            assert outcome(answer) == (403, "account_suspended")
            assert world.world.state() == before


async def test_a_resumed_account_changes_everything_again() -> None:
    async with scene() as world:
        await suspended(world)
        resume = Route("admin", "POST", "/api/admin/accounts/{account_id}/resume")
        assert (await world.ask(resume, world.root.headers, json={"reason": "settled"})).status_code == 200
        for method, path in (("PATCH", "/api/account"), ("PATCH", "/api/keys/{key_id}")):
            route = Route("account", method, path)
            assert (await world.ask(route, world.ada.headers, **good(world, route))).status_code == 200


async def test_a_suspended_account_still_ends_what_it_began() -> None:
    async with scene() as world:
        await suspended(world)
        cancel = Route("account", "POST", "/api/orders/{order_id}/cancel")
        assert (await world.ask(cancel, world.ada.headers)).json()["status"] == "cancelled"
        delete = Route("account", "DELETE", "/api/keys/{key_id}")
        assert (await world.ask(delete, world.ada.headers)).status_code == 204
