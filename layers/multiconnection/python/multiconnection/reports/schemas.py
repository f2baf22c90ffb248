"""The body of a reconciliation."""

from typing import Annotated

from pydantic import Field

from multiconnection.web.validation import AdminBody


class ReconciliationBody(AdminBody):
    accounts_max: Annotated[int, Field(ge=1, le=200)] = 200
