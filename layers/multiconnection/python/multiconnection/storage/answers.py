"""DynamoDB's error answers as our errors: the same table for both drivers over the wire."""

from collections.abc import Mapping
from typing import Any

from multiconnection.ledger.store import OutcomeUnknown, StoreError, StoreThrottled, StoreUnavailable

from .driver import ConditionFailed, RequestRejected, TransactionCancelled

_NOT_EXECUTED_FOR_LOAD = {
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


def store_error(status: int, code: str, answer: Mapping[str, Any], operation: str) -> StoreError:
    """The error for one refused operation. A 5xx or a time-out may have been executed, any other 4xx was not.

    The codes above are those worth another attempt; an unknown code of a 4xx is not, and nothing is lost by that: the
    ledger takes every error for a write that did not succeed.
    """
    if code == "ConditionalCheckFailedException":
        return ConditionFailed(answer.get("Item"))
    if code == "TransactionCanceledException":
        return _cancelled(answer)
    if code in _NOT_EXECUTED_FOR_LOAD or status == 429:
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
