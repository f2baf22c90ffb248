"""One DynamoDB operation, one round trip: the protocol that three drivers implement, its errors and its values.

Requests and responses are DynamoDB's JSON ({"S": …}, {"N": …}), so expressions are written once and run the same
against boto3, the asynchronous driver and the in-memory table of the simulation.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import count
from typing import Any, Protocol

from multiconnection.retry import OutcomeUnknown, StoreError, StoreThrottled, StoreUnavailable

Attribute = dict[str, Any]
"""A value in DynamoDB's form, such as {"S": "text"}; numbers are exact ints, never floats or Decimals."""
Item = dict[str, Attribute]
# Refused for load: the operation was not executed.
_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "Throttling",
    "TransactionConflictException",
    "TransactionInProgressException",
    "LimitExceededException",
    "ReplicatedWriteConflictException",
    "KMSThrottlingException",
    "TooManyRequestsException",
    "RequestThrottled",
    "KMS.ThrottlingException",
}
_TIMED_OUT = {"RequestTimeout", "RequestTimeoutException"}
CREDENTIAL_CODES = {
    "ExpiredTokenException",
    "ExpiredToken",
    "InvalidSignatureException",
    "UnrecognizedClientException",
    "MissingAuthenticationTokenException",
    "IncompleteSignatureException",
}


class ConditionFailed(StoreError):
    """ConditionalCheckFailedException; `item` is the item as it was (ALL_OLD), None if there was none."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition failed")
        self.item = item


class TransactionCancelled(StoreError):
    """TransactionCanceledException: `reasons` has one (code, item) for each action, code "None" if it was fine."""

    def __init__(self, reasons: Sequence[tuple[str, Item | None]]) -> None:
        super().__init__(f"the transaction was cancelled: {[code for code, _ in reasons]}")
        self.reasons = reasons


class RequestRejected(StoreError):
    """The request itself is wrong (ValidationException, missing table): a bug or a bad deploy."""


class Driver(Protocol):
    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Run one operation, such as "UpdateItem", once, without retries.

        Raises ConditionFailed, TransactionCancelled, RequestRejected, StoreThrottled (not executed),
        StoreUnavailable (not executed) or OutcomeUnknown (may have been executed).
        """


async def query_items(
    driver: Driver, operation: str, request: Mapping[str, Any], pages_max: int | None = None
) -> AsyncIterator[Item]:
    """Every item of a "Query" or "Scan"; the next page is fetched when the last one is used up.

    Without `pages_max` the table's own size is the bound, because the ledger must see every row.
    """
    payload = dict(request)
    for _ in count() if pages_max is None else range(pages_max):
        page = await driver.call(operation, payload)
        for item in page.get("Items", ()):
            yield item
        if not page.get("LastEvaluatedKey"):
            return
        payload["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def store_error(status: int, code: str, answer: Mapping[str, Any], operation: str) -> StoreError:
    """The error for a refused operation. A 5xx or a time-out may have been executed, any other 4xx was not.

    The codes above are worth another attempt; an unknown code of a 4xx is not, and nothing is lost by that, because the
    ledger treats every error as a write that did not succeed.
    """
    if code == "ConditionalCheckFailedException":
        return ConditionFailed(answer.get("Item"))
    if code == "TransactionCanceledException":
        return _cancelled(answer)
    if code in _THROTTLED or status == 429:
        return StoreThrottled(f"{operation}: {code}")
    if code in CREDENTIAL_CODES:
        return StoreUnavailable(f"{operation}: {code}")
    if status >= 500 or status == 408 or code in _TIMED_OUT:
        return OutcomeUnknown(f"{operation}: HTTP {status} {code}")
    message = answer.get("message") or answer.get("Message") or ""
    return RequestRejected(f"{operation}: {code}: {message}")


def _cancelled(answer: Mapping[str, Any]) -> StoreError:
    reasons = [(reason.get("Code", "None"), reason.get("Item")) for reason in answer.get("CancellationReasons", ())]
    conflict = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
    if any(code in conflict for code, _ in reasons):
        return StoreThrottled("the transaction met another one")
    return TransactionCancelled(reasons)


def text(value: str) -> Attribute:
    return {"S": value}


def number(value: int) -> Attribute:
    """Raises TypeError for anything but a real int: no bool, float or numeric text reaches a money attribute."""
    if type(value) is not int:
        raise TypeError(f"not an int: {value!r}")
    return {"N": str(value)}


def flag(value: bool) -> Attribute:
    return {"BOOL": value}


def texts(values: tuple[str, ...]) -> Attribute:
    return {"L": [text(value) for value in values]}


def numbers(values: Mapping[str, int]) -> Attribute:
    return {"M": {name: number(value) for name, value in values.items()}}


def read_text(item: Mapping[str, Attribute], name: str, default: str = "") -> str:
    found = item.get(name)
    return str(found["S"]) if found else default


def read_number(item: Mapping[str, Attribute], name: str) -> int:
    """Raises KeyError if it is absent, and ValueError if it is not an integer."""
    return int(item[name]["N"])


def read_number_or_none(item: Mapping[str, Attribute], name: str) -> int | None:
    return int(item[name]["N"]) if name in item else None


def read_flag(item: Mapping[str, Attribute], name: str) -> bool:
    return bool(item.get(name, {}).get("BOOL", False))


def read_texts(item: Mapping[str, Attribute], name: str) -> tuple[str, ...]:
    return tuple(entry["S"] for entry in item.get(name, {}).get("L", ()))


def read_numbers(item: Mapping[str, Attribute], name: str) -> dict[str, int]:
    return {key: int(value["N"]) for key, value in item.get(name, {}).get("M", {}).items()}
