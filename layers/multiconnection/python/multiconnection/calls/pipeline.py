"""What every paid endpoint does with its own request: find the model, limit, reserve, forward, settle."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from multiconnection.catalog.bounds import CostBound
from multiconnection.catalog.models import Model, Provider, UpstreamRef
from multiconnection.catalog.parameters import without_idle
from multiconnection.catalog.service import CatalogService
from multiconnection.context import RequestContext
from multiconnection.errors import GatewayError, ModelNotAllowed, NoAvailableUpstream, UpstreamTimeout
from multiconnection.keys.models import Caller
from multiconnection.ledger.ledger import Ledger
from multiconnection.ledger.models import UsageRow
from multiconnection.limits.accounts import KnownAccounts
from multiconnection.limits.limiter import Limiter
from multiconnection.limits.window import LimitState
from multiconnection.money import nano_to_usd
from multiconnection.ports import Clock
from multiconnection.usage import Attempts, Ended, Usage, UsageSource

from .reservation import Reservation, Reserver, Wish
from .routing import Router
from .settlement import Bill, OpenBills
from .streaming import NOTHING, Framing, StreamedAnswer, deadline_error
from .telemetry import charged_members
from .upstream import CostOf, Outcome, UpstreamError, UpstreamStream


@dataclass(frozen=True, slots=True)
class CallConfig:
    """Seconds. `timeout_s` is the function's, `deadline_margin_s` is kept for our own error and settlement.

    `whole_answer_timeout_s` is for answers that are no streams of events: nothing can be sent before they are there.
    """

    timeout_s: float
    deadline_margin_s: float
    whole_answer_timeout_s: float
    hold_margin_s: float
    keep_alive_s: float
    markup_basis_points: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a validated request may cost. `limit` is the caller's own output limit, None when open-ended.

    `tokens_estimate` is what the token limits count until the real usage is known.
    """

    endpoint: str
    model: Model
    bound: CostBound
    limit: int | None = 0
    tokens_estimate: int = 0
    streamed: bool = False


class Answer(Protocol):
    """A whole answer of an upstream and what it consumed."""

    @property
    def outcome(self) -> Outcome: ...


AnswerT = TypeVar("AnswerT", bound=Answer)


class Calls:
    """One instance per process, shared by the services of all endpoints; everything it needs is handed in."""

    def __init__(
        self,
        catalog: CatalogService,
        limiter: Limiter,
        seen: KnownAccounts,
        reserver: Reserver,
        ledger: Ledger,
        router: Router,
        clock: Clock,
        config: CallConfig,
        open_bills: OpenBills,
    ) -> None:
        self._catalog = catalog
        self._limiter = limiter
        self._seen = seen
        self._reserver = reserver
        self._ledger = ledger
        self._router = router
        self._clock = clock
        self._config = config
        self._open_bills = open_bills

    @property
    def markup_basis_points(self) -> int:
        return self._config.markup_basis_points

    async def find_model(self, caller: Caller, name: str) -> Model:
        """Raises ModelNotFound or, for a key that is limited to other models, ModelNotAllowed."""
        model = await self._catalog.find(name)
        if not caller.api_key.allows_model(model.id):
            raise ModelNotAllowed(f"This API key may not use the model `{model.id}`.", param="model")
        return model

    def accept(self, endpoint: str, model: Model, body: Mapping[str, Any]) -> tuple[Model, dict[str, Any]]:
        """The model at those of its upstreams that take every field, and the fields that ask for something.

        Raises ParameterUnsupported where no upstream takes them: with what the preferred one says.
        """
        body = without_idle(endpoint, body, model)
        upstreams = self._catalog.upstreams(model)
        refusals = [self._catalog.provider(ref.provider).parameters.refusal(endpoint, body) for ref in upstreams]
        taking = tuple(ref for ref, refusal in zip(upstreams, refusals, strict=True) if refusal is None)
        if len(taking) == len(upstreams):
            return model, body
        if not taking and refusals[0] is not None:
            raise refusals[0]
        return replace(model, upstreams=taking), body

    async def open(self, caller: Caller, plan: Plan, context: RequestContext) -> "OpenCall":
        """Admit the call and set its money aside; what is returned has to be completed or streamed.

        Raises RateLimited, InsufficientBalance, AccountSuspended, ApiKeyInvalid or LedgerUnavailable.
        """
        estimate = plan.tokens_estimate
        limits = await self._limiter.admit(caller.api_key.rates, estimate, self._seen.limits(caller.account_id))
        reservation = await self._reserver.reserve(caller, self._wish(plan, context))
        on_settled = self._on_settled(limits, estimate, context)
        bill = self._bill(caller, plan, reservation, context, on_settled)
        deadline_s = self._deadline_s(context)
        whole_by_s = min(deadline_s, context.started_s + self._config.whole_answer_timeout_s)
        return OpenCall(
            bill,
            reservation.output_tokens,
            self._router,
            self._clock,
            deadline_s,
            whole_by_s,
            self._config.keep_alive_s,
        )

    def _wish(self, plan: Plan, context: RequestContext) -> Wish:
        ends_s = context.started_s + self._config.timeout_s
        return Wish(
            hold_id=context.hold_id,
            model=plan.model,
            bound=plan.bound,
            limit=plan.limit,
            expires_s=int(ends_s + self._config.hold_margin_s),
        )

    def _on_settled(self, limits: LimitState, estimate: int, context: RequestContext) -> Callable[[UsageRow], None]:
        """Once the call is decided, the token limit counts what it really used, and the metrics know its price."""

        def note(row: UsageRow) -> None:
            context.charged = charged_members(row)
            used = row.usage.prompt_tokens + row.usage.completion_tokens
            self._limiter.settle(limits.subjects, estimate, used)

        return note

    def _bill(
        self,
        caller: Caller,
        plan: Plan,
        reservation: Reservation,
        context: RequestContext,
        on_settled: Callable[[UsageRow], None],
    ) -> Bill:
        attempts = context.attempts = Attempts()
        return Bill(
            ledger=self._ledger,
            clock=self._clock,
            hold=reservation.hold,
            secret=caller.api_key.digits,
            model=plan.model,
            markup_basis_points=self._config.markup_basis_points,
            endpoint=plan.endpoint,
            streamed=plan.streamed,
            started_s=context.started_s,
            attempts=attempts,
            on_settled=on_settled,
            open_bills=self._open_bills,
        )

    def _deadline_s(self, context: RequestContext) -> float:
        """Our own deadline, early enough to answer and settle before the function ends."""
        ends_s = context.started_s + self._config.timeout_s
        if context.function_ends_s is not None:
            ends_s = min(ends_s, context.function_ends_s)
        return ends_s - self._config.deadline_margin_s


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that holds money for `output_tokens` of output at most: `complete` or `stream` it, exactly once.

    A stream of events ends by `deadline_s`; a whole answer, or the first byte of any other body, comes by `whole_by_s`.
    """

    bill: Bill
    output_tokens: int
    router: Router
    clock: Clock
    deadline_s: float
    whole_by_s: float
    keep_alive_s: float

    async def complete(
        self,
        operation: Callable[[Provider, UpstreamRef], Awaitable[AnswerT]],
        deliver: Callable[[AnswerT], Awaitable[AnswerT]] | None = None,
    ) -> tuple[AnswerT, str]:
        """The whole answer, charged, and its cost in USD. Raises GatewayError, settled as well.

        `deliver` puts the answer where the caller can get it. When it raises GatewayError the caller pays nothing.
        """
        outcome = Outcome(Usage(), UsageSource.NONE, Ended.INTERNAL_ERROR)
        try:
            async with asyncio.timeout(max(0.0, self.whole_by_s - self.clock.now())):
                answer = await self.router.call(self.bill.model, self.bill.attempts, operation)
                if deliver is not None:
                    answer = await _delivered(answer, deliver)
            outcome = answer.outcome
        except UpstreamError as exc:
            outcome = exc.outcome()
            raise self._advised(exc.error) from exc
        except _UndeliveredError as exc:
            outcome = Outcome(Usage(), UsageSource.NONE, Ended.UNDELIVERED, exc.error)
            raise exc.error from exc
        except NoAvailableUpstream:
            outcome = NOTHING
            raise
        except TimeoutError as exc:
            outcome = Outcome(Usage(), UsageSource.NONE, Ended.DEADLINE)
            raise deadline_error(self._advice()) from exc
        finally:
            settlement = await self.bill.settle(outcome)
        return answer, nano_to_usd(settlement.row.cost)

    async def stream(
        self,
        operation: Callable[[Provider, UpstreamRef, CostOf], Awaitable[UpstreamStream]],
        framing: Framing,
    ) -> StreamedAnswer:
        """Up to the first good event (or to silence); the result has to be relayed. Raises GatewayError, settled."""
        opening = self.router.call(
            self.bill.model, self.bill.attempts, lambda provider, ref: operation(provider, ref, self.bill.cost_usd)
        )
        stream = StreamedAnswer(
            self.bill, opening, self.clock, self.deadline_s, self.keep_alive_s, framing, self.whole_by_s
        )
        await stream.open()
        return stream

    def _advised(self, error: GatewayError) -> GatewayError:
        if isinstance(error, UpstreamTimeout) and error.retryable is False:
            return UpstreamTimeout(f"{error.message} {self._advice()}".rstrip(), retryable=False)
        return error

    def _advice(self) -> str:
        """A stream may take as long as the function: events, and comments between them, keep the connection open."""
        if self.whole_by_s >= self.deadline_s or not self.bill.endpoint.startswith(_STREAMABLE):
            return ""
        seconds = self.deadline_s - self.bill.started_s
        return f"Send `stream: true` where the model allows it: a stream may take up to {seconds:.0f} seconds."


# Endpoints whose requests may ask for a stream of events by `stream`.
_STREAMABLE = ("chat.", "completions", "images.", "audio.transcriptions")


class _UndeliveredError(Exception):
    """The answer was made, and may have been paid for, but could not be put where the caller gets it."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__(error.message)
        self.error = error


async def _delivered(answer: AnswerT, deliver: Callable[[AnswerT], Awaitable[AnswerT]]) -> AnswerT:
    try:
        return await deliver(answer)
    except GatewayError as exc:
        raise _UndeliveredError(exc) from exc
