"""Hypothesis against the real ledger: any order of any steps does what a few dictionaries say."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from multiconnection.ledger.credit import CreditRefused
from multiconnection.ledger.models import ACTIVE, FROZEN, SUSPENDED, Hold
from multiconnection.ledger.reserve import activity_bucket
from multiconnection.ledger.store import AccountRefused

from .at_once import at_once
from .machine import ACCOUNT, IN_FLIGHT_MAX, BooksMachine
from .scenarios import simulate

EXAMPLES = 200
AMOUNTS = st.integers(0, 60)


class LedgerMachine(BooksMachine):
    """Any order of any steps; amounts and times are small, so that they meet."""

    live = Bundle("live")
    done = Bundle("done")
    capped_keys = BooksMachine.capped_keys
    known_credits = Bundle("known_credits")

    @rule(target=known_credits, amount=st.integers(1, 200))
    def credit(self, amount: int) -> tuple[str, int]:
        credit_id = self.name("c")
        at_once(self.ledger.credit(self.credit_row(credit_id, amount, "order")))
        self.model.credit(credit_id, amount)
        return credit_id, amount

    @rule(known=known_credits, more=st.integers(-1, 3))
    def credit_again(self, known: tuple[str, int], more: int) -> None:
        """The same id moves nothing again, and is no other amount's."""
        row = self.credit_row(known[0], max(1, known[1] + more), "order")
        if row.amount == known[1]:
            assert at_once(self.ledger.credit(row)).amount == known[1]
        else:
            with pytest.raises(CreditRefused):
                at_once(self.ledger.credit(row))

    @rule(amount=st.integers(1, 200))
    def take(self, amount: int) -> None:
        row = self.credit_row(self.name("t"), -amount, "adjustment")
        if amount > self.model.avail:
            with pytest.raises(CreditRefused):
                at_once(self.ledger.credit(row))
        else:
            at_once(self.ledger.credit(row))
            self.model.credit(row.credit_id, -amount)

    @rule(target=capped_keys, budget=st.integers(1, 100))
    def create_another_capped_key(self, budget: int) -> str:
        return self.create_capped_key(budget)

    @rule(key_id=consumes(capped_keys))
    def delete_capped_key(self, key_id: str) -> None:
        at_once(self.keys.delete(ACCOUNT, key_id))
        del self.model.caps[key_id]
        self.model.key_epoch += 1
        self.model.version += 1

    @rule(target=live, amount=AMOUNTS, lasts_s=st.integers(10, 300), stale=st.sampled_from((0, 0, 0, 0, 0, 1)))
    def reserve(self, amount: int, lasts_s: int, stale: int) -> Any:
        return self.reserved(self.hold(amount, lasts_s, "keyUNcap", capped=False), stale)

    @rule(target=live, amount=AMOUNTS, lasts_s=st.integers(10, 300), key_id=capped_keys)
    def reserve_with_a_capped_key(self, amount: int, lasts_s: int, key_id: str) -> Any:
        return self.reserved(self.hold(amount, lasts_s, key_id, capped=True), 0)

    @rule(hold=live)
    def reserve_again(self, hold: Hold) -> None:
        """A live hold is recognised as an earlier attempt's; one that ended, or was born anew, is not reserved here."""
        if self.lives(hold):
            assert self.attempt(hold, 0).birth == hold.birth

    @rule(target=live, hold=done)
    def deliver_a_reserve_again(self, hold: Hold) -> Any:
        """The delayed duplicate, after the end of its call."""
        if hold.hold_id in self.model.holds:
            return multiple()
        try:
            image = at_once(
                self.store.reserve(
                    hold,
                    key_epoch=self.model.key_epoch,
                    in_flight_max=IN_FLIGHT_MAX,
                    activity_bucket=activity_bucket(self.counting.at_s),
                )
            )
        except AccountRefused:
            assert self.refusal(hold, 0) is not None
            return multiple()
        self.model_reserve(hold)
        return image.holds[hold.hold_id]

    @rule(target=done, hold=consumes(live), cost=st.integers(0, 90))
    def settle(self, hold: Hold, cost: int) -> Hold:
        """Also of a hold that the sweeper has ended: its row stands."""
        settlement = simulate(self.ledger.settle(hold, self.row(hold, cost)))
        standing = self.model.decide(hold.hold_id, min(cost, hold.amount), hold.birth)
        assert (settlement.row.cost, settlement.row.birth) == standing
        if self.lives(hold):
            self.model.apply(hold.hold_id)
        self.model_sweep(2)
        return hold

    @rule(hold=done, cost=st.integers(0, 90))
    def settle_again(self, hold: Hold, cost: int) -> None:
        settlement = simulate(self.ledger.settle(hold, self.row(hold, cost)))
        assert (settlement.row.cost, settlement.row.birth) == self.model.rows[hold.hold_id]
        self.model_sweep(2)

    @rule(hold=done, cost=st.integers(0, 90))
    def replay(self, hold: Hold, cost: int) -> None:
        """A message that comes when all is over."""
        if not self.lives(hold):
            assert simulate(self.ledger.replay(self.row(hold, min(cost, hold.amount))))

    @rule(seconds=st.integers(1, 200))
    def wait(self, seconds: int) -> None:
        self.counting.at_s += seconds

    @rule()
    def sweep(self) -> None:
        idle = not self.model.holds
        before = at_once(self.store.account(ACCOUNT))
        assert before is not None
        swept = at_once(self.ledger.sweep(ACCOUNT))
        ended = self.model_sweep(len(self.model.holds))
        assert (swept.ended, swept.failed, swept.waiting) == (ended, 0, len(self.model.holds))
        bucket = before.activity_bucket
        if idle and bucket is not None and bucket < activity_bucket(self.counting.at_s):
            # It leaves the index, which is a change like any other.
            self.model.version += 1

    @rule(status=st.sampled_from((ACTIVE, ACTIVE, ACTIVE, SUSPENDED, FROZEN)))
    def change_status(self, status: str) -> None:
        self.set_status(status)

    @invariant()
    def the_books_are_as_the_model_says(self) -> None:
        image = at_once(self.store.account(ACCOUNT))
        assert image is not None
        assert self.model.differences(image) == []
        assert self.auditor.violations == []
        report = at_once(self.ledger.reconcile(ACCOUNT))
        assert report is not None
        assert (report.drift, report.verified, report.usage_rows) == (0, True, len(self.model.rows))
        assert "invariant_breached" not in self.alarms.names()


def test_the_ledger_does_what_the_model_says() -> None:
    run_state_machine_as_test(
        LedgerMachine, settings=settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None, derandomize=True)
    )
