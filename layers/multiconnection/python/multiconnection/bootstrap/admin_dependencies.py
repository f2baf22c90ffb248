"""What the administrators' routes ask for, besides orders; only their own function has it."""

from typing import Annotated, Protocol, cast

from fastapi import Depends

from .admin import AdminDesk
from .dependencies import ContainerDep


class AdminServices(Protocol):
    """The part of the container that only the administrators' function has."""

    @property
    def admin(self) -> AdminDesk: ...


async def admin_services(services: ContainerDep) -> AdminServices:
    return cast("AdminServices", services)


AdminServicesDep = Annotated[AdminServices, Depends(admin_services)]
