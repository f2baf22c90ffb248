"""One way in which an emulator differs from DynamoDB, and the tests that show it."""

from dataclasses import dataclass

MOTO, MINISTACK, DYNAMODB_LOCAL = "moto", "on_ministack", "on_dynamodb_local"
CONDITION = "test_a_condition_holds_fails_or_is_refused"
UPDATE = "test_an_update_writes_or_is_refused"
NUMBER = "test_a_number_is_exact_or_refused"
KEY_CONDITION = "test_a_key_condition_selects_a_range_or_is_refused"


@dataclass(frozen=True, slots=True)
class Difference:
    """`driver` is how a driver's name ends; a case is what a test's id says after the driver's name."""

    driver: str
    why: str
    test: str
    cases: tuple[str, ...] = ("",)
