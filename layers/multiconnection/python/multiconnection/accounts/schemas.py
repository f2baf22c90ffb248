"""Bodies of the account routes."""

from typing import Annotated

from pydantic import Field

from multiconnection.identity.schemas import AuthBody, Name


class AccountBody(AuthBody):
    """A person's new name."""

    name: Annotated[Name, Field(min_length=1)]
