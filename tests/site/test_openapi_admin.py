"""What the document says about the administrators' API is what its routes take and answer."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from multiconnection.credits.schemas import AdjustBody
from multiconnection.ledger.reconcile import ReconcileReport
from multiconnection.orders.routes import reviewed_object
from multiconnection.orders.schemas import ApproveBody, RejectBody
from multiconnection.reports.models import summary
from multiconnection.reports.schemas import ReconciliationBody
from multiconnection.site.openapi.schemas import ALL
from multiconnection.web.validation import MaybeReasonBody, ReasonBody
from tests.support.admin_world import ADMIN, SECOND, USER, AdminApp, AdminWorld
from tests.support.orders_world import OrdersWorld

BODIES: Mapping[str, type[BaseModel]] = {
    "Approval": ApproveBody,
    "Reason": RejectBody,
    "MaybeReason": MaybeReasonBody,
    "AdjustmentRequest": AdjustBody,
    "ReconciliationRequest": ReconciliationBody,
}
KINDS: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "money": (str,),
    "int": (int,),
    "time": (int,),
    "num": (int, float),
    "bool": (bool,),
    "map": (dict,),
}
ACCOUNT = f"accounts/{USER.account_id}"


def untrue(name: str, answer: Mapping[str, Any]) -> list[str]:
    """What of an answer the document does not have, or has otherwise; `object` goes without saying."""
    fields = {field.rstrip("*"): notation for field, notation in ALL[name].items()}
    unknown = [f"{name}.{member}: not documented" for member in answer.keys() - fields.keys() - {"object"}]
    missing = [
        f"{name}.{field[:-1]}: missing" for field in ALL[name] if field.endswith("*") and field[:-1] not in answer
    ]
    wrong = [
        each
        for field, kind in fields.items()
        if field in answer
        for each in mismatch(f"{name}.{field}", kind, answer[field])
    ]
    return unknown + missing + wrong


def mismatch(where: str, notation: str, value: Any) -> list[str]:
    if notation.endswith("?"):
        return [] if value is None else mismatch(where, notation[:-1], value)
    if notation.startswith("["):
        return [each for item in value for each in mismatch(where, notation[1:-1], item)]
    if notation in ALL:
        return untrue(notation, value)
    fits = value in notation.split("|") if "|" in notation else type(value) in KINDS[notation]
    return [] if fits else [f"{where}: {value!r} is not {notation}"]


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_documented_as_it_is_taken(name: str) -> None:
    taken = BODIES[name].model_fields
    assert {field.rstrip("*") for field in ALL[name]} == set(taken)
    assert {field[:-1] for field in ALL[name] if field.endswith("*")} == {
        field for field, info in taken.items() if info.is_required()
    }


def test_every_reason_is_the_same_body() -> None:
    assert set(ReasonBody.model_fields) == set(RejectBody.model_fields)


async def test_answers_about_accounts_are_documented() -> None:
    world = AdminWorld()
    app = AdminApp(world)
    await world.open()
    await world.keys.issue(USER.account_id, "production")
    large = {"amount": "150", "reason": "contract", "client_token": "client-token"}
    proposed = await app.post(f"{ACCOUNT}/adjust", large)
    waiting = await app.get("adjustments")
    decided = await app.post(f"adjustments/{proposed['adjustment']['id']}/approve", user=SECOND)
    dossier = await app.get(ACCOUNT)
    assert dossier["keys"]
    assert dossier["credits"]
    assert untrue("AdminAccountList", await app.get("accounts")) == []
    assert untrue("AdminAccount", dossier) == []
    assert untrue("AdminAccountSummary", await app.post(f"{ACCOUNT}/suspend", {"reason": "why"})) == []
    assert untrue("AdjustmentAnswer", proposed) == []
    assert untrue("AdjustmentList", waiting) == []
    assert untrue("AdjustmentAnswer", decided) == []
    assert waiting["data"]


async def test_answers_about_the_books_and_the_log_are_documented() -> None:
    world = AdminWorld()
    app = AdminApp(world)
    await world.open()
    await world.publish()
    await world.called(int(world.clock.now()) - 60)
    for group in ("day", "model", "account"):
        found = await app.get(f"revenue?group={group}")
        assert found["rows"]
        assert untrue("Revenue", found) == []
    assert untrue("Reconciliation", await app.get("reconciliation")) == []
    assert untrue("Reconciliation", await app.post("reconciliation")) == []
    report = ReconcileReport("acct_1", False, 0, 0, 0, 0, 0, 0, 1, 0, 5, 0, ("a rule",))
    await world.reports.put_reconciliation(summary([report], 1))
    found = await app.get("reconciliation")
    assert found["findings"]
    assert untrue("Reconciliation", found) == []
    log = await app.get("audit")
    assert log["data"]
    assert untrue("AuditList", log) == []


async def test_answers_about_orders_are_documented() -> None:
    world = OrdersWorld()
    waiting = await world.decisions.reviewed(await world.in_review())
    assert untrue("AdminOrder", reviewed_object(waiting)) == []
    await world.open_account()
    decided = await world.decisions.reviewed(await world.approved(waiting.order, ADMIN))
    assert untrue("AdminOrder", reviewed_object(decided)) == []
    await world.stop()
