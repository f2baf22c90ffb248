"""Numbers as they are written, and the one text that they are read back as (None: refused)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NumberCase:
    name: str
    stored: str | None


NUMBERS = (
    NumberCase("0", "0"),
    NumberCase("-0", "0"),
    NumberCase("0.0", "0"),
    NumberCase("00", "0"),
    NumberCase("007", "7"),
    NumberCase("-007", "-7"),
    NumberCase("+7", "7"),
    NumberCase("7.0", "7"),
    NumberCase("7.", "7"),
    NumberCase(".5", "0.5"),
    NumberCase("1e3", "1000"),
    NumberCase("1E-3", "0.001"),
    NumberCase("100", "100"),
    NumberCase("1.50", "1.5"),
    NumberCase("1000000000000000000", "1000000000000000000"),
    NumberCase("-1000000000000000000", "-1000000000000000000"),
    NumberCase("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
    NumberCase("-" + "9" * 38, "-" + "9" * 38),
    NumberCase("0." + "3" * 38, "0." + "3" * 38),
    NumberCase("1" * 39, None),
    NumberCase("1" + "0" * 38, "1" + "0" * 38),
    NumberCase("0" * 10 + "1" * 38, "1" * 38),
    NumberCase("1." + "1" * 37, "1." + "1" * 37),
    NumberCase("1." + "1" * 38, None),
    NumberCase("9E125", "9" + "0" * 125),
    NumberCase("1E126", None),
    NumberCase("1E-130", "0." + "0" * 129 + "1"),
    NumberCase("1E-131", None),
    NumberCase("", None),
    NumberCase(" ", None),
    NumberCase(" 7", None),
    NumberCase("7 ", None),
    NumberCase("1_000", None),
    NumberCase("1,000", None),
    NumberCase("0x10", None),
    NumberCase("NaN", None),
    NumberCase("Infinity", None),
    NumberCase("--1", None),
    NumberCase("1e", None),
)
