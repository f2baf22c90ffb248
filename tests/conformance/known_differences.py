"""Where an emulator answers otherwise than DynamoDB. Each entry makes its cases strict expected failures.

What DynamoDB does is taken from its documentation and, where that is silent, from DynamoDB Local.
"""

from .difference import DYNAMODB_LOCAL, UPDATE, Difference
from .ministack_differences import MINISTACK_DIFFERENCES
from .moto_differences import MOTO_DIFFERENCES

KNOWN_DIFFERENCES = (
    *MOTO_DIFFERENCES,
    *MINISTACK_DIFFERENCES,
    Difference(
        DYNAMODB_LOCAL,
        "keeps trailing zeros of an update's numbers",
        UPDATE,
        ("[a=5] SET a = :v | v={'M': {'x': {'L': [{'N': '1.0'}]}}}", "[a=5] SET a = a + :v | v=0.10"),
    ),
    Difference(
        DYNAMODB_LOCAL,
        "does not check the type of an index key that an update sets",
        UPDATE,
        ("[a=5] SET activity_shard = :v | v=1", "[a=5] SET activity_bucket = :v | v={'S': '1'}"),
    ),
    Difference(
        DYNAMODB_LOCAL,
        "refuses the whole transaction instead of cancelling it",
        "test_a_sum_on_a_missing_attribute_cancels_with_a_validation_error",
    ),
)


def why_different(driver: str, test: str, case: str) -> str | None:
    for known in KNOWN_DIFFERENCES:
        if driver.endswith(known.driver) and test == known.test and case in known.cases:
            return f"{driver} {known.why}"
    return None
