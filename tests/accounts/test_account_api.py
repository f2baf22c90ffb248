"""GET and PATCH /api/account over HTTP."""

from multiconnection.money import NANO_PER_USD
from multiconnection.retry import StoreUnavailable
from tests.support.assertions import assert_error
from tests.support.people_world import Browser, PeopleWorld

ADA, PASSWORD = "ada@example.com", "correct horse 1"


async def signed_in(world: PeopleWorld, browser: Browser, name: str = "Ada") -> str:
    world.cognito.add(ADA, PASSWORD, name=name)
    account_id: str = (await browser.sign_in(ADA, PASSWORD)).json()["user"]["account_id"]
    return account_id


async def test_a_new_account() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        account_id = await signed_in(world, browser)
        assert (await browser.get("/api/account")).json() == {
            "account_id": account_id,
            "email": ADA,
            "name": "Ada",
            "status": "active",
            "created": int(world.clock.now()),
            "limits": {"requests_per_minute": 3000, "tokens_per_minute": 2_000_000, "in_flight_max": 256},
            "first_run": {"has_key": False, "has_call": False},
            "is_admin": False,
            "test_credit": None,
        }


async def test_the_first_steps_tick_themselves() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        account_id = await signed_in(world, browser)
        await world.keys.issue(account_id, "first")
        assert (await browser.get("/api/account")).json()["first_run"] == {"has_key": True, "has_call": False}
        await world.driver.call(
            "UpdateItem",
            {
                "TableName": "balances",
                "Key": {"account_id": {"S": account_id}},
                "UpdateExpression": "SET charged = charged + :c, avail = avail - :c",
                "ExpressionAttributeValues": {":c": {"N": "5"}},
            },
        )
        assert (await browser.get("/api/account")).json()["first_run"] == {"has_key": True, "has_call": True}


async def test_suspended_and_frozen_are_suspended() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        account_id = await signed_in(world, browser)
        for status in ("suspended", "frozen"):
            await world.ledger.store.set_status(account_id, status)
            assert (await browser.get("/api/account")).json()["status"] == "suspended"


async def test_a_new_name_is_everywhere_at_once() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        await signed_in(world, browser)
        answer = await browser.request("PATCH", "/api/account", {"name": "  Grace   Hopper "})
        assert (answer.status_code, answer.json()["name"]) == (200, "Grace Hopper")
        assert answer.headers["set-cookie"].startswith("__Host-mc_id=")
        assert (await browser.get("/api/account")).json()["name"] == "Grace Hopper"
        assert (await browser.get("/api/auth/session")).json()["user"]["name"] == "Grace Hopper"
    assert world.cognito.people[ADA].name == "Grace Hopper"
    assert (await world.account_of(ADA)).name == "Grace Hopper"


async def test_what_is_no_name_is_refused() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        await signed_in(world, browser)
        for name in ("", "x" * 101, "a\x00b", 5, None):
            answer = await browser.request("PATCH", "/api/account", {"name": name})
            assert assert_error(answer, None, 400)["param"] == "name"
        assert_error(await browser.request("PATCH", "/api/account", {}), "missing_required_parameter", 400)
    assert world.cognito.people[ADA].name == "Ada"


async def test_only_a_session_reads_an_account_and_only_its_own() -> None:
    world = PeopleWorld()
    async with world.browser() as anonymous, world.browser() as ada, world.browser() as grace:
        assert_error(await anonymous.get("/api/account"), "session_required", 401)
        assert_error(await anonymous.request("PATCH", "/api/account", {"name": "x"}), "session_required", 401)
        account_id = await signed_in(world, ada)
        world.cognito.add("grace@example.com", PASSWORD)
        await grace.sign_in("grace@example.com", PASSWORD)
        found = (await grace.get(f"/api/account?account_id={account_id}")).json()
        assert found["email"] == "grace@example.com"
        assert found["account_id"] != account_id


async def test_an_account_that_got_lost_is_opened_again() -> None:
    world = PeopleWorld(test_credit_nano=NANO_PER_USD)
    async with world.browser() as browser:
        account_id = await signed_in(world, browser)
        key = {"account_id": {"S": account_id}}
        await world.driver.call("DeleteItem", {"TableName": "balances", "Key": key})
        assert (await browser.get("/api/account")).json()["account_id"] == account_id


async def test_a_database_that_is_down_is_503() -> None:
    world = PeopleWorld()
    async with world.browser() as browser:
        await signed_in(world, browser)
        world.driver.failure = StoreUnavailable("down")
        for path in ("/api/account", "/api/auth/session"):
            assert_error(await browser.get(path), "ledger_unavailable", 503)
