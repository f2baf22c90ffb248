"""Limits on guessing: over HTTP, across processes, concurrently, and while the store is down."""

import asyncio

import pytest

from multiconnection.errors import IdentityUnavailable, RateLimited
from multiconnection.identity.attempts import AttemptLimits, AttemptQuotas
from multiconnection.identity.challenges import Challenges
from multiconnection.identity.models import Challenge, ChallengeKind
from multiconnection.limits.limiter import Limiter
from multiconnection.limits.store import LimitsTable
from multiconnection.retry import StoreUnavailable
from tests.support.assertions import assert_error
from tests.support.chat_world import TABLES
from tests.support.limit_world import DEFAULTS, HandClock, WatchedDriver
from tests.support.people_world import PeopleWorld
from tools.memory_dynamo.driver import MemoryDynamo

ADA, PASSWORD, WRONG = "ada@example.com", "correct horse 1", "wrong horse 111"
FEW = AttemptQuotas(ip_attempts=6, email_attempts=3, ip_mails=6, email_mails=3)


class World:
    """Two processes over one table."""

    def __init__(self, quotas: AttemptQuotas = FEW) -> None:
        self.clock = HandClock()
        self.memory = MemoryDynamo(TABLES)
        self.driver = WatchedDriver(self.memory)
        self.errors: list[str] = []
        self.processes = [AttemptLimits(self._limiter(), quotas) for _ in range(2)]

    def _limiter(self) -> Limiter:
        return Limiter(LimitsTable(self.driver, "limits"), self.clock, DEFAULTS, self.errors.append)

    async def admitted(self, count: int, ip: str = "192.0.2.1", email: str = ADA) -> int:
        """The number of concurrent attempts, spread over the processes, that are admitted."""

        async def one(number: int) -> bool:
            try:
                await self.processes[number % 2].admit("sign_in", ip, email)
            except RateLimited:
                return False
            return True

        return sum(await asyncio.gather(*(one(number) for number in range(count))))


async def test_concurrent_guesses_in_two_processes_do_not_pass_the_quota() -> None:
    assert await World().admitted(40) == 3


async def test_an_address_of_the_network_has_its_own_quota() -> None:
    world = World()
    for number in range(8):
        await world.admitted(1, email=f"{number}@example.com")
    assert await world.admitted(1, email="fresh@example.com") == 0
    assert await world.admitted(1, email="fresh@example.com", ip="192.0.2.2") == 1


async def test_an_address_is_one_whatever_its_capitals() -> None:
    world = World()
    spellings = [ADA, ADA.upper(), f" {ADA} ", "Ada@Example.com"]
    assert sum([await world.admitted(1, email=each) for each in spellings]) == 3


async def test_a_household_is_one_address() -> None:
    world = World(AttemptQuotas(ip_attempts=2, email_attempts=100))
    assert sum([await world.admitted(1, ip=f"2001:db8:1:2::{n:x}") for n in range(4)]) == 2
    assert await world.admitted(1, ip="2001:db8:1:3::1") == 1


async def test_attempts_come_back_one_by_one() -> None:
    world = World()
    assert await world.admitted(5) == 3
    with pytest.raises(RateLimited) as refused:
        await world.processes[0].admit("sign_in", "192.0.2.1", ADA)
    assert refused.value.retry_after_s == pytest.approx(300, abs=1)
    world.clock.at += 299
    assert await world.admitted(1) == 0
    world.clock.at += 2
    assert await world.admitted(2) == 1


async def test_a_right_guess_is_given_back() -> None:
    world = World()
    for _ in range(10):
        await world.processes[0].give_back(await world.processes[0].admit("sign_in", "192.0.2.1", ADA))
    assert await world.admitted(5) == 3


async def test_giving_back_never_makes_room_for_more_than_the_quota() -> None:
    world = World()
    attempt = await world.processes[0].admit("sign_in", "192.0.2.1", ADA)
    for _ in range(10):
        await world.processes[0].give_back(attempt)
    assert await world.admitted(10) == 3


async def test_passwords_codes_and_mails_are_counted_apart() -> None:
    world = World()
    assert await world.admitted(5) == 3
    await world.processes[0].admit("code", "192.0.2.1", ADA)
    await world.processes[0].admit("mail", "192.0.2.1", ADA)


async def test_no_attempt_is_possible_without_the_store() -> None:
    world = World()
    attempt = await world.processes[0].admit("sign_in", "192.0.2.1", ADA)
    world.driver.failure = StoreUnavailable("down")
    with pytest.raises(IdentityUnavailable):
        await world.processes[0].admit("sign_in", "192.0.2.1", ADA)
    await world.processes[0].give_back(attempt)


async def test_no_address_stands_in_the_table_and_no_window_outlives_its_item() -> None:
    world = World()
    for kind in ("sign_in", "code", "mail"):
        await world.processes[0].admit(kind, "192.0.2.1", ADA)
    items = world.memory.items("limits")
    assert len(items) == 9
    assert "ada" not in str(items)
    for item in items:
        assert int(item["r"]["N"]) <= int(item["expires_at"]["N"]) * 10**9


async def test_many_networks_guess_no_faster_than_a_few() -> None:
    world = World(AttemptQuotas(ip_attempts=6, email_attempts=3, attempts_everywhere=5))
    assert sum([await world.admitted(4, ip=f"192.0.2.{number}") for number in range(9)]) == 15
    assert await world.admitted(1, email="grace@example.com") == 1


async def test_mails_to_one_person_are_few_from_wherever_they_are_asked_for() -> None:
    attempts = World(AttemptQuotas(email_mails=3, mails_everywhere=2)).processes[0]
    for number in range(6):
        await attempts.admit("mail", f"192.0.2.{number}", ADA)
    with pytest.raises(RateLimited):
        await attempts.admit("mail", "192.0.2.9", ADA)


async def test_a_stranger_elsewhere_does_not_lock_a_user_out() -> None:
    world = PeopleWorld(quotas=FEW)
    world.cognito.add(ADA, PASSWORD)
    async with world.browser(ip="198.51.100.9") as stranger, world.browser() as owner:
        assert [(await stranger.sign_in(ADA, WRONG)).status_code for _ in range(4)] == [401] * 3 + [429]
        assert (await owner.sign_in(ADA, PASSWORD)).status_code == 200


OUTAGE = IdentityUnavailable("down")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("sign-in", {"email": ADA, "password": PASSWORD}),
        ("totp", {"code": "000000"}),
        ("new-password", {"password": PASSWORD}),
        ("confirm", {"email": ADA, "code": "000000", "password": PASSWORD}),
        ("reset", {"email": ADA, "code": "000000", "password": PASSWORD}),
        ("change-password", {"current": WRONG, "new": "battery staple 2"}),
        ("totp/enable", {"code": "000000"}),
        ("totp/disable", {"code": "000000"}),
        ("totp/disable", {"password": WRONG}),
    ],
)
async def test_an_outage_of_the_provider_uses_no_attempts_up(path: str, body: dict[str, str]) -> None:
    asked = ("sign_in", "answer_totp", "answer_new_password", "confirm_sign_up", "reset")
    world = PeopleWorld(quotas=FEW)
    world.cognito.add(ADA, PASSWORD)
    async with world.browser() as browser:
        await browser.sign_in(ADA, PASSWORD)
        kind: ChallengeKind = "totp" if path == "totp" else "new_password"
        challenge = Challenge(kind, world.cognito.people[ADA].user_id, "over")
        session = (await Challenges(world.cognito.client_secret, world.clock).sealed(ADA, challenge)).token
        body = {"session": session, **body}
        world.cognito.failures = dict.fromkeys((*asked, "change_password", "verify_totp"), OUTAGE)
        assert {(await browser.post(f"/api/auth/{path}", body)).status_code for _ in range(7)} == {503}
        world.cognito.failures = {}
        assert (await browser.post(f"/api/auth/{path}", body)).status_code in (200, 400, 401)


async def test_an_outage_of_the_provider_ends_no_renewals() -> None:
    world = PeopleWorld(quotas=AttemptQuotas(ip_renewals=3))
    world.cognito.add(ADA, PASSWORD)
    async with world.browser() as browser:
        await browser.sign_in(ADA, PASSWORD)
        world.hand.at += 901 + 30
        world.cognito.failure = OUTAGE
        assert {(await browser.get("/api/guarded")).status_code for _ in range(7)} == {503}
        world.cognito.failure = None
        assert (await browser.get("/api/guarded")).status_code == 200


async def test_guessing_a_password_ends_soon_also_for_the_right_one() -> None:
    world = PeopleWorld(quotas=FEW)
    world.cognito.add(ADA, PASSWORD)
    async with world.browser() as browser:
        statuses = [(await browser.sign_in(ADA, WRONG)).status_code for _ in range(4)]
        assert statuses == [401, 401, 401, 429]
        refused = await browser.sign_in(ADA, PASSWORD)
        error = assert_error(refused, "rate_limited", 429)
        assert (error["type"], error["reason"]) == ("requests", "sign_in_attempts")
        assert 0 < int(refused.headers["retry-after"]) <= 300
        assert world.cognito.calls["sign_in"] == 3
        world.hand.at += 300
        assert (await browser.sign_in(ADA, PASSWORD)).status_code == 200


async def test_strangers_are_limited_as_known_people_are() -> None:
    world = PeopleWorld(quotas=FEW)
    world.cognito.add(ADA, PASSWORD)
    for email in (ADA, "nobody@example.com"):
        async with world.browser(ip=f"192.0.2.{len(email)}") as browser:
            assert [(await browser.sign_in(email, WRONG)).status_code for _ in range(4)] == [401] * 3 + [429]


@pytest.mark.parametrize("path", ["sign-up", "resend", "forgot"])
async def test_mails_are_limited(path: str) -> None:
    world = PeopleWorld(quotas=FEW)
    async with world.browser() as browser:
        body = {"email": ADA, "password": PASSWORD}
        statuses = [(await browser.post(f"/api/auth/{path}", body)).status_code for _ in range(4)]
        assert statuses == [202] * 3 + [429]
        answer = await browser.post(f"/api/auth/{path}", body)
        assert assert_error(answer, "rate_limited", 429)["reason"] == "mail_attempts"


@pytest.mark.parametrize("path", ["confirm", "reset"])
async def test_mailed_codes_cannot_be_guessed_one_by_one(path: str) -> None:
    world = PeopleWorld(quotas=FEW)
    await world.cognito.sign_up(ADA, PASSWORD, "")
    async with world.browser() as browser:
        body = {"email": ADA, "password": PASSWORD, "code": "000000"}
        statuses = [(await browser.post(f"/api/auth/{path}", body)).status_code for _ in range(4)]
        assert statuses == [400] * 3 + [429]
        assert (await browser.post(f"/api/auth/{path}", body | {"code": "123456"})).status_code == 429


async def test_the_current_password_cannot_be_guessed_from_a_stolen_session() -> None:
    world = PeopleWorld(quotas=FEW)
    world.cognito.add(ADA, PASSWORD)
    async with world.browser() as browser:
        await browser.sign_in(ADA, PASSWORD)
        guesses = [("change-password", {"current": WRONG, "new": "battery staple 2"})] * 2
        guesses += [("totp/disable", {"password": WRONG})] * 2
        statuses = [(await browser.post(f"/api/auth/{path}", body)).status_code for path, body in guesses]
        assert statuses == [401] * 3 + [429]
