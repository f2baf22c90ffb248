"""One DynamoDB operation, one round trip: the protocol that three drivers implement, and its errors.

Payloads and answers are DynamoDB's JSON ({"S": …}, {"N": …}), so expressions are written once and run the same
against boto3, the asynchronous caller and the in-memory table of the simulation.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from multiconnection.ledger.store import StoreError

Item = dict[str, dict[str, Any]]


class ConditionFailed(StoreError):
    """ConditionalCheckFailedException; `item` is the item as it was (ALL_OLD), None when there was none."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition failed")
        self.item = item


class TransactionCancelled(StoreError):
    """TransactionCanceledException: `reasons` holds one (code, item) for each action, code "None" where it was fine."""

    def __init__(self, reasons: Sequence[tuple[str, Item | None]]) -> None:
        super().__init__(f"the transaction was cancelled: {[code for code, _ in reasons]}")
        self.reasons = reasons


class RequestRejected(StoreError):
    """The database calls the request itself wrong (ValidationException, missing table): a bug or a bad deploy."""


class Driver(Protocol):
    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Run one operation, such as "UpdateItem", once: no retries below this line.

        Raises ConditionFailed, TransactionCancelled, RequestRejected, StoreThrottled (not executed),
        StoreUnavailable (not executed) or OutcomeUnknown (may have been executed).
        """
