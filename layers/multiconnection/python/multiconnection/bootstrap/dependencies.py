"""Typed dependencies of the routes: the container of the function and the caller of a request."""

from typing import Annotated

from fastapi import Depends, Request

from multiconnection.keys.models import Caller
from multiconnection.observability.logging import note_account
from multiconnection.web.context import ContextDep, header

from .gateway import Container


async def container(request: Request) -> Container:
    found: Container = request.app.state.container
    return found


ContainerDep = Annotated[Container, Depends(container)]


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
