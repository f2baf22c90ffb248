"""One call and every fault at every I/O of it, alone and in pairs."""

import pytest

from .faults import EVERY_FAULT, Fault, FaultsAt, FaultsNamed, Kind
from .scenarios import (
    AMOUNT,
    COST,
    EARLY_S,
    FUNDS,
    SWEEPS_S,
    every_fault_at_every_io,
    one_call,
    second_faults,
    simulate,
    single_fault_violations,
)

IOS = ("UpdateItem Balances", "upstream", "PutItem Usage", "UpdateItem Balances")


def test_a_call_without_faults_is_four_ios_and_charged_its_cost() -> None:
    # when
    found = simulate(one_call(FaultsAt({})))
    # then
    assert found.ios == IOS
    assert found.verdict.violations == ()
    assert (found.available, found.charged) == (FUNDS - COST, COST)


@pytest.mark.parametrize("cost", [0, AMOUNT - 1, AMOUNT, AMOUNT + 1, 10**15])
def test_a_cost_is_charged_up_to_the_hold(cost: int) -> None:
    found = simulate(one_call(FaultsAt({}), cost=cost))
    assert found.verdict.violations == ()
    assert found.charged == min(cost, AMOUNT)


def test_every_fault_at_every_io() -> None:
    cases = list(every_fault_at_every_io())
    assert len(cases) == len(IOS) * len(EVERY_FAULT)
    for number, fault in cases:
        assert single_fault_violations(number, fault) == (), (number, fault)


@pytest.mark.parametrize("first", EVERY_FAULT, ids=lambda fault: f"{fault.kind}-{fault.later_s:g}")
def test_every_pair_of_faults(first: Fault) -> None:
    # given
    pairs = [pair for number in range(len(IOS)) for pair in second_faults({number: first})]
    for pair in pairs:
        # when
        found = simulate(one_call(FaultsAt(pair)))
        # then
        assert found.verdict.violations == (), pair
    # What is refused for good is not tried again, so fewer I/Os follow.
    follow = 3 if first.kind is Kind.REJECTED else 6
    assert first.is_crash or len(pairs) >= follow * len(EVERY_FAULT)


@pytest.mark.parametrize("fault", [Fault(), *EVERY_FAULT], ids=lambda fault: f"{fault.kind}-{fault.later_s:g}")
def test_every_fault_while_sweepers_with_wrong_clocks_run(fault: Fault) -> None:
    deciders = set()
    for skew_s in (EARLY_S, -EARLY_S):
        for number in range(len(IOS)):
            for sweep_at_s in SWEEPS_S:
                # when
                found = simulate(one_call(FaultsAt({number: fault}), sweep_at_s=sweep_at_s, skew_s=skew_s))
                # then
                assert found.verdict.violations == (), (number, skew_s, sweep_at_s)
                if found.record.settlement is not None:
                    deciders.add(found.record.settlement.row.decided_by)
    assert deciders == (set() if fault.is_crash else {"gateway", "sweeper"})


@pytest.mark.parametrize("kind", [Kind.THROTTLED, Kind.REFUSED, Kind.LOST, Kind.REJECTED])
def test_a_usage_table_that_is_down_sends_the_decision_to_the_queue(kind: Kind) -> None:
    charged = set()
    for seed in range(20):
        # when the table refuses this call's decisions, and the message comes up to three times
        found = simulate(one_call(FaultsNamed({"PutItem Usage": Fault(kind)}), seed=seed))
        # then either the message or, where it came too late, the sweeper decided
        assert found.ios[-1] == "SendMessage"
        assert found.verdict.violations == ()
        assert found.record.settlement is not None
        assert not found.record.settlement.decided
        charged.add(found.charged)
    assert charged <= {0, COST}
    assert COST in charged


@pytest.mark.parametrize("send", EVERY_FAULT, ids=lambda fault: f"{fault.kind}-{fault.later_s:g}")
def test_usage_table_and_queue_down_leave_the_call_to_the_sweeper(send: Fault) -> None:
    plan = FaultsNamed({"PutItem Usage": Fault(Kind.THROTTLED), "SendMessage": send})
    assert simulate(one_call(plan)).verdict.violations == ()


def test_a_balance_that_is_throttled_for_a_minute_is_charged_by_the_sweeper() -> None:
    # given a reserve that works and, after it, nothing but throttling of the account
    plan = FaultsAt({number: Fault(Kind.THROTTLED) for number in range(3, 20)})
    # when
    found = simulate(one_call(plan))
    # then
    assert found.verdict.violations == ()
    assert found.record.settlement is not None
    assert (found.record.settlement.decided, found.record.settlement.applied) == (True, False)
    assert found.charged == COST
