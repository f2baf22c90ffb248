"""GET /api/usage.csv: all of the signed-in user's calls that a filter lets through, streamed."""

from fastapi import APIRouter

from multiconnection.api.console import HeavyUserDep
from multiconnection.api.console_services import ConsoleDep
from multiconnection.api.csv_download import CsvDownload
from multiconnection.api.usage_query import FilterDep

router = APIRouter()
FILENAME = "usage.csv"


@router.get("/api/usage.csv")
async def download_usage(services: ConsoleDep, user: HeavyUserDep, wanted: FilterDep) -> CsvDownload:
    """Newest first; a year at most, which is also what no range means."""
    chunks = services.console.usage.csv(user.account_id, wanted)
    return CsvDownload(await anext(chunks), chunks, FILENAME)
