"""What the state machine stands on: one ledger, its model beside it, and the steps that every rule uses."""

from typing import Any

import pytest
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
)

from multiconnection.keys.service import KeyService
from multiconnection.keys.store import KeysTable
from multiconnection.ledger.dynamo import DynamoStore
from multiconnection.ledger.ledger import Ledger, Margins
from multiconnection.ledger.models import AccountLimits, CreditRow, Hold, UsageRow
from multiconnection.ledger.reserve import ReserveRefused
from multiconnection.usage import Ended, Usage, UsageSource
from tools.memory_dynamo.driver import MemoryDynamo

from .at_once import AtOnce, at_once
from .audit import BALANCES, KEYS, TABLES, Auditor
from .model import Model, ModelHold
from .world import LEDGER_TABLES, Alarms, model_name

ACCOUNT, IN_FLIGHT_MAX, START_S = "account", 4, 1_800_000_000
FUNDS, SWEEP_MARGIN_S = 200, 60


class Counting:
    """Clock and chance of the machine: both only ever count up."""

    def __init__(self) -> None:
        self.at_s = float(START_S)
        self._drawn = 0

    def now(self) -> float:
        return self.at_s

    def below(self, bound: int) -> int:
        self._drawn += 1
        return self._drawn % bound


class NoQueue:
    def message(self, row: UsageRow) -> str:
        raise AssertionError("nothing fails here, so nothing is lost")

    async def send(self, row: UsageRow) -> None:
        raise AssertionError("nothing fails here, so nothing is queued")


class BooksMachine(RuleBasedStateMachine):
    """Nothing fails, so every step is over at once; the faults are the simulation's part."""

    capped_keys = Bundle("capped_keys")

    @initialize(target=capped_keys)
    def open(self) -> str:
        self.auditor = Auditor(MemoryDynamo(TABLES), IN_FLIGHT_MAX)
        self.model = Model(IN_FLIGHT_MAX)
        self.counting = Counting()
        self.alarms = Alarms()
        self.names = 0
        driver = AtOnce(self.auditor)
        self.store = DynamoStore(driver, LEDGER_TABLES)
        self.keys = KeyService(KeysTable(driver, KEYS, BALANCES), self.store, self.counting, self.counting)
        self.ledger = Ledger(
            self.store,
            NoQueue(),
            self.alarms,
            self.counting,
            self.counting,
            model_name,
            Margins(sweep_s=SWEEP_MARGIN_S),
        )
        at_once(self.ledger.create_account(ACCOUNT, "name", AccountLimits()))
        at_once(self.ledger.credit(self.credit_row("opening", FUNDS, "grant")))
        self.model.credit("opening", FUNDS)
        return self.create_capped_key(FUNDS // 2)

    def create_capped_key(self, budget: int) -> str:
        key, _ = at_once(self.keys.issue(ACCOUNT, "key", budget_nano=budget))
        self.model.caps[key.key_id] = budget
        self.model.version += 1
        return key.key_id

    def name(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    def set_status(self, status: str) -> None:
        at_once(self.store.set_status(ACCOUNT, status))
        self.model.status = status
        self.model.version += 1

    def lives(self, hold: Hold) -> bool:
        live = self.model.holds.get(hold.hold_id)
        return live is not None and live.birth == hold.birth

    def hold(self, amount: int, lasts_s: int, key_id: str, *, capped: bool) -> Hold:
        expires_s = int(self.counting.at_s) + lasts_s
        return Hold(ACCOUNT, self.name("h"), amount, expires_s, key_id, capped, "g4o", 1)

    def reserved(self, hold: Hold, stale: int) -> Any:
        """The hold with its birth for the bundle, or nothing where the model says that it is refused."""
        refusal = self.refusal(hold, stale)
        if refusal is None:
            written = self.attempt(hold, stale)
            self.model_reserve(hold)
            return written
        with pytest.raises(ReserveRefused) as refused:
            self.attempt(hold, stale)
        assert refused.value.refusal is refusal
        return multiple()

    def attempt(self, hold: Hold, stale: int) -> Hold:
        epoch = self.model.key_epoch - stale
        return at_once(self.ledger.reserve(hold, key_epoch=epoch, in_flight_max=IN_FLIGHT_MAX)).hold

    def refusal(self, hold: Hold, stale: int) -> Any:
        return self.model.refusal(hold.amount, hold.key_id, hold.capped, self.model.key_epoch - stale)

    def model_reserve(self, hold: Hold) -> None:
        self.model.reserve(hold.hold_id, ModelHold(hold.amount, 0, hold.key_id, hold.capped, hold.expires_s))

    def model_sweep(self, holds_max: int) -> int:
        """The oldest expired holds end, at no cost unless a decision stands."""
        due = self.model.expired(self.counting.at_s - SWEEP_MARGIN_S)
        due = sorted(due, key=lambda hold_id: self.model.holds[hold_id].expires_s)[:holds_max]
        for hold_id in due:
            self.model.decide(hold_id, 0, self.model.holds[hold_id].birth)
            self.model.apply(hold_id)
        return len(due)

    def row(self, hold: Hold, cost: int) -> UsageRow:
        return UsageRow(
            account_id=ACCOUNT,
            hold_id=hold.hold_id,
            birth=hold.birth,
            hold=hold.amount,
            cost=cost,
            overrun=0,
            key_id=hold.key_id,
            model="gpt-4o",
            price_version=1,
            usage=Usage(output=cost),
            usage_source=UsageSource.UPSTREAM,
            ended=Ended.COMPLETE,
            decided_by="gateway",
            created_ms=int(self.counting.at_s * 1000),
        )

    def credit_row(self, credit_id: str, amount: int, kind: str) -> CreditRow:
        return CreditRow(ACCOUNT, credit_id, amount, kind, "test", "admin", int(self.counting.at_s * 1000))
