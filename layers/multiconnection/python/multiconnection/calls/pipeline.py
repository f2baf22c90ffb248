"""The pipeline of every paid call: find the model, limit, reserve, forward to an upstream, settle."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any, Generic, TypeVar

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
from multiconnection.money import nano_to_decimal
from multiconnection.ports import Clock
from multiconnection.usage import Attempts, Ended, Failure, Usage, UsageSource

from .requests import PricedCall
from .reservation import Reserver
from .settlement import Charge, InFlightCalls, charged_members
from .streaming import NOTHING, Framing, StreamedAnswer, deadline_error
from .upstream import Completion, CostOf, Outcome, UpstreamError, UpstreamStream

CallT = TypeVar("CallT", bound=PricedCall)
BodyT = TypeVar("BodyT")
T = TypeVar("T")
ATTEMPTS_MAX = 4
RETRY_PAUSE_S = 0.2
# Waiting longer than this for a limited upstream is the client's decision, not ours.
RETRY_AFTER_WAITED_MAX_S = 2.0
# Endpoints whose requests may ask for a stream of events by `stream`.
_STREAMABLE = ("chat.", "completions", "images.", "audio.transcriptions")


@dataclass(frozen=True, slots=True)
class CallConfig:
    """Seconds. `timeout_s` is the function's, `deadline_margin_s` is kept for our own error and settlement.

    `whole_answer_timeout_s` is for answers that are no streams of events: nothing can be sent before they are there.
    """

    timeout_s: float
    deadline_margin_s: float
    whole_answer_timeout_s: float
    keep_alive_s: float
    markup_basis_points: int


class Calls:
    """One instance per process, shared by the services of all endpoints."""

    def __init__(
        self,
        catalog: CatalogService,
        limiter: Limiter,
        seen: KnownAccounts,
        reserver: Reserver,
        ledger: Ledger,
        router: "Router",
        clock: Clock,
        config: CallConfig,
        in_flight: InFlightCalls,
    ) -> None:
        self._catalog = catalog
        self._limiter = limiter
        self._seen = seen
        self._reserver = reserver
        self._ledger = ledger
        self._router = router
        self._clock = clock
        self._config = config
        self._in_flight = in_flight

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

        Raises ParameterUnsupported where no upstream takes them, with the refusal of the preferred one.
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

    async def reserve(self, caller: Caller, call: CallT, context: RequestContext) -> "ReservedCall[CallT]":
        """Admits the call and sets its money aside; the result has to be completed or streamed.

        Raises RateLimited, InsufficientBalance, AccountSuspended, ApiKeyInvalid or LedgerUnavailable.
        """
        estimate = call.tokens_estimate
        limits = await self._limiter.admit(caller.api_key.rates, estimate, self._seen.limits(caller.account_id))
        reservation = await self._reserver.reserve(caller, call, context)
        if reservation.bound is not call.bound:
            call = replace(call, bound=reservation.bound)
        context.attempts = Attempts()
        charge = Charge(
            ledger=self._ledger,
            clock=self._clock,
            in_flight=self._in_flight,
            call=call,
            hold=reservation.hold,
            secret=caller.api_key.digits,
            started_s=context.started_s,
            attempts=context.attempts,
            on_settled=partial(self._note_settled, context, limits.subjects, estimate),
        )
        deadline_s = self._deadline_s(context)
        return ReservedCall(
            call,
            charge,
            self._router,
            self._clock,
            deadline_s,
            min(deadline_s, context.started_s + self._config.whole_answer_timeout_s),
            self._config.keep_alive_s,
        )

    def _note_settled(self, context: RequestContext, subjects: tuple[str, ...], estimate: int, row: UsageRow) -> None:
        """The token limits count what the call really used, and the metrics know its price."""
        context.charged = charged_members(row)
        used = row.usage.prompt_tokens + row.usage.completion_tokens
        self._limiter.settle(subjects, estimate, used)

    def _deadline_s(self, context: RequestContext) -> float:
        """Our own deadline, early enough to answer and settle before the function ends."""
        ends_s = context.started_s + self._config.timeout_s
        if context.function_ends_s is not None:
            ends_s = min(ends_s, context.function_ends_s)
        return ends_s - self._config.deadline_margin_s


@dataclass(frozen=True, slots=True)
class ReservedCall(Generic[CallT]):
    """A call that holds money for at most `call.bound`: `complete` or `stream` it, exactly once.

    A stream of events ends by `deadline_s`; a whole answer, or the first byte of any other body, comes by `whole_by_s`.
    """

    call: CallT
    charge: Charge
    router: "Router"
    clock: Clock
    deadline_s: float
    whole_by_s: float
    keep_alive_s: float

    async def complete(
        self,
        operation: Callable[[Provider, CallT], Awaitable[Completion[BodyT]]],
        deliver: Callable[[BodyT], Awaitable[BodyT]] | None = None,
    ) -> tuple[Completion[BodyT], Decimal]:
        """The whole answer, charged, and its cost in USD. Raises GatewayError, settled as well.

        `deliver` puts the answer where the caller can get it. When it raises GatewayError the caller pays nothing.
        """
        outcome = Outcome(Usage(), UsageSource.NONE, Ended.INTERNAL_ERROR)

        async def attempt(provider: Provider, ref: UpstreamRef) -> Completion[BodyT]:
            return await operation(provider, replace(self.call, upstream_model=ref.model))

        try:
            async with asyncio.timeout(max(0.0, self.whole_by_s - self.clock.now())):
                answer = await self.router.call(self.call.model, self.charge.attempts, attempt)
                if deliver is not None:
                    answer = replace(answer, body=await _delivered(answer.body, deliver))
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
            settlement = await self.charge.settle(outcome)
        return answer, nano_to_decimal(settlement.row.cost)

    async def stream(
        self,
        operation: Callable[[Provider, CallT, CostOf], Awaitable[UpstreamStream]],
        framing: Framing,
    ) -> StreamedAnswer:
        """The answer from its first good event (or from silence) on, to be relayed. Raises GatewayError, settled."""

        async def attempt(provider: Provider, ref: UpstreamRef) -> UpstreamStream:
            return await operation(provider, replace(self.call, upstream_model=ref.model), self.charge.cost_usd)

        opening = self.router.call(self.call.model, self.charge.attempts, attempt)
        stream = StreamedAnswer(
            self.charge, opening, self.clock, self.deadline_s, self.keep_alive_s, framing, self.whole_by_s
        )
        await stream.open()
        return stream

    def _advised(self, error: GatewayError) -> GatewayError:
        if isinstance(error, UpstreamTimeout) and error.retryable is False:
            return UpstreamTimeout(f"{error.message} {self._advice()}".rstrip(), retryable=False)
        return error

    def _advice(self) -> str:
        """A stream may take as long as the function: events, and comments between them, keep the connection open."""
        if self.whole_by_s >= self.deadline_s or not self.call.endpoint.startswith(_STREAMABLE):
            return ""
        seconds = self.deadline_s - self.charge.started_s
        return f"Send `stream: true` where the model allows it: a stream may take up to {seconds:.0f} seconds."


class Router:
    """Chooses the upstream of a call: catalog order, cool-downs, bounded retries before the first byte.

    Which upstreams failed lately the catalog's cool-downs remember; shared by all calls of a process.
    """

    def __init__(self, catalog: CatalogService, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._cool_downs = catalog.cool_downs

    async def call(
        self, model: Model, attempts: Attempts, operation: Callable[[Provider, UpstreamRef], Awaitable[T]]
    ) -> T:
        """Tries upstreams until one answers. Raises the last UpstreamError, or NoAvailableUpstream without one."""
        last: UpstreamError | None = None
        tried: set[UpstreamRef] = set()
        for upstream in self._order(model):
            if last is not None and upstream in tried:
                await asyncio.sleep(self._pause_s(last))
            tried.add(upstream)
            provider = self._catalog.provider(upstream.provider)
            attempts.count += 1
            attempts.provider = provider.name
            began_s = self._clock.now()
            try:
                answer = await operation(provider, upstream)
            except UpstreamError as exc:
                last = exc
                self._cool_downs.begin(upstream, exc.cool_down_s, unreachable=exc.unreachable)
                self._note_failure(attempts, exc, began_s)
                if not exc.retry_elsewhere:
                    break
            else:
                self._cool_downs.unreachable.discard(upstream.provider)
                attempts.answered_ms = self._ms_since(began_s)
                return answer
        if last is None:
            raise NoAvailableUpstream(f"No provider for `{model.id}` is configured.", retryable=False)
        raise last

    def _order(self, model: Model) -> Iterator[UpstreamRef]:
        """Upstreams that are not cooling down first; each as often as its provider allows, at most four in all."""
        upstreams = self._catalog.upstreams(model)
        ordered = sorted(upstreams, key=self._cool_downs.active(upstreams).__contains__)
        tries = 0
        for round_ in range(ATTEMPTS_MAX):
            for upstream in ordered:
                if round_ < self._catalog.provider(upstream.provider).attempts_max and tries < ATTEMPTS_MAX:
                    tries += 1
                    yield upstream

    def _note_failure(self, attempts: Attempts, exc: UpstreamError, began_s: float) -> None:
        """A provider that refuses a bad request has answered; it has not failed."""
        if exc.retry_elsewhere:
            failure = Failure(attempts.provider, exc.error.metric_code, self._ms_since(began_s))
            attempts.failures.append(failure)
        else:
            attempts.answered_ms = self._ms_since(began_s)

    def _ms_since(self, began_s: float) -> int:
        return round((self._clock.now() - began_s) * 1000)

    def _pause_s(self, last: UpstreamError) -> float:
        after = last.error.retry_after_s
        return after if after is not None and after <= RETRY_AFTER_WAITED_MAX_S else RETRY_PAUSE_S


class _UndeliveredError(Exception):
    """The answer was made, and may have been paid for, but could not be put where the caller gets it."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__(error.message)
        self.error = error


async def _delivered(body: BodyT, deliver: Callable[[BodyT], Awaitable[BodyT]]) -> BodyT:
    try:
        return await deliver(body)
    except GatewayError as exc:
        raise _UndeliveredError(exc) from exc
