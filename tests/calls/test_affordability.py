"""What a refusal about money says, and that a program which follows it is served."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection.calls.reservation import Funds, is_about_funds, refusal_error, shortened
from multiconnection.catalog.bounds import OUTPUT_TOKENS_MIN, CostBound
from multiconnection.errors import (
    AccountSuspended,
    ApiKeyInvalid,
    GatewayError,
    InsufficientBalance,
    LedgerUnavailable,
    RateLimited,
)
from multiconnection.ledger.models import ACTIVE, Account, Hold
from multiconnection.ledger.reserve import ReserveRefusal, ReserveRefused
from multiconnection.money import usd_to_nano

pytestmark = pytest.mark.virtual_time


# 100 n$ for the input, 1 n$ for each token of the answer.
BOUND = CostBound(fixed_pico=100_000, per_token_pico=1000, output_tokens=1000)


def image(available: int, caps: dict[str, int] | None = None, **held: int) -> Account:
    """`held` by key id."""
    holds = {
        f"h{key_id}": Hold("a1", f"h{key_id}", amount, 0, key_id, capped=True, model_code="m01", price_version=1)
        for key_id, amount in held.items()
    }
    total = sum(held.values())
    return Account(
        "a1", available + total, available, total, 0, len(holds), 1, ACTIVE, 0, holds=holds, key_caps=caps or {}
    )


def funds(available: int, potential: int | None = None) -> Funds:
    return Funds(available, available if potential is None else potential, "account_balance")


def test_the_account_is_what_counts_for_a_key_without_a_budget() -> None:
    assert Funds.of(image(50, {"k1": 10}, k1=5, k2=7), "k1", capped=False) == Funds(50, 62, "account_balance")


def test_a_budget_that_is_tighter_is_what_counts_and_only_that_keys_calls_can_give_back() -> None:
    assert Funds.of(image(50, {"k1": 10}, k1=5, k2=7), "k1", capped=True) == Funds(10, 15, "key_budget")


def test_a_balance_that_is_tighter_than_the_budget_is_what_counts() -> None:
    assert Funds.of(image(10, {"k1": 50}, k1=5, k2=7), "k1", capped=True) == Funds(10, 22, "account_balance")


def test_calls_in_flight_never_promise_more_than_the_budget_allows() -> None:
    found = Funds.of(image(10, {"k1": 50}, k2=1000), "k1", capped=True)
    assert found.potential == 50


def test_a_budget_that_is_gone_is_nothing() -> None:
    assert Funds.of(image(50), "k1", capped=True) == Funds(0, 0, "key_budget")


@pytest.mark.parametrize(("available", "tokens"), [(164, 64), (500, 400), (1099, 999), (1100, 1000), (10**9, 1000)])
def test_an_open_ended_answer_is_shortened_to_the_balance(available: int, tokens: int) -> None:
    assert shortened(BOUND, funds(available), None).output_tokens == tokens


@pytest.mark.parametrize(("available", "affordable"), [(0, 0), (99, 0), (100, 0), (101, 1), (163, 63)])
def test_under_64_tokens_an_open_ended_answer_is_not_worth_starting(available: int, affordable: int) -> None:
    with pytest.raises(InsufficientBalance) as caught:
        shortened(BOUND, funds(available), None)
    assert caught.value.details == {
        "reason": "account_balance",
        "available": f"0.{available:09d}",
        "required": f"0.{100 + OUTPUT_TOKENS_MIN:09d}",
        "affordable_max_tokens": affordable,
    }


def test_an_answer_with_a_limit_is_never_shortened_silently() -> None:
    with pytest.raises(InsufficientBalance) as caught:
        shortened(BOUND.with_output(500), funds(400), 500)
    assert caught.value.details["affordable_max_tokens"] == 300
    assert caught.value.details["required"] == "0.000000600"
    assert "0.000000400 USD available" in caught.value.message
    assert "0.000000600 USD" in caught.value.message


@pytest.mark.parametrize("limit", [None, 500])
def test_short_only_because_of_calls_in_flight_is_a_matter_of_time(limit: int | None) -> None:
    with pytest.raises(RateLimited) as caught:
        shortened(BOUND.with_output(limit or 1000), funds(100, 600), limit)
    assert caught.value.details == {"reason": "in_flight"}
    assert caught.value.headers() == {"retry-after": "1"}


def test_a_limit_above_the_models_maximum_is_judged_by_what_is_really_held() -> None:
    """The hold is for the model's 1,000 tokens, whatever was asked for."""
    with pytest.raises(RateLimited):
        shortened(BOUND, funds(100, 1100), 10**9)
    with pytest.raises(InsufficientBalance) as caught:
        shortened(BOUND, funds(100), 10**9)
    assert caught.value.details["required"] == "0.000001100"


def test_a_used_up_budget_is_told_apart_from_an_empty_account() -> None:
    with pytest.raises(InsufficientBalance, match="budget of this API key") as caught:
        shortened(BOUND.with_output(500), Funds(5, 5, "key_budget"), 500)
    assert caught.value.details["reason"] == "key_budget"


@pytest.mark.parametrize(
    ("available", "reason", "advice"),
    [
        (400, "account_balance", "Recharge, or lower `max_tokens`."),
        (400, "key_budget", "Raise the key's budget, or lower `max_tokens`."),
        (100, "account_balance", "Recharge."),
        (100, "key_budget", "Raise the key's budget."),
    ],
)
def test_a_402_advises_only_what_helps(available: int, reason: str, advice: str) -> None:
    with pytest.raises(InsufficientBalance) as caught:
        shortened(BOUND.with_output(500), Funds(available, available, reason), 500)
    assert caught.value.message.endswith(f"USD. {advice}")


@given(
    st.builds(
        CostBound,
        fixed_pico=st.integers(0, 10**12),
        per_token_pico=st.integers(1, 10**7),
        output_tokens=st.integers(1, 10**5),
        markup_basis_points=st.integers(0, 5000),
    ),
    st.integers(0, 10**10),
)
def test_a_caller_who_follows_the_advice_of_a_402_can_pay(bound: CostBound, available: int) -> None:
    advised = None
    try:
        advised = shortened(bound, funds(available), bound.output_tokens).output_tokens
    except InsufficientBalance as exc:
        found = exc.details["affordable_max_tokens"]
        advised = found if isinstance(found, int) else None
        required = exc.details["required"]
        assert isinstance(required, str)
        assert usd_to_nano(required) > available
    except RateLimited:
        # Nothing was refused: this bound was affordable, and only a race would have asked.
        assert bound.hold_nano <= available
    assert advised is None or advised == 0 or bound.with_output(advised).hold_nano <= available


@pytest.mark.parametrize(
    ("refusal", "kind", "reason"),
    [
        (ReserveRefusal.STATUS, AccountSuspended, None),
        (ReserveRefusal.IN_FLIGHT, RateLimited, "in_flight"),
        (ReserveRefusal.NO_ACCOUNT, ApiKeyInvalid, None),
        (ReserveRefusal.CONFLICT, LedgerUnavailable, None),
        (ReserveRefusal.KEY_EPOCH, LedgerUnavailable, None),
    ],
)
def test_other_refusals_have_errors_of_their_own(
    refusal: ReserveRefusal, kind: type[GatewayError], reason: str | None
) -> None:
    error = refusal_error(ReserveRefused(refusal, None))
    assert type(error) is kind
    assert error.details.get("reason") == reason


def test_only_balance_and_budget_are_about_money() -> None:
    found = {refusal for refusal in ReserveRefusal if is_about_funds(ReserveRefused(refusal, None))}
    assert found == {ReserveRefusal.BALANCE, ReserveRefusal.KEY_BUDGET}
