"""Complete a chat: authorise, limit, reserve, forward, settle; streamed and not through one path."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from multiconnection.domain.catalog import Model, UpstreamRef
from multiconnection.domain.errors import ModelNotAllowed, NoAvailableUpstream
from multiconnection.domain.money import nano_to_usd
from multiconnection.domain.ports import Clock
from multiconnection.domain.usage import Ended, Usage, UsageSource
from multiconnection.ledger.accounts import UsageRow
from multiconnection.ledger.ledger import Ledger

from .accounts_seen import AccountsSeen
from .authenticate import Caller
from .catalog import CatalogService
from .chat_request import ChatRequest, parse_chat_request, require_affordable_parameters
from .chat_stream import NOTHING, StreamedChat, deadline_error
from .limit_state import LimitState
from .limiter import Limiter
from .open_bills import OpenBills
from .ports import ChatCall, ChatStream, ChatUpstream, Completion, Outcome, UpstreamError
from .reservation import Reservation, Reserver, Wish
from .routing import Attempts, Router
from .settlement import Bill
from .telemetry import CallFacts

ENDPOINT = "chat.completions"


@dataclass(frozen=True, slots=True)
class ChatConfig:
    """Seconds. `timeout_s` is the function's, `deadline_margin_s` is kept for our own error and settlement."""

    timeout_s: float
    deadline_margin_s: float
    hold_margin_s: float
    keep_alive_s: float
    markup_basis_points: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request as it came in: its id, its time, and when the function around it ends (epoch seconds)."""

    hold_id: str
    started_s: float
    function_ends_s: float | None = None
    facts: CallFacts = field(default_factory=CallFacts, compare=False)


@dataclass(frozen=True, slots=True)
class CompletedChat:
    """A whole answer, already charged."""

    body: dict[str, Any]


class ChatService:
    """One instance per process; everything it needs is handed in."""

    def __init__(
        self,
        catalog: CatalogService,
        limiter: Limiter,
        seen: AccountsSeen,
        reserver: Reserver,
        ledger: Ledger,
        router: Router,
        upstream: ChatUpstream,
        clock: Clock,
        config: ChatConfig,
        open_bills: OpenBills,
    ) -> None:
        self._catalog = catalog
        self._limiter = limiter
        self._seen = seen
        self._reserver = reserver
        self._ledger = ledger
        self._router = router
        self._upstream = upstream
        self._clock = clock
        self._config = config
        self._open_bills = open_bills

    async def find_model(self, caller: Caller, name: str) -> Model:
        """Raises ModelNotFound or, for a key that is limited to other models, ModelNotAllowed."""
        model = await self._catalog.find(name)
        if not caller.api_key.allows_model(model.id):
            raise ModelNotAllowed(f"This API key may not use the model `{model.id}`.", param="model")
        return model

    async def answer(self, caller: Caller, body: object, arrival: Arrival) -> CompletedChat | StreamedChat:
        """Run one call up to its whole answer, or up to the first event of a streamed one.

        Raises GatewayError; whatever was reserved is settled by then. A StreamedChat still has to be relayed.
        """
        request = parse_chat_request(body)
        model = await self.find_model(caller, request.model)
        require_affordable_parameters(request, model)
        estimate = request.tokens_estimate(model)
        limits = await self._limiter.admit(caller.api_key, estimate, self._seen.limits(caller.account_id))
        reservation = await self._reserver.reserve(caller, self._wish(request, model, arrival))
        bill = self._bill(request, model, reservation, arrival, self._on_settled(limits, estimate, arrival.facts))
        call = _upstream_call(request, model, reservation)
        deadline_s = self._deadline_s(arrival)
        if request.stream:
            stream = StreamedChat(bill, self._open(bill, call), self._clock, deadline_s, self._config.keep_alive_s)
            await stream.open()
            return stream
        completion = await self._complete(bill, call, deadline_s)
        return CompletedChat(completion)

    async def _complete(self, bill: Bill, call: ChatCall, deadline_s: float) -> dict[str, Any]:
        outcome = Outcome(Usage(), UsageSource.NONE, Ended.INTERNAL_ERROR)
        try:
            async with asyncio.timeout(max(0.0, deadline_s - self._clock.now())):
                completion = await self._router.call(
                    bill.model, bill.attempts, lambda provider, ref: self._upstream.complete(provider, at(call, ref))
                )
            outcome = completion.outcome
        except UpstreamError as exc:
            outcome = exc.outcome()
            raise exc.error from exc
        except NoAvailableUpstream:
            outcome = NOTHING
            raise
        except TimeoutError as exc:
            outcome = Outcome(Usage(), UsageSource.NONE, Ended.DEADLINE)
            raise deadline_error() from exc
        finally:
            settlement = await bill.settle(outcome)
        return _with_cost(completion, nano_to_usd(settlement.row.cost))

    def _open(self, bill: Bill, call: ChatCall) -> Coroutine[None, None, ChatStream]:
        return self._router.call(
            bill.model,
            bill.attempts,
            lambda provider, ref: self._upstream.stream(provider, at(call, ref), bill.cost_usd),
        )

    def _wish(self, request: ChatRequest, model: Model, arrival: Arrival) -> Wish:
        ends_s = arrival.started_s + self._config.timeout_s
        return Wish(
            hold_id=arrival.hold_id,
            model=model,
            bound=request.cost_bound(model, self._config.markup_basis_points),
            limit=request.output_limit,
            expires_s=int(ends_s + self._config.hold_margin_s),
        )

    def _on_settled(self, limits: LimitState, estimate: int, facts: CallFacts) -> Callable[[UsageRow], None]:
        """Once the call is decided, the token limit counts what it really used, and the metrics know its price."""

        def note(row: UsageRow) -> None:
            facts.row = row
            used = row.usage.prompt_tokens + row.usage.completion_tokens
            self._limiter.settle(limits.subjects, estimate, used)

        return note

    def _bill(
        self,
        request: ChatRequest,
        model: Model,
        reservation: Reservation,
        arrival: Arrival,
        on_settled: Callable[[UsageRow], None],
    ) -> Bill:
        attempts = arrival.facts.attempts = Attempts()
        return Bill(
            ledger=self._ledger,
            clock=self._clock,
            hold=reservation.hold,
            model=model,
            markup_basis_points=self._config.markup_basis_points,
            endpoint=ENDPOINT,
            streamed=request.stream,
            started_s=arrival.started_s,
            attempts=attempts,
            on_settled=on_settled,
            open_bills=self._open_bills,
        )

    def _deadline_s(self, arrival: Arrival) -> float:
        """Our own deadline, early enough to answer and settle before the function ends."""
        ends_s = arrival.started_s + self._config.timeout_s
        if arrival.function_ends_s is not None:
            ends_s = min(ends_s, arrival.function_ends_s)
        return ends_s - self._config.deadline_margin_s


def _upstream_call(request: ChatRequest, model: Model, reservation: Reservation) -> ChatCall:
    return ChatCall(
        body=request.body,
        upstream_model="",
        output_tokens_max=reservation.output_tokens,
        prompt_tokens_max=request.prompt_tokens_max(model),
        prompt_tokens_estimate=request.prompt_tokens_estimate(model),
        choices=request.choices,
        stream=request.stream,
        include_usage=request.include_usage,
    )


def at(call: ChatCall, ref: UpstreamRef) -> ChatCall:
    """The call under the model's name at one upstream."""
    return replace(call, upstream_model=ref.model)


def _with_cost(completion: Completion, cost: str) -> dict[str, Any]:
    outcome = completion.outcome
    usage = completion.body.get("usage") or outcome.usage.as_openai()
    extra: dict[str, Any] = {"cost": cost}
    if outcome.source is UsageSource.ESTIMATED:
        extra["estimated"] = True
    return completion.body | {"usage": usage | extra}
