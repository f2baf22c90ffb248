"""Where an emulator answers otherwise than DynamoDB: (driver, case, why). Each is a strict expected failure."""

KNOWN_DIFFERENCES: tuple[tuple[str, str, str], ...] = ()
