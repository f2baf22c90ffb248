"""A usage row as a usual call leaves it, and the context of its request."""

from multiconnection.calls.settlement import charged_members
from multiconnection.context import RequestContext
from multiconnection.ledger.models import UsageRow
from multiconnection.usage import Attempts, Ended, Usage, UsageSource


def usage_row() -> UsageRow:
    return UsageRow(
        account_id="acct_0123456789abcdef",
        hold_id="0123456789ab",
        birth=12,
        hold=2_000_000,
        cost=123_456,
        overrun=0,
        key_id="k1234567",
        model="gpt-4.1",
        price_version=1,
        usage=Usage(input=512, output=256),
        usage_source=UsageSource.UPSTREAM,
        ended=Ended.COMPLETE,
        decided_by="gateway",
        created_ms=1_800_000_000_000,
        provider="openai",
        attempts=1,
        endpoint="chat.completions",
        streamed=True,
        duration_ms=2345,
        secret="0a1b2c3d",
    )


def answered_context(attempts: Attempts | None = None) -> RequestContext:
    """A chat that was answered at the first attempt, unless `attempts` says otherwise."""
    row = usage_row()
    return RequestContext(
        row.hold_id,
        0.0,
        method="POST",
        route="/v1/chat/completions",
        status=200,
        first_byte_ms=420,
        attempts=attempts or Attempts(1, "openai", 410),
        charged=charged_members(row),
    )
