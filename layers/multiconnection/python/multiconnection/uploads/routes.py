"""POST /v1/uploads: a presigned PUT for a file that is too large for a request's body."""

from typing import Annotated, Any

from fastapi import APIRouter, Request

from multiconnection.keys.authenticate import CallerDep
from multiconnection.ledger.ledger import Standing
from multiconnection.limits.accounts import KnownAccounts
from multiconnection.limits.limiter import Limiter
from multiconnection.web.body import read_json
from multiconnection.web.context import service

from .service import REFERENCE_PREFIX, Upload, UploadService

LimiterDep = Annotated[Limiter, service("limiter")]
SeenDep = Annotated[KnownAccounts, service("seen")]
StandingDep = Annotated[Standing, service("standing")]
UploadsDep = Annotated[UploadService, service("uploads")]

router = APIRouter()
# Four short fields.
BODY_BYTES_MAX = 16 * 1024


@router.post("/v1/uploads")
async def create_upload(
    request: Request, limiter: LimiterDep, seen: SeenDep, standing: StandingDep, uploads: UploadsDep, caller: CallerDep
) -> dict[str, Any]:
    """Counts as one request of the key; nothing is charged."""
    body = await read_json(request, BODY_BYTES_MAX)
    await limiter.admit(caller.api_key.rates, 0, seen.limits(caller.account_id))
    await standing.require_active(caller.account_id)
    return upload_object(await uploads.create(caller.account_id, body))


def upload_object(upload: Upload) -> dict[str, Any]:
    """An upload on the wire. The PUT has to carry exactly these headers: they are signed."""
    return {
        "id": upload.id,
        "object": "upload",
        "bytes": upload.size,
        "content_type": upload.content_type,
        "filename": upload.filename,
        "created_at": upload.created_s,
        "expires_at": upload.expires_s,
        "upload": {
            "method": "PUT",
            "url": upload.url,
            "headers": {"content-type": upload.content_type, "content-length": str(upload.size)},
        },
        "reference": f"{REFERENCE_PREFIX}{upload.id}",
    }
