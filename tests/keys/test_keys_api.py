"""/api/keys as a page of the console meets it."""

import asyncio
from typing import Any

import pytest

from multiconnection.errors import ApiKeyInvalid
from multiconnection.history.service import LAST_USED_ROWS
from multiconnection.keys.models import is_well_formed
from multiconnection.retry import OutcomeUnknown, StoreUnavailable
from tests.support.assertions import assert_error
from tests.support.console_world import ConsoleApp, ConsoleWorld, console_app

pytestmark = pytest.mark.virtual_time


SHOWN = {
    "id", "name", "prefix", "last4", "created", "last_used", "status", "expires_at", "budget", "budget_left",
    "requests_per_minute", "tokens_per_minute", "models", "ips", "kind", "replaced", "unused_since",
}  # fmt: skip


async def test_a_new_key_shows_its_secret_once() -> None:
    async with console_app() as app:
        made = await app.new_key(budget="5.00", models=["m-1-latest"], ips=["192.0.2.7/24"], requests_per_minute=60)
        secret = made.pop("secret")
        assert is_well_formed(secret)
        assert made.keys() == SHOWN
        assert (made["prefix"], made["last4"], made["kind"]) == ("sk-live-…", secret[-4:], "api")
        assert (made["models"], made["ips"], made["requests_per_minute"]) == (["m-1"], ["192.0.2.0/24"], 60)
        assert (made["budget"], made["budget_left"]) == ("5.000000000", "5.000000000")
        listed = await app.get("/api/keys")
        assert listed == {"object": "list", "data": [made], "next_cursor": None}
        assert secret not in str(listed)
        assert (await app.world.authenticate(secret)).account_id == "a1"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x", "budget": "0"}, "budget"),
        ({"name": "x", "budget": "-1"}, "budget"),
        ({"name": "x", "budget": "0.0000000001"}, "budget"),
        ({"name": "x", "budget": "NaN"}, "budget"),
        ({"name": "x", "budget": 5}, "budget"),
        ({"name": "x", "requests_per_minute": 0}, "requests_per_minute"),
        ({"name": "x", "requests_per_minute": True}, "requests_per_minute"),
        ({"name": "x", "tokens_per_minute": -1}, "tokens_per_minute"),
        ({"name": "x", "models": ["nobody-makes-it"]}, "models"),
        ({"name": "x", "models": "m-1"}, "models"),
        ({"name": "x", "ips": ["10.0.0.0/33"]}, "ips"),
        ({"name": "x", "expires_at": 1}, "expires_at"),
        ({"name": "x", "expires_at": True}, "expires_at"),
        ({"name": "x", "expires_at": 10**12}, "expires_at"),
        ({"name": "x", "budgett": "5.00"}, "budgett"),
        ({"name": "x", "account_id": "a2"}, "account_id"),
    ],
)
async def test_a_wrong_setting_is_refused_by_its_name(body: dict[str, Any], param: str) -> None:
    async with console_app() as app:
        response = await app.ask("POST", "/api/keys", json=body)
        assert response.status_code == 400, response.text
        assert response.json()["error"]["param"] == param
        assert (await app.get("/api/keys"))["data"] == []


async def test_only_what_is_sent_is_changed() -> None:
    async with console_app() as app:
        made = await app.new_key(budget="5.00", tokens_per_minute=100)
        del made["secret"]
        response = await app.ask("PATCH", f"/api/keys/{made['id']}", json={"name": "desk", "requests_per_minute": 7})
        assert response.json() == made | {"name": "desk", "requests_per_minute": 7}
        response = await app.ask("PATCH", f"/api/keys/{made['id']}", json={"tokens_per_minute": None, "budget": None})
        changed = made | {"name": "desk", "requests_per_minute": 7, "tokens_per_minute": None}
        assert response.json() == changed | {"budget": None, "budget_left": None}
        assert (await app.get("/api/keys"))["data"] == [response.json()]
        assert (await app.world.account()).key_caps == {}


async def test_a_disabled_key_serves_nothing_until_it_is_enabled() -> None:
    async with console_app() as app:
        await app.world.credit("1.00")
        made = await app.new_key()
        caller = await app.world.authenticate(made["secret"])
        path = f"/api/keys/{made['id']}"
        assert (await app.ask("PATCH", path, json={"disabled": True})).json()["status"] == "disabled"
        refused = await app.world.call(caller)
        assert refused.refused is not None
        assert refused.refused.code == "invalid_api_key"
        assert (await app.ask("PATCH", path, json={"disabled": False})).json()["status"] == "active"
        app.world.authenticator.invalidate(caller.api_key.key_hash)
        assert (await app.world.authenticate(made["secret"])).api_key.key_id == made["id"]


async def test_a_deleted_key_is_gone() -> None:
    async with console_app() as app:
        made = await app.new_key(budget="1.00")
        response = await app.ask("DELETE", f"/api/keys/{made['id']}")
        assert (response.status_code, response.content) == (204, b"")
        assert (await app.get("/api/keys"))["data"] == []
        assert_error(await app.ask("DELETE", f"/api/keys/{made['id']}"), "key_not_found", 404)
        assert (await app.world.account()).key_caps == {}


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [("PATCH", "", {"name": "x"}), ("DELETE", "", None), ("POST", "/rotate", {"overlap_s": 0})],
)
async def test_another_accounts_key_is_not_found_as_a_missing_one_is(method: str, suffix: str, body: Any) -> None:
    async with console_app() as app:
        made = await app.new_key("a2")
        answers = [
            await app.ask(method, f"/api/keys/{key_id}{suffix}", json=body)
            for key_id in (made["id"], "00000000", "x", f"{made['id']}.12345678")
        ]
        assert_error(answers[0], "key_not_found", 404)
        bodies = {response.text for response in answers[:3]}
        assert len(bodies) == 1
        assert answers[3].status_code in (400, 404)
        assert (await app.get("/api/keys"))["data"] == []
        (kept,) = (await app.get("/api/keys", "a2"))["data"]
        assert (kept["name"], kept["expires_at"]) == ("laptop", None)


async def test_without_a_session_or_our_own_pages_nothing_happens() -> None:
    async with console_app() as app:
        for method, path in (("GET", "/api/keys"), ("POST", "/api/keys"), ("POST", "/api/keys/session")):
            assert_error(await app.ask(method, path, None, json={"name": "x"}), "session_required", 401)
        foreign: dict[str, Any] = {"headers": {"origin": "https://evil.example"}, "json": {"name": "x"}}
        assert_error(await app.ask("POST", "/api/keys", **foreign), "csrf_failed", 403)
        assert (await app.get("/api/keys"))["data"] == []


async def test_a_hundred_keys_are_enough() -> None:
    async with console_app() as app:
        for number in range(100):
            await app.world.keys.issue("a1", str(number))
        response = await app.ask("POST", "/api/keys", json={"name": "x"})
        assert response.status_code == 400
        assert "100" in response.json()["error"]["message"]
        assert (await app.ask("POST", "/api/keys", "a2", json={"name": "x"})).status_code == 201


async def test_an_expired_key_says_so() -> None:
    async with console_app() as app:
        end_s = int(app.world.clock.now()) + 1
        made = await app.new_key(expires_at=end_s)
        assert (made["status"], made["expires_at"]) == ("active", end_s)
        await asyncio.sleep(2)
        assert (await app.get("/api/keys"))["data"][0]["status"] == "expired"
        assert (await app.ask("POST", f"/api/keys/{made['id']}/rotate", json={"overlap_s": 0})).status_code == 400


async def test_the_last_use_is_read_from_the_newest_calls() -> None:
    async with console_app() as app:
        used, unused = await app.new_key(), await app.new_key()
        at_s = int(app.world.clock.now())
        rows = [app.world.a_row(at_s + offset, key_id=used["id"]) for offset in (0, 30)]
        await app.world.write(*rows)
        shown = {key["id"]: key["last_used"] for key in (await app.get("/api/keys"))["data"]}
        assert shown == {used["id"]: at_s + 30, unused["id"]: None}


# --- rotation


async def rotate(app: ConsoleApp, key_id: str, overlap_s: int = 3600) -> dict[str, Any]:
    response = await app.ask("POST", f"/api/keys/{key_id}/rotate", json={"overlap_s": overlap_s})
    assert response.status_code == 201, response.text
    rotated: dict[str, Any] = response.json()
    return rotated


async def test_a_rotated_key_has_two_secrets_until_the_old_one_ends() -> None:
    async with console_app() as app:
        made = await app.new_key(requests_per_minute=60, models=["m-1"])
        now_s = int(app.world.clock.now())
        rotated = await rotate(app, made["id"])
        new, old = rotated["new"], rotated["old"]
        assert (new["id"], new["requests_per_minute"], new["models"]) == (made["id"], 60, ["m-1"])
        assert (old["last4"], old["expires_at"], old["status"]) == (made["last4"], now_s + 3600, "active")
        assert old["id"] != new["id"]
        assert new.pop("secret") not in (made["secret"], None)
        assert (await app.get("/api/keys"))["data"] == [new, old]
        await asyncio.sleep(3601)
        assert (await app.get("/api/keys"))["data"] == [new]


async def test_both_secrets_work_and_spend_one_budget() -> None:
    async with console_app() as app:
        await app.world.credit("1.00")
        made = await app.new_key(budget="0.01")
        rotated = await rotate(app, made["id"])
        for secret in (made["secret"], rotated["new"]["secret"]):
            assert (await app.world.call(await app.world.authenticate(secret))).refused is None
        spent = (await app.world.account()).charged
        assert spent > 0
        listed = (await app.get("/api/keys"))["data"]
        assert {key["budget_left"] for key in listed} == {f"0.0{10_000_000 - spent:08d}"}
        assert {row.key_id for row in await app.world.rows()} == {made["id"]}


async def test_an_overlap_of_nothing_ends_the_old_secret_at_once() -> None:
    async with console_app() as app:
        await app.world.credit("1.00")
        made = await app.new_key()
        caller = await app.world.authenticate(made["secret"])
        rotated = await rotate(app, made["id"], 0)
        refused = await app.world.call(caller)
        assert refused.refused is not None
        assert refused.refused.code == "invalid_api_key"
        assert (await app.world.call(await app.world.authenticate(rotated["new"]["secret"]))).refused is None
        assert [key["id"] for key in (await app.get("/api/keys"))["data"]] == [made["id"]]


async def test_a_new_limit_holds_for_the_old_secret_too() -> None:
    async with console_app() as app:
        await app.world.credit("1.00")
        made = await app.new_key()
        await rotate(app, made["id"])
        await app.ask("PATCH", f"/api/keys/{made['id']}", json={"budget": "0.000001", "name": "both"})
        refused = await app.world.call(await app.world.authenticate(made["secret"]))
        assert refused.refused is not None
        assert refused.refused.code == "insufficient_balance"
        assert {key["name"] for key in (await app.get("/api/keys"))["data"]} == {"both"}


@pytest.mark.parametrize("how", ["old alone", "deleted"])
async def test_an_old_secret_ends_alone_or_with_its_key(how: str) -> None:
    async with console_app() as app:
        made = await app.new_key(budget="1.00")
        old = (await rotate(app, made["id"]))["old"]
        if how == "old alone":
            assert_error(await app.ask("PATCH", f"/api/keys/{old['id']}", json={"name": "x"}), None, 400)
            assert (await app.ask("DELETE", f"/api/keys/{old['id']}")).status_code == 204
            assert_error(await app.ask("DELETE", f"/api/keys/{old['id']}"), "key_not_found", 404)
            left = [made["id"]]
        else:
            assert (await app.ask("DELETE", f"/api/keys/{made['id']}")).status_code == 204
            left = []
        assert [key["id"] for key in (await app.get("/api/keys"))["data"]] == left
        found = await app.world.key_records.list("a1")
        assert {key.status for key in found if key.replaced_by} == {"deleted"}
        assert len((await app.world.account()).key_caps) == len(left)


async def test_old_secrets_stand_below_their_key() -> None:
    async with console_app() as app:
        first = await app.new_key()
        await asyncio.sleep(1)
        second = await app.new_key()
        await asyncio.sleep(1)
        olds = [(await rotate(app, first["id"]))["old"]["id"] for _ in range(2)]
        shown = [key["id"] for key in (await app.get("/api/keys"))["data"]]
        assert (shown[0], set(shown[1:3]), shown[3]) == (first["id"], set(olds), second["id"])


async def test_disabling_stops_both_secrets_and_enabling_brings_both_back() -> None:
    async with console_app() as app:
        await app.world.credit("1.00")
        made = await app.new_key()
        rotated = await rotate(app, made["id"])
        secrets = [made["secret"], rotated["new"]["secret"]]
        callers = [await app.world.authenticate(secret) for secret in secrets]
        path = f"/api/keys/{made['id']}"
        await app.ask("PATCH", path, json={"disabled": True})
        for caller in callers:
            refused = (await app.world.call(caller)).refused
            assert refused is not None
            assert refused.code == "invalid_api_key"
        listed = (await app.get("/api/keys"))["data"]
        assert [(key["status"], key["replaced"]) for key in listed] == [("disabled", False), ("disabled", True)]
        await app.ask("PATCH", path, json={"disabled": False})
        for caller, secret in zip(callers, secrets, strict=True):
            app.world.authenticator.invalidate(caller.api_key.key_hash)
            assert (await app.world.call(await app.world.authenticate(secret))).refused is None
        await app.ask("PATCH", path, json={"disabled": True})
        assert (await app.ask("DELETE", f"/api/keys/{listed[1]['id']}")).status_code == 204
        await app.ask("PATCH", path, json={"disabled": False})
        assert [key["status"] for key in (await app.get("/api/keys"))["data"]] == ["active"]
        app.world.authenticator.invalidate(callers[0].api_key.key_hash)
        with pytest.raises(ApiKeyInvalid):
            await app.world.authenticate(secrets[0])


async def test_a_disabled_key_does_not_keep_its_old_secret_past_the_promised_end() -> None:
    async with console_app() as app:
        made = await app.new_key()
        await rotate(app, made["id"], 60)
        await app.ask("PATCH", f"/api/keys/{made['id']}", json={"disabled": True})
        await asyncio.sleep(60)
        await app.ask("PATCH", f"/api/keys/{made['id']}", json={"disabled": False})
        assert [key["id"] for key in (await app.get("/api/keys"))["data"]] == [made["id"]]
        with pytest.raises(ApiKeyInvalid):
            await app.world.authenticate(made["secret"])


async def test_each_secret_shows_its_own_last_use() -> None:
    async with console_app() as app:
        await app.world.credit("1.00")
        made = await app.new_key()
        rotated = await rotate(app, made["id"])
        new, old = rotated["new"], rotated["old"]
        assert (new["last_used"], old["last_used"]) == (None, None)
        await app.world.call(await app.world.authenticate(made["secret"]))
        by_id = {key["id"]: key["last_used"] for key in (await app.get("/api/keys"))["data"]}
        old_use_s = by_id[old["id"]]
        assert by_id == {new["id"]: None, old["id"]: old_use_s}
        assert old_use_s >= old["created"]
        await asyncio.sleep(90)
        await app.world.call(await app.world.authenticate(new["secret"]))
        by_id = {key["id"]: key["last_used"] for key in (await app.get("/api/keys"))["data"]}
        assert by_id[old["id"]] == old_use_s
        assert by_id[new["id"]] >= old_use_s + 90


async def test_a_call_of_an_unknown_secret_counts_for_each_that_may_have_made_it() -> None:
    """Swept calls, and those from before rows had the secret: an old secret must not look idle by mistake."""
    async with console_app() as app:
        made = await app.new_key()
        before_s = int(app.world.clock.now())
        await asyncio.sleep(100)
        old_id = (await rotate(app, made["id"]))["old"]["id"]
        await app.world.write(app.world.a_row(before_s, key_id=made["id"]))
        by_id = {key["id"]: key["last_used"] for key in (await app.get("/api/keys"))["data"]}
        assert by_id == {made["id"]: None, old_id: before_s}
        await app.world.write(app.world.a_row(before_s + 150, key_id=made["id"]))
        by_id = {key["id"]: key["last_used"] for key in (await app.get("/api/keys"))["data"]}
        assert by_id == {made["id"]: before_s + 150, old_id: before_s + 150}


async def test_a_key_without_a_known_call_says_since_when() -> None:
    async with console_app() as app:
        busy, quiet = await app.new_key(), await app.new_key()
        start_s = int(app.world.clock.now())
        rows = [app.world.a_row(start_s + number, key_id=busy["id"]) for number in range(LAST_USED_ROWS)]
        await app.world.write(*rows)
        shown = {key["id"]: key["unused_since"] for key in (await app.get("/api/keys"))["data"]}
        assert shown == {busy["id"]: None, quiet["id"]: quiet["created"]}
        await app.world.write(app.world.a_row(start_s + 500, key_id=busy["id"]))
        shown = {key["id"]: key["unused_since"] for key in (await app.get("/api/keys"))["data"]}
        assert shown == {busy["id"]: None, quiet["id"]: start_s + 1}


async def test_four_secrets_are_the_most_and_ended_ones_are_forgotten() -> None:
    async with console_app() as app:
        made = await app.new_key()
        for _ in range(3):
            await rotate(app, made["id"], 60)
        assert_error(await app.ask("POST", f"/api/keys/{made['id']}/rotate", json={"overlap_s": 60}), None, 400)
        await asyncio.sleep(61)
        await rotate(app, made["id"], 60)
        assert len(await app.world.key_records.list("a1")) == 2


@pytest.mark.parametrize("overlap_s", [-1, 604_801, "60", None, 1.5])
async def test_an_overlap_is_whole_seconds_of_up_to_a_week(overlap_s: Any) -> None:
    async with console_app() as app:
        made = await app.new_key()
        response = await app.ask("POST", f"/api/keys/{made['id']}/rotate", json={"overlap_s": overlap_s})
        assert assert_error(response, None, 400)["param"] == "overlap_s"


async def test_a_lost_reply_does_not_rotate_twice() -> None:
    async with console_app() as app:
        made = await app.new_key(budget="1.00")
        failing = LosesReplies(app.world)
        rotated = await rotate(app, made["id"])
        assert failing.lost == 1
        records = await app.world.key_records.list("a1")
        assert len(records) == 2
        assert (await app.world.authenticate(rotated["new"]["secret"])).api_key.key_id == made["id"]


async def test_a_lost_reply_does_not_move_a_budget_twice() -> None:
    async with console_app() as app:
        made = await app.new_key(budget="5.00")
        failing = LosesReplies(app.world)
        response = await app.ask("PATCH", f"/api/keys/{made['id']}", json={"budget": "8.00"})
        assert failing.lost == 1
        assert (response.json()["budget"], response.json()["budget_left"]) == ("8.000000000", "8.000000000")
        assert (await app.world.account()).key_caps == {made["id"]: 8 * 10**9}


class LosesReplies:
    """Carries the next transaction out and then says that nobody knows."""

    def __init__(self, world: ConsoleWorld) -> None:
        self.lost = 0
        self._driver = world.driver.driver
        world.driver.driver = self

    async def call(self, operation: str, payload: Any) -> dict[str, Any]:
        answer = await self._driver.call(operation, payload)
        if operation == "TransactWriteItems" and not self.lost:
            self.lost += 1
            raise OutcomeUnknown("the reply was lost")
        return answer


# --- budgets


async def test_a_budget_moves_by_the_difference_and_not_below_what_is_used() -> None:
    async with console_app() as app:
        await app.world.credit("10.00")
        made = await app.new_key(budget="0.01")
        assert (await app.world.call(await app.world.authenticate(made["secret"]))).refused is None
        used = (await app.world.account()).charged
        path = f"/api/keys/{made['id']}"
        raised = (await app.ask("PATCH", path, json={"budget": "1.00"})).json()
        assert raised["budget_left"] == f"0.{10**9 - used:09d}"
        refused = await app.ask("PATCH", path, json={"budget": "0.000000001"})
        error = assert_error(refused, None, 400)
        assert error["param"] == "budget"
        assert f"0.{used:09d}" in error["message"]
        lowered = (await app.ask("PATCH", path, json={"budget": f"0.{used:09d}"})).json()
        assert lowered["budget_left"] == "0.000000000"


async def test_a_budget_holds_and_ends_at_the_next_call_of_a_caller_who_is_known() -> None:
    async with console_app() as app:
        await app.world.credit("1.00")
        made = await app.new_key()
        caller, path = await app.world.authenticate(made["secret"]), f"/api/keys/{made['id']}"
        await app.ask("PATCH", path, json={"budget": "0.000001"})
        refused = (await app.world.call(caller)).refused
        assert refused is not None
        assert refused.code == "insufficient_balance"
        caller = await app.world.authenticate(made["secret"])
        await app.ask("PATCH", path, json={"budget": None})
        assert (await app.world.call(caller)).refused is None


async def test_a_budget_needs_one_of_the_accounts_64_places() -> None:
    async with console_app() as app:
        for number in range(64):
            await app.world.keys.issue("a1", str(number), budget_nano=1)
        made = await app.new_key()
        refused = await app.ask("PATCH", f"/api/keys/{made['id']}", json={"budget": "1.00"})
        assert assert_error(refused, None, 400)["param"] == "budget"
        assert "64" in refused.json()["error"]["message"]


# --- keys of the playground


async def test_a_playground_key_is_short_lived_small_and_hidden() -> None:
    async with console_app() as app:
        response = await app.ask("POST", "/api/keys/session", json={})
        assert response.status_code == 201
        made = response.json()
        assert made.keys() == {"secret", "key_id", "expires_at"}
        assert made["expires_at"] == int(app.world.clock.now()) + 1800
        assert (await app.get("/api/keys"))["data"] == []
        (shown,) = (await app.get("/api/keys", session=True))["data"]
        assert (shown["id"], shown["kind"], shown["budget"]) == (made["key_id"], "session", "1.000000000")
        for method, suffix, body in (("PATCH", "", {"expires_at": None}), ("POST", "/rotate", {"overlap_s": 0})):
            assert (await app.ask(method, f"/api/keys/{made['key_id']}{suffix}", json=body)).status_code == 400


async def test_five_playground_keys_live_and_ended_ones_leave_nothing() -> None:
    async with console_app() as app:
        made = []
        for _ in range(6):
            made.append((await app.ask("POST", "/api/keys/session", json={})).json()["key_id"])
            await asyncio.sleep(1)
        assert [key["id"] for key in (await app.get("/api/keys", session=True))["data"]] == made[:0:-1]
        assert len((await app.world.account()).key_caps) == 5
        await asyncio.sleep(1800)
        await app.ask("POST", "/api/keys/session", json={})
        assert len(await app.world.key_records.list("a1")) == 1
        assert len((await app.world.account()).key_caps) == 1


# --- when the database is away


async def test_when_the_table_is_down_a_page_may_try_again() -> None:
    async with console_app() as app:
        made = await app.new_key()
        app.world.driver.failure = StoreUnavailable("down")
        for method, path, body in (
            ("GET", "/api/keys", None),
            ("POST", "/api/keys", {"name": "x"}),
            ("PATCH", f"/api/keys/{made['id']}", {"name": "x"}),
            ("DELETE", f"/api/keys/{made['id']}", None),
        ):
            response = await app.ask(method, path, json=body)
            assert_error(response, "ledger_unavailable", 503)
            assert response.headers["cache-control"] == "no-store"
