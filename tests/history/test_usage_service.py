"""A caller's own rows: there once the call ended, waited for while it ends, and nobody else's ever."""

import asyncio

import pytest

from multiconnection.calls.streaming import StreamedAnswer
from multiconnection.errors import ApiKeyInvalid, LedgerUnavailable, UsageNotFound
from multiconnection.history.service import PENDING_PAUSE_S, PENDING_POLLS_MAX, UsageService
from multiconnection.ids import request_id_of
from multiconnection.retry import StoreUnavailable
from multiconnection.usage import Ended
from tests.support.chat_world import ChatWorld, Client

pytestmark = pytest.mark.virtual_time


PENDING_S = PENDING_PAUSE_S * (PENDING_POLLS_MAX - 1)


async def test_the_row_of_a_call_is_found_by_its_request_id() -> None:
    world = ChatWorld()
    caller, context = await world.caller(), world.context()
    await world.answer(caller, context)
    row = await UsageService(world.ledger.store).row("a1", request_id_of(context.hold_id))
    assert (row.hold_id, row.ended) == (context.hold_id, Ended.COMPLETE)


@pytest.mark.parametrize("request_id", ["", "req_", "chatcmpl-1", "req_../../etc/x", "req_" + "0" * 12, "\x00" * 10**5])
async def test_there_is_no_row_for_what_was_never_a_call(request_id: str) -> None:
    world = ChatWorld()
    await world.open()
    with pytest.raises(UsageNotFound) as caught:
        await UsageService(world.ledger.store).row("a1", request_id)
    assert (caught.value.details, caught.value.param) == ({}, "request_id")
    assert len(caught.value.message) < 400


async def test_another_accounts_row_is_not_there() -> None:
    world = ChatWorld()
    caller, context = await world.caller(), world.context()
    await world.answer(caller, context)
    await world.open(account_id="a2")
    with pytest.raises(UsageNotFound):
        await UsageService(world.ledger.store).row("a2", request_id_of(context.hold_id))


async def test_a_running_call_is_waited_for_a_little_and_then_called_pending() -> None:
    world = ChatWorld()
    caller, context = await world.caller(), world.context()
    stream = await world.answer(caller, context, stream=True)
    loop = asyncio.get_running_loop()
    before = loop.time()
    with pytest.raises(UsageNotFound) as caught:
        await UsageService(world.ledger.store).row("a1", request_id_of(context.hold_id))
    assert loop.time() - before == pytest.approx(PENDING_S)
    assert caught.value.details == {"pending": True}
    assert caught.value.headers() == {"retry-after": "1", "x-should-retry": "true"}
    assert isinstance(stream, StreamedAnswer)
    await stream.relay(Client().send)


async def test_a_row_that_comes_while_it_is_waited_for_is_found() -> None:
    world = ChatWorld()
    caller, context = await world.caller(), world.context()
    stream = await world.answer(caller, context, stream=True)
    assert isinstance(stream, StreamedAnswer)
    asked = asyncio.create_task(UsageService(world.ledger.store).row("a1", request_id_of(context.hold_id)))
    await asyncio.sleep(PENDING_S / 2)
    await stream.relay(Client().send)
    assert (await asked).ended is Ended.COMPLETE


async def test_the_balance_is_two_figures() -> None:
    world = ChatWorld()
    caller = await world.caller()
    stream = await world.answer(caller, stream=True, max_tokens=10)
    account = await UsageService(world.ledger.store).account("a1")
    assert account.held > 0
    assert account.available + account.held == 10**9
    assert isinstance(stream, StreamedAnswer)
    await stream.relay(Client().send)


async def test_no_account_is_no_key() -> None:
    with pytest.raises(ApiKeyInvalid):
        await UsageService(ChatWorld().ledger.store).account("nobody")


async def test_a_table_that_cannot_be_read_is_503() -> None:
    world = ChatWorld()
    world.driver.failure = StoreUnavailable("down")
    service = UsageService(world.ledger.store)
    with pytest.raises(LedgerUnavailable):
        await service.account("a1")
    with pytest.raises(LedgerUnavailable) as caught:
        await service.row("a1", "req_" + "0" * 12)
    assert caught.value.headers()["retry-after"] == "1"
