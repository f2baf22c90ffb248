"""What the console's routes have in common: the signed-in user, bodies, lists."""

from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ValidationError

from multiconnection.domain.sessions import Session
from multiconnection.services.sessions import Access
from multiconnection.services.validation import invalid

from .body import read_json
from .console_services import ConsoleDep
from .session import AccessDep, SessionDep

# A name, three limits, a hundred model ids and fifty address ranges.
BODY_BYTES_MAX = 64 * 1024
# A handful of short fields.
SMALL_BODY_BYTES_MAX = 16 * 1024
LIMIT, LIMIT_MAX = 25, 100
B = TypeVar("B", bound=BaseModel)


async def heavy_user(session: SessionDep, services: ConsoleDep) -> Session:
    """For what reads much. Raises RateLimited besides what a session raises."""
    await services.console.quota.admit_heavy(session.account_id)
    return session


async def active_user(session: SessionDep, services: ConsoleDep) -> Session:
    """For what begins or changes something: a suspended account only ends what it has.

    Raises AccountSuspended besides what a session raises.
    """
    await services.standing.require_active(session.account_id)
    return session


async def active_access(access: AccessDep, services: ConsoleDep) -> Access:
    """For changes of what the provider keeps for the account. Raises as `active_user` does."""
    await services.standing.require_active(access.session.account_id)
    return access


UserDep = SessionDep
ActiveAccessDep = Annotated[Access, Depends(active_access)]
ActiveUserDep = Annotated[Session, Depends(active_user)]
HeavyUserDep = Annotated[Session, Depends(heavy_user)]
LimitQuery = Annotated[int, Query(ge=1, le=LIMIT_MAX)]
CursorQuery = Annotated[str | None, Query(max_length=256)]


async def body_of(request: Request, schema: type[B], bytes_max: int = BODY_BYTES_MAX) -> B:
    """Raises RequestInvalid, ParameterMissing, RequestTooLarge or MediaTypeUnsupported."""
    document = await read_json(request, bytes_max)
    try:
        return schema.model_validate(document)
    except ValidationError as exc:
        raise invalid(exc) from None


async def small_body_of(request: Request, schema: type[B]) -> B:
    """Raises as `body_of` does."""
    return await body_of(request, schema, SMALL_BODY_BYTES_MAX)


def list_object(data: list[dict[str, Any]], next_cursor: str | None = None) -> dict[str, Any]:
    return {"object": "list", "data": data, "next_cursor": next_cursor}
