"""The log: newest first across months, filtered, page by page; nothing in it is ever written twice or changed."""

import asyncio
from typing import Any

import pytest

from multiconnection.audit.log import AuditEntry, AuditFilter, AuditTable, put_once
from multiconnection.observability.logging import begin_correlation
from tests.support.admin_world import ADMIN, SECOND, AdminApp, AdminWorld

pytestmark = pytest.mark.virtual_time


MONTH_S = 31 * 86_400
NO_FILTER = AuditFilter()


async def record(world: AdminWorld, subject: str, actor: str = ADMIN.email, action: str = "order.approved") -> None:
    await world.log.record(actor, action, subject, {"status": "in_review"}, {"status": "approved"}, "paid")


async def pages(app: AdminApp, query: str = "") -> list[list[str]]:
    """The subjects of each page, until there is no next one."""
    found, cursor = [], ""
    for _ in range(50):
        page = await app.get(f"audit?limit=2{query}{cursor}")
        found.append([entry["subject"] for entry in page["data"]])
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"
    raise AssertionError("the list has no end")


async def test_an_entry_says_who_did_what_when_why_and_in_which_request() -> None:
    world = AdminWorld()
    begin_correlation("req_0123456789ab")
    await record(world, "ord_1")
    (entry,) = (await AdminApp(world).get("audit"))["data"]
    assert entry.pop("id").startswith("aud_")
    assert entry == {
        "object": "audit_entry",
        "at": 1_800_000_000,
        "actor": ADMIN.email,
        "action": "order.approved",
        "subject": "ord_1",
        "before": {"status": "in_review"},
        "after": {"status": "approved"},
        "reason": "paid",
        "request_id": "req_0123456789ab",
    }


async def test_newest_first_over_months_without_an_entry() -> None:
    world = AdminWorld()
    for number in range(5):
        await record(world, f"s{number}")
        await asyncio.sleep(MONTH_S * (3 if number == 2 else 1) if number % 2 == 0 else 0)
    found = await pages(AdminApp(world))
    assert [subject for page in found for subject in page] == ["s4", "s3", "s2", "s1", "s0"]


async def test_filters_by_actor_and_by_the_beginning_of_an_action() -> None:
    world = AdminWorld()
    for number in range(6):
        actor, action = (ADMIN.email, "order.approved") if number % 2 else (SECOND.email, "order.rejected")
        await record(world, f"s{number}", actor, action)
    await record(world, "price", ADMIN.email, "model.price")
    app = AdminApp(world)
    for query, expected in (
        (f"&actor={SECOND.email}", ["s4", "s2", "s0"]),
        ("&action=order", ["s5", "s4", "s3", "s2", "s1", "s0"]),
        ("&action=order.approved", ["s5", "s3", "s1"]),
        (f"&actor={SECOND.email}&action=model", []),
    ):
        found = await pages(app, query)
        assert [subject for page in found for subject in page] == expected
        assert max(len(page) for page in found) <= 2


async def test_a_cursor_that_is_none() -> None:
    app = AdminApp(AdminWorld())
    for cursor in ("x", "aud_", "aud_%00", "adj_" + "0" * 14):
        assert (await app.refused(f"audit?cursor={cursor}", method="GET"))[0] == 400


async def test_an_entry_is_written_once_and_never_over_another() -> None:
    world = AdminWorld()
    entry = world.entries.of("a", "b", "c", {}, {}, "first")
    await world.log.append(entry)
    changed = AuditEntry(**{name: getattr(entry, name) for name in AuditEntry.__slots__} | {"reason": "second"})
    await world.log.append(changed)
    (found,) = (await world.audit.page(None, NO_FILTER, 10)).entries
    assert found.reason == "first"


class OnlyPuts:
    """A database that would say whether anything is ever changed or removed."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    async def call(self, operation: str, payload: Any) -> dict[str, Any]:
        self.asked.append((operation, payload))
        return {"Items": [], "ScannedCount": 0}


async def test_the_table_knows_no_update_and_no_delete() -> None:
    world, driver = AdminWorld(), OnlyPuts()
    table = AuditTable(driver, "audit", world.entries)
    await table.record("a", "b", "c", {}, {})
    await table.page("aud_" + "0" * 14, NO_FILTER, 1)
    assert {operation for operation, _ in driver.asked} == {"PutItem", "Query"}
    assert all(
        "attribute_not_exists" in payload["ConditionExpression"] for name, payload in driver.asked if name == "PutItem"
    )


@pytest.mark.parametrize("name", ["before", "after"])
async def test_what_cannot_be_written_as_json_is_a_defect_and_no_empty_entry(name: str) -> None:
    world = AdminWorld()
    facts: dict[str, dict[str, object]] = {"before": {}, "after": {}} | {name: {"x": object()}}
    with pytest.raises(TypeError):
        put_once("audit", world.entries.of("a", "b", "c", facts["before"], facts["after"]))
