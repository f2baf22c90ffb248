"""POST /v1/uploads: a presigned PUT for a file that is too large for a request's body."""

from typing import Annotated

from fastapi import APIRouter, Request

from multiconnection.keys.authenticate import CallerDep
from multiconnection.ledger.ledger import Standing
from multiconnection.limits.accounts import KnownAccounts
from multiconnection.limits.limiter import Limiter
from multiconnection.web.body import read_json
from multiconnection.web.context import service
from multiconnection.web.openapi import takes

from .schemas import PresignedPut, UploadAnswer, UploadBody
from .service import REFERENCE_PREFIX, UploadService

LimiterDep = Annotated[Limiter, service("limiter")]
SeenDep = Annotated[KnownAccounts, service("seen")]
StandingDep = Annotated[Standing, service("standing")]
UploadsDep = Annotated[UploadService, service("uploads")]

router = APIRouter()
# Four short fields.
BODY_BYTES_MAX = 16 * 1024


@router.post(
    "/v1/uploads",
    tags=["Uploads"],
    summary="Get a URL to send a large file to, for use as upload://ID",
    openapi_extra=takes(UploadBody),
)
async def create_upload(
    request: Request, limiter: LimiterDep, seen: SeenDep, standing: StandingDep, uploads: UploadsDep, caller: CallerDep
) -> UploadAnswer:
    """Counts as one request of the key; nothing is charged."""
    body = await read_json(request, BODY_BYTES_MAX)
    await limiter.admit(caller.api_key.rates, 0, seen.limits(caller.account_id))
    await standing.require_active(caller.account_id)
    upload = await uploads.create(caller.account_id, body)
    return UploadAnswer(
        id=upload.id,
        bytes=upload.size,
        content_type=upload.content_type,
        filename=upload.filename,
        created_at=upload.created_s,
        expires_at=upload.expires_s,
        upload=PresignedPut.of(upload.url, upload.content_type, upload.size),
        reference=f"{REFERENCE_PREFIX}{upload.id}",
    )
