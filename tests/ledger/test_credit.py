"""Money-in: each id moves money once, and never more is taken than there is."""

import pytest

from multiconnection.aws.dynamo import TransactionCancelled
from multiconnection.ledger.credit import CreditRefused
from multiconnection.ledger.models import AccountLimits
from multiconnection.ledger.store import AccountRefused
from multiconnection.money import AMOUNT_MAX_NANO, MoneyError
from multiconnection.retry import OutcomeUnknown, StoreThrottled
from tests.support.ledger_world import ACCOUNT, AMOUNT, FUNDS, LedgerWorld, credit_row, some_hold


async def test_a_credit_adds_to_what_is_available_and_leaves_a_row(world: LedgerWorld) -> None:
    row = credit_row("order-1", 50)
    assert await world.ledger.credit(row) == row
    image = await world.image()
    assert (image.credits_in, image.available) == (FUNDS + 50, FUNDS + 50)
    assert await world.store.credit_row(ACCOUNT, "order-1") == row


async def test_the_same_credit_again_returns_the_first_row_and_moves_nothing(world: LedgerWorld) -> None:
    row = credit_row("order-1", 50)
    await world.ledger.credit(row)
    version = (await world.image()).version
    assert await world.ledger.credit(row) == row
    assert (await world.image()).version == version


async def test_a_lost_reply_credits_once(world: LedgerWorld) -> None:
    world.driver.lose_reply("TransactWriteItems", times=2)
    await world.ledger.credit(credit_row("order-1", 50))
    assert (await world.image()).credits_in == FUNDS + 50


@pytest.mark.parametrize(("amount", "kind"), [(51, "order"), (50, "grant")])
async def test_an_id_is_not_used_for_another_amount_or_kind(world: LedgerWorld, amount: int, kind: str) -> None:
    await world.ledger.credit(credit_row("order-1", 50))
    with pytest.raises(CreditRefused, match="another amount or kind"):
        await world.ledger.credit(credit_row("order-1", amount, kind))
    assert (await world.image()).credits_in == FUNDS + 50


async def test_an_adjustment_takes_what_is_available_and_nothing_of_what_is_held(world: LedgerWorld) -> None:
    await world.reserve(some_hold())
    with pytest.raises(CreditRefused, match="less is available") as refused:
        await world.ledger.credit(credit_row("a1", -(FUNDS - AMOUNT) - 1, "adjustment"))
    assert refused.value.image == await world.image()
    await world.ledger.credit(credit_row("a2", -(FUNDS - AMOUNT), "adjustment"))
    assert await world.money() == (0, AMOUNT, 0)


async def test_an_adjustment_that_was_refused_leaves_its_id_free(world: LedgerWorld) -> None:
    with pytest.raises(CreditRefused):
        await world.ledger.credit(credit_row("a1", -FUNDS - 1, "adjustment"))
    assert await world.store.credit_row(ACCOUNT, "a1") is None
    await world.ledger.credit(credit_row("order-1", 1))
    await world.ledger.credit(credit_row("a1", -FUNDS - 1, "adjustment"))
    assert await world.money() == (0, 0, 0)


async def test_an_adjustment_done_twice_is_the_first_one_even_when_nothing_is_left(world: LedgerWorld) -> None:
    row = credit_row("a1", -FUNDS, "adjustment")
    await world.ledger.credit(row)
    assert await world.ledger.credit(row) == row
    assert await world.money() == (0, 0, 0)


async def test_an_unknown_account_is_refused_and_leaves_no_row() -> None:
    world = LedgerWorld()
    with pytest.raises(CreditRefused, match="no such account") as refused:
        await world.ledger.credit(credit_row("order-1", 50))
    assert refused.value.image is None
    assert await world.store.credit_row(ACCOUNT, "order-1") is None


@pytest.mark.parametrize(
    ("amount", "kind"),
    [(0, "order"), (-1, "order"), (-1, "grant"), (-1, "refund"), (1, "gift"), (AMOUNT_MAX_NANO + 1, "grant")],
)
async def test_what_is_no_credit_is_refused_before_any_write(world: LedgerWorld, amount: int, kind: str) -> None:
    world.driver.calls.clear()
    with pytest.raises(MoneyError):
        await world.ledger.credit(credit_row("c1", amount, kind))
    assert world.driver.calls == []


@pytest.mark.parametrize("amount", [True, 1.0, "1", None])
async def test_only_an_int_is_an_amount(world: LedgerWorld, amount: object) -> None:
    with pytest.raises(MoneyError):
        await world.ledger.credit(credit_row("c1", amount))  # type: ignore[arg-type]


async def test_five_attempts_are_made_and_then_the_outcome_is_unknown(world: LedgerWorld) -> None:
    world.driver.fail("TransactWriteItems", StoreThrottled("x"), times=4)
    await world.ledger.credit(credit_row("order-1", 1))
    world.driver.fail("TransactWriteItems", OutcomeUnknown("x"), times=5)
    with pytest.raises(OutcomeUnknown):
        await world.ledger.credit(credit_row("order-2", 1))


async def test_a_cancellation_for_any_other_reason_is_an_unknown_outcome(world: LedgerWorld) -> None:
    cancelled = TransactionCancelled([("None", None), ("ValidationError", None)])
    world.driver.fail("TransactWriteItems", cancelled, times=5)
    with pytest.raises(OutcomeUnknown):
        await world.ledger.credit(credit_row("order-1", 1))


async def test_an_account_is_created_once(world: LedgerWorld) -> None:
    with pytest.raises(AccountRefused) as refused:
        await world.ledger.create_account(ACCOUNT, "another", AccountLimits())
    assert refused.value.image == await world.image()
