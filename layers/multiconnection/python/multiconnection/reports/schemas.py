"""Bodies and answers of revenue and reconciliation."""

from typing import Annotated, Literal, Self

from pydantic import Field

from multiconnection.ledger.reconcile import ReconcileReport
from multiconnection.money import nano_to_usd
from multiconnection.web.openapi import AnswerModel, Money, Time
from multiconnection.web.validation import StrictBody

from .models import Grouping, Reconciliation, Revenue, RevenueFigures


class ReconciliationBody(StrictBody):
    """The number of accounts to check."""

    accounts_max: Annotated[int, Field(ge=1, le=200)] = 200


class RevenueFiguresAnswer(AnswerModel):
    """`upstream_cost` is without the `unpriced_calls`, whose price version cannot be read."""

    calls: int
    revenue: Money
    upstream_cost: Money
    margin: Money
    unpriced_calls: int

    @classmethod
    def of(cls, figures: RevenueFigures, **more: str) -> Self:
        """`more` are the members that a subclass adds."""
        return cls(
            calls=figures.calls,
            revenue=nano_to_usd(figures.revenue),
            upstream_cost=nano_to_usd(figures.upstream_cost),
            margin=nano_to_usd(figures.margin),
            unpriced_calls=figures.unpriced,
            **more,
        )


class _Named(AnswerModel):
    name: str


# The members of the last base come first.
class RevenueRowAnswer(RevenueFiguresAnswer, _Named):
    """`name` is a day, a model or an account."""


class RevenueAnswer(AnswerModel):
    """`missing_days` have no figures; with `truncated`, some accounts of the latest days were not read."""

    object: Literal["revenue"] = "revenue"
    group: Grouping
    rows: list[RevenueRowAnswer]
    total: RevenueFiguresAnswer
    missing_days: list[str]
    truncated: bool

    @classmethod
    def of(cls, revenue: Revenue, grouping: Grouping) -> Self:
        """Days are oldest first, models and accounts by revenue."""
        rows = sorted(revenue.rows.items(), key=lambda row: row[0])
        if grouping != "day":
            rows.sort(key=lambda row: (-row[1].revenue, -row[1].calls))
        return cls(
            group=grouping,
            rows=[RevenueRowAnswer.of(figures, name=name) for name, figures in rows],
            total=RevenueFiguresAnswer.of(revenue.total),
            missing_days=list(revenue.missing),
            truncated=revenue.truncated,
        )


class FindingAnswer(AnswerModel):
    """An account with an error, or one that could not be verified."""

    account_id: str
    verified: bool
    charged_drift: Money
    credits_drift: Money
    stale_holds: int
    breaches: list[str]

    @classmethod
    def of(cls, report: ReconcileReport) -> Self:
        return cls(
            account_id=report.account_id,
            verified=report.verified,
            charged_drift=nano_to_usd(report.charged_drift),
            credits_drift=nano_to_usd(report.credits_drift),
            stale_holds=report.stale_holds,
            breaches=list(report.breaches),
        )


class ReconciliationAnswer(AnswerModel):
    """`drift` must be zero. Every figure is null before the first reconciliation."""

    object: Literal["reconciliation"] = "reconciliation"
    at: Time | None = None
    accounts: int | None = None
    drift: Money | None = None
    unverified: int | None = None
    stale_holds: int | None = None
    complete: bool | None = None
    findings: list[FindingAnswer]

    @classmethod
    def of(cls, found: Reconciliation | None) -> Self:
        if found is None:
            return cls(findings=[])
        return cls(
            at=found.at_s,
            accounts=found.accounts,
            drift=nano_to_usd(found.drift),
            unverified=found.unverified,
            stale_holds=found.stale_holds,
            complete=found.complete,
            findings=[FindingAnswer.of(report) for report in found.findings],
        )
