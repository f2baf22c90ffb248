"""Answers about calls: usage rows for API callers, explained calls and summaries for the console."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from multiconnection.ids import began_s, request_id_of
from multiconnection.ledger.models import Account, UsageRow
from multiconnection.money import nano_to_usd
from multiconnection.usage import Ended, UsageSource
from multiconnection.web.openapi import AnswerModel, Money, Time

from .models import ExplainedCall, Summary, Totals
from .price_lines import Line

UsageCounts = Annotated[dict[str, Any], Field(description="Counts of what the call consumed, by kind")]
ExactMoney = Annotated[str, Field(description="A decimal string in USD, with every digit there is")]


class UsageRowAnswer(AnswerModel):
    """Consumption and cost of one call; `overrun` is the part of its cost that is not charged."""

    object: Literal["usage"] = "usage"
    request_id: str
    model: str
    usage: UsageCounts
    cost: Money
    currency: Literal["USD"] = "USD"
    price_version: int
    ended: Ended
    usage_source: UsageSource
    created: Time
    key_id: str
    provider: str | None
    attempts: int
    streamed: bool
    duration_ms: int
    endpoint: str | None
    overrun: Money

    @classmethod
    def of(cls, row: UsageRow) -> Self:
        return cls(
            request_id=request_id_of(row.hold_id),
            model=row.model,
            usage=row.usage.as_openai(),
            cost=nano_to_usd(row.cost),
            price_version=row.price_version,
            ended=row.ended,
            usage_source=row.usage_source,
            created=row.created_ms // 1000,
            key_id=row.key_id,
            provider=row.provider or None,
            attempts=row.attempts,
            streamed=row.streamed,
            duration_ms=row.duration_ms,
            endpoint=row.endpoint or None,
            overrun=nano_to_usd(row.overrun),
        )


class BalanceAnswer(AnswerModel):
    """`available` can be spent now, `in_flight` is set aside by running calls."""

    object: Literal["balance"] = "balance"
    currency: Literal["USD"] = "USD"
    available: Money
    in_flight: Money

    @classmethod
    def of(cls, account: Account) -> Self:
        return cls(available=nano_to_usd(account.available), in_flight=nano_to_usd(account.held))


class LineAnswer(AnswerModel):
    """One line of a charge; the amounts of all lines add up to the cost."""

    kind: str
    quantity: int | float
    price: ExactMoney
    per: str
    amount: ExactMoney

    @classmethod
    def of(cls, line: Line) -> Self:
        return cls(kind=line.kind, quantity=line.quantity, price=line.price, per=line.per, amount=line.amount)


class CallAnswer(AnswerModel):
    """A call with its charge explained. `created` is when it arrived, which lists, filters and days go by."""

    request_id: str
    created: Time
    model: str
    key_id: str
    endpoint: str | None
    usage: UsageCounts
    lines: list[LineAnswer]
    cost: Money
    hold: Money
    price_version: int
    ended: Ended
    usage_source: UsageSource
    why: str
    streamed: bool
    duration_ms: int
    provider: str | None
    attempts: int
    overrun: Money

    @classmethod
    def of(cls, call: ExplainedCall) -> Self:
        row = call.row
        return cls(
            request_id=request_id_of(row.hold_id),
            created=began_s(row.hold_id),
            model=row.model,
            key_id=row.key_id,
            endpoint=row.endpoint or None,
            usage=_named_for_the_console(row.usage.as_openai()),
            lines=[LineAnswer.of(line) for line in call.lines],
            cost=nano_to_usd(row.cost),
            hold=nano_to_usd(row.hold),
            price_version=row.price_version,
            ended=row.ended,
            usage_source=row.usage_source,
            why=call.why,
            streamed=row.streamed,
            duration_ms=row.duration_ms,
            provider=row.provider or None,
            attempts=row.attempts,
            overrun=nano_to_usd(row.overrun),
        )


class TotalsAnswer(AnswerModel):
    calls: int
    cost: Money
    tokens_in: int
    tokens_out: int


class GroupAnswer(AnswerModel):
    """The calls of a model or key. A key's `name` is its id, which filters take; `label` is what its owner calls it."""

    name: str
    label: str
    calls: int
    cost: Money
    tokens_in: int
    tokens_out: int


class DayAnswer(AnswerModel):
    day: str
    calls: int
    cost: Money
    tokens_in: int
    tokens_out: int
    groups: list[GroupAnswer]


class SummaryAnswer(AnswerModel):
    """Days in order and without gaps; if `truncated`, the first one is incomplete and earlier ones are missing."""

    days: list[DayAnswer]
    total: TotalsAnswer
    truncated: bool

    @classmethod
    def of(cls, summary: Summary) -> Self:
        """The groups of a day come most expensive first."""
        days = [
            DayAnswer(
                day=name,
                **_figures(day.totals),
                groups=[
                    GroupAnswer(name=group, label=summary.labels.get(group, group), **_figures(totals))
                    for group, totals in day.by_cost()
                ],
            )
            for name, day in summary.days.items()
        ]
        return cls(days=days, total=TotalsAnswer(**_figures(summary.total)), truncated=summary.truncated)


def _figures(totals: Totals) -> Mapping[str, Any]:
    return {
        "calls": totals.calls,
        "cost": nano_to_usd(totals.cost),
        "tokens_in": totals.tokens_in,
        "tokens_out": totals.tokens_out,
    }


def _named_for_the_console(usage: Mapping[str, object]) -> dict[str, object]:
    names = {"size": "image_size", "quality": "image_quality"}
    return {names.get(name, name): value for name, value in usage.items()}
