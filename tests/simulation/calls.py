"""One call through the real ledger: reserve, upstream, settle."""

from dataclasses import dataclass

from multiconnection.ledger.ledger import Ledger
from multiconnection.ledger.models import Hold, UsageRow
from multiconnection.ledger.reserve import ReserveRefused
from multiconnection.retry import StoreError
from multiconnection.usage import Ended, Usage, UsageSource

from .network import SERVING, Process
from .world import World


@dataclass(frozen=True, slots=True)
class Reply:
    """How the upstream ends a call. `cost` in n$ stands in for usage at a price."""

    cost: int
    source: UsageSource = UsageSource.UPSTREAM
    ended: Ended = Ended.COMPLETE
    takes_s: float = 0.5


# The endings that cost nothing, whatever was held.
FREE = (
    Reply(0, UsageSource.NONE, Ended.UPSTREAM_ERROR),
    Reply(0, UsageSource.NONE, Ended.EMPTY),
)


@dataclass(frozen=True, slots=True)
class Call:
    account_id: str
    hold_id: str
    amount: int
    reply: Reply
    key_id: str = "keyUNcap"
    capped: bool = False
    key_epoch: int = 0


async def serve(world: World, process: Process, ledger: Ledger, call: Call) -> None:
    """Never raises but when the process dies; what came of it is in the world's record of the call."""
    SERVING.set(call.account_id)
    record = world.call(call.account_id, call.hold_id)
    try:
        reserved = await ledger.reserve(_hold(world, call), key_epoch=call.key_epoch, in_flight_max=world.in_flight_max)
    except ReserveRefused as exc:
        record.refusal = exc.refusal.value
        return
    except StoreError:
        record.refusal = "unreachable"
        return
    reply = await ask_upstream(world, process, call)
    await world.settled(record, ledger.settle(reserved.hold, _row(world, reserved.hold, reply)))


async def ask_upstream(world: World, process: Process, call: Call) -> Reply:
    """A fault on the way makes an answer that costs nothing."""
    record = world.call(call.account_id, call.hold_id)

    def execute() -> None:
        if record.cost is None:
            record.cost = call.reply.cost

    try:
        await process.io("upstream", execute)
        await process.work(call.reply.takes_s)
    except StoreError:
        record.cost = 0
        return FREE[0]
    return call.reply


def _hold(world: World, call: Call) -> Hold:
    return Hold(
        account_id=call.account_id,
        hold_id=call.hold_id,
        amount=call.amount,
        expires_s=world.expiry_s(),
        key_id=call.key_id,
        capped=call.capped,
        model_code="g4o",
        price_version=1,
    )


def _row(world: World, hold: Hold, reply: Reply) -> UsageRow:
    return UsageRow(
        account_id=hold.account_id,
        hold_id=hold.hold_id,
        birth=hold.birth,
        hold=hold.amount,
        cost=reply.cost,
        overrun=0,
        key_id=hold.key_id,
        model="gpt-4o",
        price_version=hold.price_version,
        usage=Usage(output=reply.cost),
        usage_source=reply.source,
        ended=reply.ended,
        decided_by="gateway",
        created_ms=int(world.clock.now() * 1000),
    )
