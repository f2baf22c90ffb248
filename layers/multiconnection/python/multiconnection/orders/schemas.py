"""Bodies of the order routes; amounts are decimal strings, never JSON numbers."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from multiconnection.web.validation import plain_text

Text = Annotated[str, Field(max_length=500), AfterValidator(plain_text)]
Amount = Annotated[str, Field(min_length=1, max_length=20)]


class _Body(BaseModel):
    """Strict about types; an unknown field is an error, as a misspelled amount must not pass."""

    model_config = ConfigDict(strict=True, extra="forbid")


class OrderBody(_Body):
    amount: Amount
    currency: Annotated[str, Field(min_length=3, max_length=3)]
    method: Annotated[str, Field(max_length=40)]
    client_token: Annotated[str, Field(min_length=8, max_length=128)]
    note: Text | None = None


class ReceiptBody(_Body):
    content_type: Annotated[str, Field(min_length=1, max_length=128)]
    bytes: Annotated[int, Field(gt=0)]
    filename: Annotated[str, Field(max_length=255)] | None = None


class ApproveBody(_Body):
    """`amount` and `account_id` repeat what the administrator looked at."""

    amount: Amount
    account_id: Annotated[str, Field(min_length=1, max_length=128)]
    note: Text | None = None


class RejectBody(_Body):
    reason: Annotated[Text, Field(min_length=1)]
