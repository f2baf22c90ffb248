"""The bodies of adjustments."""

from typing import Annotated

from pydantic import Field

from multiconnection.web.validation import ReasonBody


class AdjustBody(ReasonBody):
    """`amount` is a decimal string in USD with its sign, "-2.50"."""

    amount: Annotated[str, Field(min_length=1, max_length=24)]
    client_token: Annotated[str, Field(min_length=8, max_length=128)]
