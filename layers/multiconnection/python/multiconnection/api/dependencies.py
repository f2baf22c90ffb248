"""What routes ask for, as annotated aliases; everything comes from the one composition root."""

from typing import Annotated

from fastapi import Depends, Request

from multiconnection.bootstrap.data_plane import Container
from multiconnection.observability import note_account
from multiconnection.services.authenticate import Caller

from .context import SCOPE_KEY, RequestContext, header


async def container(request: Request) -> Container:
    found: Container = request.app.state.container
    return found


async def context(request: Request) -> RequestContext:
    found: RequestContext = request.scope[SCOPE_KEY]
    return found


ContainerDep = Annotated[Container, Depends(container)]
ContextDep = Annotated[RequestContext, Depends(context)]


async def authenticated(request: Request, services: ContainerDep, facts: ContextDep) -> Caller:
    """The owner of the presented key. Raises ApiKeyRequired, ApiKeyInvalid, RateLimited or IpNotAuthorized."""
    found = await services.authenticator.authenticate(
        header(request.scope, b"authorization"), header(request.scope, b"x-api-key"), facts.ip
    )
    await services.seen.meet(found.account_id)
    note_account(found.account_id)
    facts.limits = lambda: services.limiter.state(found.api_key, services.seen.limits(found.account_id))
    return found


CallerDep = Annotated[Caller, Depends(authenticated)]
