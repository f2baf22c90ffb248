"""One call through the services on top of the ledger: authenticate, Reserver, upstream, Charge."""

from dataclasses import dataclass

from multiconnection.calls.requests import PricedCall
from multiconnection.calls.reservation import Reservation, Reserver
from multiconnection.calls.settlement import Charge, InFlightCalls
from multiconnection.calls.upstream import Outcome
from multiconnection.catalog.bounds import chat_cost_bound, cost_nano
from multiconnection.catalog.models import parse_model
from multiconnection.context import RequestContext
from multiconnection.errors import GatewayError
from multiconnection.keys.authenticate import Authenticator
from multiconnection.keys.store import KeysTable
from multiconnection.ledger.ledger import Ledger
from multiconnection.limits.accounts import KnownAccounts
from multiconnection.limits.limiter import DefaultRates, Limiter
from multiconnection.limits.store import LimitsTable
from multiconnection.usage import Attempts, Ended, Usage, UsageSource
from tools.memory_dynamo.driver import MemoryDynamo, TableKeys

from .audit import BALANCES, KEYS
from .calls import Call, Reply, ask_upstream
from .network import SERVING, Process
from .world import World

MARKUP_BASIS_POINTS = 250
MODEL = parse_model(
    {
        "id": "gpt-4o-mini",
        "code": "4om",
        "owned_by": "openai",
        "kind": "chat",
        "name": "GPT-4o mini",
        "created": 1_721_172_741,
        "context_window": 128_000,
        "max_output_tokens": 16_384,
        "price_version": 1,
        "prices": {"input": "0.15", "cached_input": "0.075", "output": "0.60"},
        "upstreams": [{"provider": "openai", "model": "gpt-4o-mini"}],
    }
)
NOT_ENDED = Outcome(Usage(), UsageSource.NONE, Ended.INTERNAL_ERROR)


# Nothing is refused for its rate: this simulation is about money.
NO_LIMITS = DefaultRates(*4 * [10**6])


class Environment:
    """One function's process with its caches; many requests run in it and die with it."""

    def __init__(self, world: World, process: Process) -> None:
        self.process = process
        self.ledger: Ledger = world.ledger(process)
        self.in_flight = InFlightCalls()
        seen = KnownAccounts(self.ledger.store.account)
        keys = KeysTable(world.driver(process), KEYS, BALANCES)
        limits = LimitsTable(MemoryDynamo({"limits": TableKeys("subject")}), "limits")
        limiter = Limiter(limits, world.clock, NO_LIMITS, lambda name: None)
        self.authenticator = Authenticator(keys, limiter, world.clock)
        lifetime_s = world.deadline_s + world.margins.hold_s
        self.reserver = Reserver(self.ledger, self.authenticator, seen, world.clock, world.in_flight_max, lifetime_s)


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """`limit` is the caller's max_tokens; `used` is what the upstream will report."""

    account_id: str
    hold_id: str
    secret: str
    input_tokens: int
    limit: int | None
    used: Usage
    reply: Reply


async def serve(world: World, environment: Environment, call: ServiceCall) -> None:
    """Like `calls.serve`; may also be cancelled at any time, as a request is whose client left."""
    SERVING.set(call.account_id)
    record = world.call(call.account_id, call.hold_id)
    try:
        caller = await environment.authenticator.authenticate(f"Bearer {call.secret}", None, "127.0.0.1")
        priced = _priced(call)
        context = RequestContext(call.hold_id, world.clock.now())
        reservation = await environment.reserver.reserve(caller, priced, context)
    except GatewayError as exc:
        record.refusal = str(exc.code)
        return
    charge = _charge(world, environment, priced, reservation)
    outcome = NOT_ENDED
    try:
        outcome = await _answer(world, environment.process, call)
    finally:
        if outcome is NOT_ENDED:
            record.cost = 0
        await world.settled(record, charge.settle(outcome))


async def _answer(world: World, process: Process, call: ServiceCall) -> Outcome:
    usage = call.used if call.reply.source is UsageSource.UPSTREAM else Usage()
    reply = Reply(cost_nano(MODEL, usage, MARKUP_BASIS_POINTS), call.reply.source, call.reply.ended, call.reply.takes_s)
    answered = await ask_upstream(world, process, Call(call.account_id, call.hold_id, 0, reply))
    return Outcome(usage if answered is reply else Usage(), answered.source, answered.ended)


def _priced(call: ServiceCall) -> PricedCall:
    output = MODEL.max_output_tokens if call.limit is None else call.limit
    return PricedCall(
        endpoint="chat.completions",
        model=MODEL,
        bound=chat_cost_bound(MODEL.prices, call.input_tokens, output, 1, MARKUP_BASIS_POINTS),
        output_limit=call.limit,
    )


def _charge(world: World, environment: Environment, call: PricedCall, reservation: Reservation) -> Charge:
    return Charge(
        ledger=environment.ledger,
        clock=world.clock,
        in_flight=environment.in_flight,
        call=call,
        hold=reservation.hold,
        secret="01234567",
        started_s=world.clock.now(),
        attempts=Attempts(),
        on_settled=lambda row: None,
    )
