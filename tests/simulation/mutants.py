"""The product with one mistake in it: each a patch of a request builder or of a step of the protocol."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, TypeVar

import pytest

from multiconnection import retry
from multiconnection.ledger import items as ledger_items
from multiconnection.ledger import reserve, settle, sweep
from multiconnection.ledger.ledger import Ledger
from multiconnection.ledger.models import Account, Hold, UsageRow
from multiconnection.ledger.reserve import ReserveRefusal, ReserveRefused
from multiconnection.ledger.store import AccountRefused, FallbackQueue, Store
from multiconnection.retry import Retry, StoreError, StoreThrottled, StoreUnavailable

T = TypeVar("T")
Patch = Callable[[pytest.MonkeyPatch], None]
Decide = Callable[[Store, Retry, UsageRow], Awaitable[UsageRow]]
_EXPRESSIONS = ("ConditionExpression", "UpdateExpression")


@dataclass(frozen=True, slots=True)
class Mutant:
    mistake: str
    patch: Patch


def edit(module: ModuleType, builder: str, old: str, new: str = "") -> Patch:
    """A builder whose expressions say `new` for `old`; a text that is not there fails, not passes."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        build: Callable[..., Mapping[str, Any]] = getattr(module, builder)

        def mutated(*args: Any, **kwargs: Any) -> Mapping[str, Any]:
            return _edited(build(*args, **kwargs), old, new)

        monkeypatch.setattr(module, builder, mutated)

    return patch


def _edited(request: Mapping[str, Any], old: str, new: str) -> Mapping[str, Any]:
    """Builders leave parts out that a request does not need: `#k` of an uncapped key, `:least` of a credit."""
    edited = dict(request)
    for name in _EXPRESSIONS:
        if name in edited:
            edited[name] = edited[name].replace(old, new)
    if not edited.get("ConditionExpression", "-"):
        del edited["ConditionExpression"], edited["ReturnValuesOnConditionCheckFailure"]
    said = " ".join(edited.get(name, "") for name in _EXPRESSIONS)
    for members in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        if members in edited:
            edited[members] = {key: value for key, value in edited[members].items() if re.search(rf"{key}\b", said)}
    return edited


def _apply_the_local_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    decide: Decide = settle.decide

    async def mutated(store: Store, retry: Retry, row: UsageRow) -> UsageRow:
        await decide(store, retry, row)
        return row

    monkeypatch.setattr(settle, "decide", mutated)


def _sweep_without_a_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    async def mutated(store: Store, retry: Retry, row: UsageRow) -> UsageRow:
        return row

    monkeypatch.setattr(sweep, "decide", mutated)


def _charge_whatever_the_birth(monkeypatch: pytest.MonkeyPatch) -> None:
    apply = settle.apply

    async def mutated(store: Store, retry: Retry, hold: Hold, row: UsageRow) -> Account | None:
        return await apply(store, retry, hold, replace(row, birth=hold.birth))

    monkeypatch.setattr(settle, "apply", mutated)
    monkeypatch.setattr(sweep, "apply", mutated)


def _own_attempt_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def mutated(exc: AccountRefused, hold: Hold, key_epoch: int, in_flight_max: int) -> Account:
        raise ReserveRefused(ReserveRefusal.CONFLICT, exc.image)

    monkeypatch.setattr(reserve, "_own_earlier_attempt", mutated)


def _unknown_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "TRANSIENT", (StoreThrottled, StoreUnavailable))


def _sweep_live_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    def mutated(image: Account, now_s: float, margin_s: float) -> list[Hold]:
        return list(image.holds.values())

    monkeypatch.setattr(sweep, "expired", mutated)


def _drop_queued_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    async def mutated(self: Ledger, row: UsageRow) -> bool:
        return True

    monkeypatch.setattr(Ledger, "replay", mutated)


def _charge_any_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "bounded", lambda row: row)


def _a_missing_right_loses_the_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if only errors that pass by themselves led to the queue."""
    enqueue = settle.enqueue

    async def mutated(retry_: Retry, queue: FallbackQueue, row: UsageRow, cause: StoreError) -> None:
        if not isinstance(cause, retry.TRANSIENT):
            raise cause
        await enqueue(retry_, queue, row, cause)

    monkeypatch.setattr(settle, "enqueue", mutated)


def _the_queue_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async def mutated(retry_: Retry, queue: FallbackQueue, row: UsageRow, cause: StoreError) -> None:
        return

    monkeypatch.setattr(settle, "enqueue", mutated)


def _settle_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def mutated(ends_s: float, operation: Awaitable[T]) -> T:
        return await operation

    monkeypatch.setattr(settle, "answered_by", mutated)


def _the_table_takes_the_queues_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "QUEUE_SHARE", 0.0)


def _never_without_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "_still_held", lambda image, hold: False)


_NOT_EXISTS = "attribute_not_exists(account_id)"
MUTANTS = (
    Mutant("reserve without the funds condition", edit(ledger_items, "reserve", " AND avail >= :a")),
    Mutant("reserve without the status condition", edit(ledger_items, "reserve", "#st = :active AND ")),
    Mutant("reserve without the key epoch condition", edit(ledger_items, "reserve", " AND ke = :ke")),
    Mutant("reserve without the in-flight condition", edit(ledger_items, "reserve", " AND nh < :max")),
    Mutant("reserve over a live hold", edit(ledger_items, "reserve", " AND attribute_not_exists(#h)")),
    Mutant("reserve without the budget condition", edit(ledger_items, "reserve", " AND #k >= :a")),
    Mutant("reserve that leaves the budget alone", edit(ledger_items, "reserve", ", #k = #k - :a")),
    Mutant("reserve that does not count", edit(ledger_items, "reserve", ", nh = nh + :one")),
    Mutant("reserve without a new version", edit(ledger_items, "reserve", ", v = v + :one")),
    Mutant("reserve whose sign is flipped", edit(ledger_items, "reserve", "avail - :a", "avail + :a")),
    Mutant("reserve that hides from the sweeper", edit(ledger_items, "reserve", ", activity_shard = :as")),
    Mutant("reserve that does not know its own attempt", _own_attempt_unknown),
    Mutant("apply without the birth fence", edit(ledger_items, "apply", "#b = :bv", "attribute_exists(#b)")),
    Mutant("apply without a hold", edit(ledger_items, "apply", "#b = :bv", "attribute_exists(account_id)")),
    Mutant("apply that charges whatever the birth", _charge_whatever_the_birth),
    Mutant("apply of the local cost", _apply_the_local_cost),
    Mutant("apply that keeps the rest", edit(ledger_items, "apply", "avail + :rest", "avail - :rest")),
    Mutant("apply that pays instead of charging", edit(ledger_items, "apply", "charged + :c", "charged - :c")),
    Mutant("apply that holds more", edit(ledger_items, "apply", "held - :a", "held + :a")),
    Mutant("apply that counts up", edit(ledger_items, "apply", "nh - :one", "nh + :one")),
    Mutant("apply without a new version", edit(ledger_items, "apply", ", v = v + :one")),
    Mutant("apply that forgets the birth", edit(ledger_items, "apply", "REMOVE #h, #b", "REMOVE #h")),
    Mutant("apply that gives nothing back to the budget", edit(ledger_items, "apply", ", #k = #k + :rest")),
    Mutant("apply that needs a budget", _never_without_budget),
    Mutant("decide that overwrites", edit(ledger_items, "decide", _NOT_EXISTS)),
    Mutant("decide any cost", _charge_any_cost),
    Mutant("sweep without a decision row", _sweep_without_a_decision),
    Mutant("sweep of live holds", _sweep_live_holds),
    Mutant("idle in spite of live holds", edit(ledger_items, "forget_activity", " AND nh = :zero")),
    Mutant("credit as often as asked", edit(ledger_items, "put_once", _NOT_EXISTS)),
    Mutant("credit that takes more than there is", edit(ledger_items, "credit", " AND avail >= :least")),
    Mutant("credit whose sign is flipped", edit(ledger_items, "credit", "avail + :x", "avail - :x")),
    Mutant("an unknown outcome is final", _unknown_is_final),
    Mutant("queued decisions are dropped", _drop_queued_decisions),
    Mutant("a missing right loses the decision", _a_missing_right_loses_the_decision),
    Mutant("the queue is forgotten", _the_queue_is_forgotten),
    Mutant("a settlement without an end", _settle_without_an_end),
    Mutant("the table takes the queue's time", _the_table_takes_the_queues_time),
)
