"""The parts of a parsed expression."""

from dataclasses import dataclass
from typing import Literal

Comparator = Literal["=", "<>", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Path:
    """A top-level attribute, by its name or by a placeholder ("#n")."""

    name: str


@dataclass(frozen=True, slots=True)
class Value:
    """A placeholder of a value (":v")."""

    name: str


@dataclass(frozen=True, slots=True)
class Size:
    path: Path


Operand = Path | Value | Size


@dataclass(frozen=True, slots=True)
class Compare:
    operator: Comparator
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class Between:
    operand: Operand
    low: Operand
    high: Operand


@dataclass(frozen=True, slots=True)
class In:
    operand: Operand
    choices: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    path: Path
    expected: bool


@dataclass(frozen=True, slots=True)
class BeginsWith:
    operand: Operand
    prefix: Operand


@dataclass(frozen=True, slots=True)
class Not:
    part: "Condition"


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple["Condition", ...]


Condition = Compare | Between | In | Exists | BeginsWith | Not | And | Or


@dataclass(frozen=True, slots=True)
class IfNotExists:
    path: Path
    default: "Path | Value | IfNotExists"


@dataclass(frozen=True, slots=True)
class Sum:
    operator: Literal["+", "-"]
    left: "Path | Value | IfNotExists"
    right: "Path | Value | IfNotExists"


Term = Path | Value | IfNotExists


@dataclass(frozen=True, slots=True)
class SetTo:
    path: Path
    value: Term | Sum


@dataclass(frozen=True, slots=True)
class Remove:
    path: Path


@dataclass(frozen=True, slots=True)
class AddTo:
    path: Path
    value: Value


Action = SetTo | Remove | AddTo
