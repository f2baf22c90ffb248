"""Why a call was charged as it was, in one sentence: how it ended, and how its usage became known."""

from multiconnection.domain.usage import Ended, UsageSource
from multiconnection.ledger.accounts import UsageRow

ENDINGS = {
    Ended.COMPLETE: "The answer was complete",
    Ended.UPSTREAM_ERROR: "The provider failed before it had answered anything",
    Ended.EMPTY: "The provider's answer was empty",
    Ended.MID_STREAM_ERROR: "The provider failed in the middle of its answer",
    Ended.DEADLINE: "The answer was still coming at the gateway's deadline and was cut off there",
    Ended.KILLED: "The gateway's process died during the call",
    Ended.UNDELIVERED: "The answer was made but could not be delivered to you",
    Ended.INTERNAL_ERROR: "The gateway itself failed during the call",
}
SOURCES = {
    UsageSource.UPSTREAM: "the usage that the provider reported",
    UsageSource.REQUEST: "what was counted, exactly, in your own request",
    UsageSource.PARTIAL: "the last usage that the provider reported before the end",
    UsageSource.ESTIMATED: "an estimate from what was delivered, because the provider reported no plausible usage",
    UsageSource.NONE: "no usage at all",
}


def why(row: UsageRow) -> str:
    ending = ENDINGS[row.ended]
    if not row.cost:
        return f"{ending}; {_free(row)}."
    charged = f"{ending}; the charge is for {SOURCES[row.usage_source]}"
    if row.overrun and row.cost < row.hold:
        return f"{charged}; what the provider reported beyond that is not charged to you."
    if row.overrun:
        return f"{charged}, up to the amount that had been set aside: the rest is not charged to you."
    return f"{charged}."


def _free(row: UsageRow) -> str:
    if row.usage_source is UsageSource.NONE:
        return "nothing is known to have been used, so nothing was charged"
    return f"nothing was charged for {SOURCES[row.usage_source]}"
