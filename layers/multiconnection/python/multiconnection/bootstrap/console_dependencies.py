"""What the routes of signed-in people ask for; the data plane never loads it."""

from typing import Annotated, cast

from fastapi import Depends

from .console import ConsoleContainer
from .dependencies import ContainerDep


async def console(services: ContainerDep) -> ConsoleContainer:
    """In functions that browsers call, the container has more."""
    return cast("ConsoleContainer", services)


ConsoleDep = Annotated[ConsoleContainer, Depends(console)]
