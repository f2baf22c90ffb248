"""The second step of a sign-in is bound to the first, even with a provider that checks no combination."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from local.paths import TEMPLATE
from local.template_values import read_yaml
from multiconnection.identity.challenges import LIFE_S, ChallengeRefused, Challenges
from multiconnection.identity.models import Challenge, ChallengeKind
from tests.support.assertions import assert_error
from tests.support.fake_cognito import SESSION_LIFE_S, FakeCognito, Person
from tests.support.limit_world import HandClock
from tests.support.people_world import Browser, PeopleWorld
from tests.support.totp import other_code, totp_code
from tests.support.virtual_time import VirtualLoop

ADA, BOSS, NEW = "ada@example.com", "boss@example.com", "new@example.com"
PASSWORD, NEXT_PASSWORD = "correct horse 1", "battery staple 2"
SECRETS = {ADA: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", BOSS: "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"}
PATHS = {"totp": "/api/auth/totp", "new_password": "/api/auth/new-password"}
ANSWER_S = 7.0


@pytest.fixture(params=[False, True], ids=["strict provider", "lax provider"])
def world(request: pytest.FixtureRequest) -> PeopleWorld:
    """Ada and an administrator have second factors, and a third user is invited."""
    found = PeopleWorld()
    found.cognito.lax = request.param
    populate(found.cognito)
    return found


def populate(cognito: FakeCognito) -> None:
    for email, groups in ((ADA, ()), (BOSS, ("admin",))):
        person = cognito.add(email, PASSWORD, groups=groups)
        person.totp_secret, person.totp_enabled = SECRETS[email], True
    cognito.invite(NEW, PASSWORD)


def code(world: PeopleWorld, email: str = ADA) -> str:
    return totp_code(SECRETS[email], world.clock.now())


async def challenged(browser: Browser, email: str = ADA) -> str:
    answer = await browser.sign_in(email, PASSWORD)
    assert answer.status_code == 200
    assert answer.json()["status"] == ("new_password_required" if email == NEW else "totp_required")
    return str(answer.json()["session"])


async def totp(browser: Browser, session: str, code: str, **more: str) -> httpx.Response:
    return await browser.post(PATHS["totp"], {"session": session, "code": code, **more})


async def new_password(browser: Browser, session: str, **more: str) -> httpx.Response:
    return await browser.post(PATHS["new_password"], {"session": session, "password": NEXT_PASSWORD, **more})


def assert_over(answer: httpx.Response, browser: Browser) -> None:
    assert_error(answer, "sign_in_failed", 401)
    assert (browser.id_token, browser.refresh_token) == (None, None)


@asynccontextmanager
async def browsing(world: PeopleWorld) -> AsyncIterator[Browser]:
    async with world.browser() as browser:
        yield browser
    assert {person.email: person.password for person in world.cognito.people.values() if person.email != NEW} == {
        ADA: PASSWORD,
        BOSS: PASSWORD,
    }


@pytest.mark.parametrize("email", [ADA, BOSS, "BOSS@EXAMPLE.COM", NEW, "nobody@example.com"])
@pytest.mark.parametrize("session", ["x", "invented-session-of-some-length", "AAAA" * 40, "é", "=" * 8])
async def test_an_invented_session_signs_no_one_in(world: PeopleWorld, session: str, email: str) -> None:
    async with browsing(world) as browser:
        world.cognito.calls.clear()
        assert_over(await totp(browser, session, code(world, BOSS), email=email), browser)
        assert_over(await new_password(browser, session, email=email), browser)
        assert not world.cognito.calls, "the provider is not asked"


async def test_the_providers_own_session_opens_nothing(world: PeopleWorld) -> None:
    async with browsing(world) as browser:
        for email, kind in ((ADA, "totp"), (NEW, "new_password")):
            found = await world.cognito.sign_in(email, PASSWORD)
            assert isinstance(found, Challenge)
            assert found.kind == kind
            assert_over(await totp(browser, found.session, code(world), email=email), browser)
            assert_over(await new_password(browser, found.session, email=email), browser)


async def test_an_address_beside_the_session_changes_nothing(world: PeopleWorld) -> None:
    async with browsing(world) as browser:
        session = await challenged(browser)
        answer = await totp(browser, session, code(world), email=BOSS)
        assert (answer.json()["user"]["email"], answer.json()["user"]["is_admin"]) == (ADA, False)
        session = await challenged(browser, NEW)
        answer = await new_password(browser, session, email=BOSS)
        assert (answer.json()["user"]["email"], answer.json()["user"]["is_admin"]) == (NEW, False)


async def test_a_session_takes_the_code_of_its_own_person_alone(world: PeopleWorld) -> None:
    async with browsing(world) as browser:
        session = await challenged(browser)
        assert code(world) != code(world, BOSS)
        assert_error(await totp(browser, session, code(world, BOSS)), "code_invalid", 400)
        assert_error(await totp(browser, session, other_code(code(world))), "code_invalid", 400)
        assert (await totp(browser, session, code(world))).status_code == 200, "a wrong code uses nothing up"


async def test_a_session_is_of_one_kind(world: PeopleWorld) -> None:
    async with browsing(world) as browser:
        assert_over(await new_password(browser, await challenged(browser)), browser)
        assert_over(await totp(browser, await challenged(browser, NEW), code(world)), browser)
        assert world.cognito.people[NEW].password == PASSWORD


async def test_a_session_ends_after_five_minutes(world: PeopleWorld) -> None:
    async with browsing(world) as browser:
        sessions = {email: await challenged(browser, email) for email in (ADA, NEW)}
        world.hand.at += LIFE_S - 1
        assert_error(await totp(browser, sessions[ADA], other_code(code(world))), "code_invalid", 400)
        world.hand.at += 1
        assert_over(await totp(browser, sessions[ADA], code(world)), browser)
        assert_over(await new_password(browser, sessions[NEW]), browser)


async def test_a_session_serves_for_one_sign_in(world: PeopleWorld) -> None:
    async with browsing(world) as browser:
        session = await challenged(browser)
        assert (await totp(browser, session, code(world))).status_code == 200
        invited = await challenged(browser, NEW)
        assert (await new_password(browser, invited)).status_code == 200
        browser.present()
        for _ in range(2):
            assert_over(await totp(browser, session, code(world)), browser)
            assert_over(await new_password(browser, invited), browser)
        world.hand.at += LIFE_S - 1
        assert_over(await totp(browser, session, code(world)), browser)


async def test_of_two_answers_at_once_one_signs_in(world: PeopleWorld) -> None:
    async with browsing(world) as browser:
        for email in (ADA, NEW):
            session = await challenged(browser, email)
            if email == ADA:
                answers = await asyncio.gather(*(totp(browser, session, code(world)) for _ in range(5)))
            else:
                answers = await asyncio.gather(*(new_password(browser, session) for _ in range(5)))
            assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]


async def test_a_session_that_was_tampered_with_opens_nothing() -> None:
    cognito, clock = FakeCognito(HandClock()), HandClock()
    challenges = Challenges(cognito.client_secret, clock)
    token = (await challenges.sealed(ADA, Challenge("totp", "ada", "the provider's own"))).token
    assert "provider" not in str(base64.urlsafe_b64decode(token))
    raw = base64.urlsafe_b64decode(token)
    wrong = [raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :] for at in range(len(raw)) for bit in (0, 7)]
    wrong += [raw[:length] for length in range(len(raw))] + [raw + b"\0", raw + raw]
    for each in wrong:
        with pytest.raises(ChallengeRefused, match="forged"):
            await challenges.opened("totp", base64.urlsafe_b64encode(each).decode())
    for text in (f" {token}", f"{token}\n", f"{token}!", token[:-1], ""):
        with pytest.raises(ChallengeRefused, match="forged"):
            await challenges.opened("totp", text)
    assert (await challenges.opened("totp", token)).session == "the provider's own"


async def test_tokens_are_unique_and_valid_in_one_deployment_only() -> None:
    clock = HandClock()
    challenge = Challenge("totp", "ada", "s" * 2048)
    here, there = Challenges(secret("one"), clock), Challenges(secret("two"), clock)
    tokens = {(await here.sealed(ADA, challenge)).token for _ in range(10)}
    assert len(tokens) == 10
    assert max(map(len, tokens)) <= 4096, "the longest session of Cognito fits into what the route takes"
    for token in tokens:
        assert (await Challenges(secret("one"), clock).opened("totp", token)).email == ADA, "in every process"
        with pytest.raises(ChallengeRefused, match="forged"):
            await there.opened("totp", token)


def secret(text: str) -> Callable[[], Awaitable[str]]:
    """The client secret of one deployment."""

    async def client_secret() -> str:
        return text

    return client_secret


async def test_the_spelling_of_an_address_does_not_matter(world: PeopleWorld) -> None:
    world.cognito.people[ADA].email = "Ada@Example.com"
    async with world.browser() as browser:
        answer = await browser.sign_in(" ADA@example.COM ", PASSWORD)
        signed_in = await totp(browser, answer.json()["session"], code(world))
        assert signed_in.json()["user"]["email"] == "Ada@Example.com"


@pytest.mark.parametrize("who", ["somebody else", "the same address and another id", "another address and the same id"])
@pytest.mark.parametrize("kind", ["totp", "new_password"])
async def test_tokens_of_another_user_are_refused_revoked_and_reported(who: str, kind: ChallengeKind) -> None:
    world = PeopleWorld()
    populate(world.cognito)
    email = ADA if kind == "totp" else NEW
    person = world.cognito.people[email]
    impostor = world.cognito.people[BOSS]
    if who != "somebody else":
        impostor = Person(email, "") if who.startswith("the same") else Person(BOSS, "", user_id=person.user_id)
    async with world.browser() as browser:
        session = await challenged(browser, email)
        world.cognito.impostor = impostor
        answer = await (totp(browser, session, code(world)) if kind == "totp" else new_password(browser, session))
        assert_over(answer, browser)
    assert world.alarms.raised == ["sign_in_mismatch"]
    assert world.cognito.calls["revoke"] == 1
    assert world.driver.driver.items("balances") == []  # type: ignore[attr-defined]


async def test_a_new_password_does_not_pass_by_a_second_factor(world: PeopleWorld) -> None:
    person = world.cognito.people[NEW]
    person.totp_secret, person.totp_enabled = SECRETS[ADA], True
    async with browsing(world) as browser:
        answer = await new_password(browser, await challenged(browser, NEW))
        assert answer.json()["status"] == "totp_required"
        assert browser.id_token is None
        assert (await totp(browser, answer.json()["session"], code(world))).json()["user"]["email"] == NEW


async def test_before_the_password_there_is_no_session(world: PeopleWorld) -> None:
    async with browsing(world) as browser:
        for email in (ADA, NEW, "nobody@example.com"):
            assert "session" not in (await browser.sign_in(email, "wrong horse 111")).json()


async def test_a_refused_session_is_logged_without_its_words(
    world: PeopleWorld, caplog: pytest.LogCaptureFixture
) -> None:
    async with browsing(world) as browser:
        session = await challenged(browser)
        await totp(browser, "invented", code(world))
        await new_password(browser, session)
        await totp(browser, session, code(world))
        await totp(browser, session, code(world))
    found = [vars(record) for record in caplog.records if record.message == "challenge_refused"]
    assert [each["error"] for each in found] == ["forged", "other_kind", "used"]
    assert not [each for each in found if session in str(each) or ADA in str(each)]


def test_it_lives_as_long_as_the_providers_own() -> None:
    client = read_yaml(TEMPLATE)["Resources"]["UserPoolClient"]["Properties"]
    assert client["AuthSessionValidity"] * 60 == LIFE_S == SESSION_LIFE_S


# The bodies of the public routes that depend on an address.
WRONG = {
    "sign-up": [{"email": email, "password": PASSWORD} for email in (ADA, "nobody@example.com")],
    "confirm": [{"email": email, "code": "1", "password": PASSWORD} for email in (ADA, "nobody@example.com")],
    "resend": [{"email": email} for email in (ADA, "nobody@example.com")],
    "sign-in": [{"email": email, "password": "wrong horse 11"} for email in (ADA, NEW, "nobody@example.com")],
    "totp": [{"session": session, "code": "000000"} for session in ("x", "other kind", "over", "right")],
    "new-password": [{"session": session, "password": NEXT_PASSWORD} for session in ("x", "other kind", "over")],
    "forgot": [{"email": email} for email in (ADA, "nobody@example.com")],
    "reset": [{"email": email, "code": "1", "password": PASSWORD} for email in (ADA, "nobody@example.com")],
}
# Signing out ends the session in the cookies and receives no address.
SILENT = {"sign-out"}


def test_every_public_route_takes_its_time() -> None:
    """On a loop whose time passes only while something waits for it: an answer that is not padded takes none."""
    from tests.audience.declared import routes_for

    public = {
        route.path.removeprefix("/api/auth/") for route in routes_for("public") if route.path.startswith("/api/auth/")
    }
    assert public == WRONG.keys() | SILENT, "say what a new route may betray"
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        for path in WRONG:
            assert set(runner.run(times(path))) == {ANSWER_S}, path


async def times(path: str) -> list[float]:
    world = PeopleWorld(answer_s=ANSWER_S)
    populate(world.cognito)
    found, loop = [], asyncio.get_running_loop()
    challenges = Challenges(world.cognito.client_secret, world.clock)
    kinds: tuple[ChallengeKind, ChallengeKind] = (
        ("totp", "new_password") if path == "totp" else ("new_password", "totp")
    )
    async with world.browser() as browser:
        right = await challenged(browser, ADA if path == "totp" else NEW)
        other = await challenges.sealed(ADA, Challenge(kinds[1], "ada", "over"))
        over = await challenges.sealed(ADA, Challenge(kinds[0], "ada", "over"))
        sessions = {"other kind": other.token, "right": right, "over": over.token}
        for body in WRONG[path]:
            sent = body | ({"session": sessions.get(body["session"], body["session"])} if "session" in body else {})
            began = loop.time()
            answer = await browser.post(f"/api/auth/{path}", sent)
            assert answer.status_code in (202, 400, 401), answer.text
            found.append(loop.time() - began)
    return found


# The same for codes, secrets and tokens of one user in the hands of another.


async def test_cookies_of_two_people_are_no_session(world: PeopleWorld) -> None:
    for email in (ADA, BOSS):
        world.cognito.people[email].totp_enabled = False
    async with world.browser() as browser:
        tokens = {}
        for email in (ADA, BOSS):
            await browser.sign_in(email, PASSWORD)
            tokens[email] = (browser.id_token, browser.refresh_token)
        changing = ("PATCH", "/api/account", {"name": "Mallory"})
        for id_of, refresh_of in ((ADA, BOSS), (BOSS, ADA)):
            browser.present(tokens[id_of][0], tokens[refresh_of][1])
            assert_error(await browser.request(*changing), "session_expired", 401)
            assert_error(await browser.post("/api/auth/totp/setup"), "session_expired", 401)
        assert [person.name for person in world.cognito.people.values()] == ["", "", ""]
        world.hand.at += 900 - 30
        browser.present(tokens[BOSS][0], tokens[ADA][1])
        assert_error(await browser.get("/api/guarded"), "session_expired", 401)
        browser.present(tokens[ADA][0], tokens[ADA][1])
        assert (await browser.get("/api/guarded")).status_code == 200


async def test_a_mailed_code_is_valid_for_its_own_address_alone(world: PeopleWorld) -> None:
    async with browsing(world) as browser:
        await browser.post("/api/auth/forgot", {"email": ADA})
        body = {"email": BOSS, "code": world.cognito.mails[-1][1], "password": NEXT_PASSWORD}
        assert_error(await browser.post("/api/auth/reset", body), "code_invalid", 400)
        assert_error(await browser.post("/api/auth/confirm", body), "code_invalid", 400)


async def test_a_secret_is_brought_into_force_by_its_own_person_alone(world: PeopleWorld) -> None:
    for email in (ADA, BOSS):
        world.cognito.people[email].totp_enabled = False
    async with world.browser() as ada, world.browser() as boss:
        secrets = {}
        for email, browser in ((ADA, ada), (BOSS, boss)):
            await browser.sign_in(email, PASSWORD)
            secrets[email] = (await browser.post("/api/auth/totp/setup")).json()["secret"]
        codes = {email: {"code": totp_code(secret, world.clock.now())} for email, secret in secrets.items()}
        assert_error(await boss.post("/api/auth/totp/enable", codes[ADA]), "code_invalid", 400)
        assert_error(await boss.post("/api/auth/totp/disable", codes[ADA]), "code_invalid", 400)
        assert (await boss.post("/api/auth/totp/enable", codes[BOSS])).status_code == 204
