"""The filters that the list, the summary and the download of calls have in common."""

from typing import Annotated

from fastapi import Depends, Query

from multiconnection.domain.call_times import TIME_MAX
from multiconnection.domain.errors import RequestInvalid
from multiconnection.domain.usage import Ended
from multiconnection.services.usage_history import UsageFilter

NameQuery = Annotated[str | None, Query(min_length=1, max_length=256)]


async def usage_filter(
    since_s: Annotated[int, Query(alias="from", ge=0, le=TIME_MAX)] = 0,
    until_s: Annotated[int, Query(alias="to", ge=0, le=TIME_MAX)] = TIME_MAX,
    model: NameQuery = None,
    key_id: NameQuery = None,
    ended: Ended | None = None,
) -> UsageFilter:
    """Epoch seconds, `to` exclusive, by the time a call arrived. Raises RequestInvalid."""
    if since_s >= until_s:
        raise RequestInvalid("'from' must be before 'to'.", param="from")
    return UsageFilter(since_s, until_s, model, key_id, ended)


FilterDep = Annotated[UsageFilter, Depends(usage_filter)]
