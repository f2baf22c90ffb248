"""POST /v1/uploads: a presigned PUT for a file that is too large for a request's body."""

from typing import Any

from fastapi import APIRouter, Request

from multiconnection.bootstrap.dependencies import CallerDep, ContainerDep
from multiconnection.web.body import read_json

from .service import REFERENCE_PREFIX, Upload

router = APIRouter()
# Four short fields.
BODY_BYTES_MAX = 16 * 1024


@router.post("/v1/uploads")
async def create_upload(request: Request, services: ContainerDep, caller: CallerDep) -> dict[str, Any]:
    """Counts as one request of the key; nothing is charged."""
    body = await read_json(request, BODY_BYTES_MAX)
    await services.limiter.admit(caller.api_key, 0, services.seen.limits(caller.account_id))
    await services.standing.require_active(caller.account_id)
    return upload_object(await services.uploads.create(caller.account_id, body))


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
