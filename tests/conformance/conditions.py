"""Condition expressions, the item they are tested on, and what DynamoDB makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from multiconnection.aws.dynamo import Item

HUGE = "12345678901234567890123456789012345678"
ITEM: Item = {
    "amount": {"N": "5"},
    "twin": {"N": "5"},
    "debt": {"N": "-3"},
    "price": {"N": "0.25"},
    "trillion": {"N": str(10**18)},
    "huge": {"N": HUGE},
    "word": {"S": "abc"},
    "later": {"S": "abd"},
    "digits": {"S": "5"},
    "blank": {"S": ""},
    "accent": {"S": "é"},
    "yes": {"BOOL": True},
    "nothing": {"NULL": True},
    "entries": {"L": [{"N": "1"}, {"S": "x"}]},
    "tokens": {"M": {"input": {"N": "1"}}},
}


def n(value: object) -> dict[str, str]:
    return {"N": str(value)}


def s(value: str) -> dict[str, str]:
    return {"S": value}


def shown(values: Mapping[str, Any]) -> str:
    """Values or an item in one short line, for the names of cases."""
    return " ".join(f"{name}={_short(value)}" for name, value in values.items())


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    if not isinstance(value, str) and list(value) == ["N"] and value["N"]:
        text = value["N"]
    return text if len(text) <= 50 else f"{text[:6]}..{len(text)}..{text[-2:]}"


@dataclass(frozen=True, slots=True)
class ConditionCase:
    """`holds` is None where DynamoDB refuses the expression itself."""

    name: str
    expression: str
    holds: bool | None
    values: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


def _case(expression: str, holds: bool | None, **values: Any) -> ConditionCase:
    """Keywords are values (v=…) unless they are text: those are names."""
    return ConditionCase(
        f"{expression} | {shown(values)}" if values else expression or "empty",
        expression,
        holds,
        {f":{key}": value for key, value in values.items() if not isinstance(value, str)},
        {f"#{key}": value for key, value in values.items() if isinstance(value, str)},
    )


COMPARISONS = (
    _case("amount = :v", True, v=n(5)),
    _case("amount = :v", True, v=n("5.0")),
    _case("amount = :v", True, v=n("0005")),
    _case("amount = :v", False, v=n(6)),
    _case("amount = :v", False, v=s("5")),
    _case("digits = :v", True, v=s("5")),
    _case("digits = :v", False, v=n(5)),
    _case("yes = :v", True, v={"BOOL": True}),
    _case("yes = :v", False, v={"BOOL": False}),
    _case("nothing = :v", True, v={"NULL": True}),
    _case("entries = :v", True, v={"L": [{"N": "1.0"}, {"S": "x"}]}),
    _case("entries = :v", False, v={"L": [{"S": "x"}, {"N": "1"}]}),
    _case("tokens = :v", True, v={"M": {"input": {"N": "01"}}}),
    _case("blank = :v", True, v=s("")),
    _case("absent = :v", False, v=n(5)),
    _case("absent = gone", False),
    _case("amount = twin", True),
    _case("amount = digits", False),
    _case("amount <> :v", True, v=n(6)),
    _case("amount <> :v", False, v=n(5)),
    _case("amount <> :v", True, v=s("5")),
    _case("absent <> :v", True, v=n(5)),
    _case("absent <> gone", True),
    _case("amount < :v", True, v=n(6)),
    _case("amount < :v", False, v=n(5)),
    _case("amount <= :v", True, v=n(5)),
    _case("amount > :v", True, v=n(-6)),
    _case("amount > :v", False, v=n(10)),
    _case("amount >= :v", True, v=n(5)),
    _case("amount >= :v", False, v=n("5.00000001")),
    _case("debt < :v", True, v=n(-2)),
    _case("debt > :v", False, v=n(0)),
    _case("price < :v", True, v=n("0.3")),
    _case("trillion >= :v", True, v=n(10**18)),
    _case("trillion >= :v", False, v=n(10**18 + 1)),
    _case("huge > :v", True, v=n(int(HUGE) - 1)),
    _case("huge = :v", False, v=n(int(HUGE) + 1)),
    _case("word < :v", True, v=s("abd")),
    _case("word < :v", False, v=s("Zzz")),
    _case("digits < :v", False, v=s("10")),
    _case("accent > :v", True, v=s("z")),
    _case("word < later", True),
    _case("amount < word", False),
    _case("amount < :v", False, v=s("9")),
    _case("absent < :v", False, v=n(5)),
    _case("absent >= :v", False, v=n(-5)),
    _case("yes < :v", False, v=n(5)),
    _case(":v < amount", True, v=n(4)),
    _case(":v = amount", True, v=n(5)),
    _case(":v = :w", True, v=n(5), w=n(5)),
    _case("amount < :v", None, v={"BOOL": True}),
    _case("amount < :v", None, v={"NULL": True}),
    _case("amount < :v", None, v={"L": []}),
    _case("amount = amount", None),
    _case("#a = amount", None, a="amount"),
    _case("amount < amount", None),
)
RANGES = (
    _case("amount BETWEEN :v AND :w", True, v=n(5), w=n(5)),
    _case("amount BETWEEN :v AND :w", True, v=n(-1), w=n(10)),
    _case("amount BETWEEN :v AND :w", False, v=n(6), w=n(10)),
    _case("amount between :v and :w", True, v=n(1), w=n(10)),
    _case("absent BETWEEN :v AND :w", False, v=n(1), w=n(10)),
    _case("word BETWEEN :v AND :w", True, v=s("ab"), w=s("abd")),
    _case("word BETWEEN :v AND :w", False, v=n(1), w=n(9)),
    _case("amount BETWEEN :v AND :w AND yes = :x", True, v=n(1), w=n(9), x={"BOOL": True}),
    _case("amount BETWEEN debt AND trillion", True),
    _case("amount BETWEEN absent AND :v", False, v=n(9)),
    _case("amount BETWEEN word AND trillion", False),
    _case("amount BETWEEN :v AND :w", None, v=n(9), w=n(1)),
    _case("amount BETWEEN :v AND :w", None, v=n(1), w=s("9")),
    _case("yes BETWEEN :v AND :w", None, v={"BOOL": True}, w={"BOOL": True}),
    _case("amount IN (:v, :w)", True, v=n(1), w=n(5)),
    _case("amount IN (:v)", False, v=n(1)),
    _case("amount IN (:v, twin)", True, v=n(1)),
    _case("absent IN (:v)", False, v=n(1)),
    _case("word IN (:v, :w)", True, v=n(1), w=s("abc")),
    _case("amount IN (amount)", None),
    _case("amount IN ()", None),
)
FUNCTIONS = (
    _case("attribute_exists(amount)", True),
    _case("attribute_exists(absent)", False),
    _case("attribute_exists(nothing)", True),
    _case("attribute_not_exists(amount)", False),
    _case("attribute_not_exists(absent)", True),
    _case("attribute_not_exists(#x)", True, x="h_42"),
    _case("begins_with(word, :v)", True, v=s("ab")),
    _case("begins_with(word, :v)", False, v=s("b")),
    _case("begins_with(word, :v)", True, v=s("")),
    _case("begins_with(absent, :v)", False, v=s("ab")),
    _case("begins_with(amount, :v)", False, v=s("5")),
    _case("begins_with(word, blank)", True),
    _case("begins_with(word, amount)", False),
    _case("begins_with(word, :v)", None, v=n(5)),
    _case("begins_with(word)", None),
    _case("size(word) = :v", True, v=n(3)),
    _case("size(accent) = :v", True, v=n(1)),
    _case("size(entries) > :v", True, v=n(1)),
    _case("size(absent) = :v", False, v=n(0)),
    _case("size(blank) BETWEEN :v AND :w", True, v=n(0), w=n(1)),
    _case("attribute_exist(amount)", None),
    _case("Attribute_Exists(amount)", None),
    _case("attribute_exists(:v)", None, v=s("amount")),
    _case("if_not_exists(amount, :v)", None, v=n(1)),
)
LOGIC = (
    _case("amount = :v AND yes = :w", True, v=n(5), w={"BOOL": True}),
    _case("amount = :v AND yes = :w", False, v=n(5), w={"BOOL": False}),
    _case("amount = :v OR absent = :v", True, v=n(5)),
    _case("absent = :v OR amount = :w AND debt = :v", False, v=n(1), w=n(5)),
    _case("amount = :w OR absent = :v AND debt = :v", True, v=n(1), w=n(5)),
    _case("(amount = :w OR absent = :v) AND debt = :v", False, v=n(1), w=n(5)),
    _case("NOT amount = :v", False, v=n(5)),
    _case("NOT absent = :v", True, v=n(5)),
    _case("NOT absent < :v AND amount = :v", True, v=n(5)),
    _case("NOT (absent < :v AND amount = :v)", True, v=n(5)),
    _case("NOT amount = :v OR amount = :v", True, v=n(5)),
    _case("NOT NOT amount = :v", True, v=n(5)),
    _case("NOT NOT attribute_exists(amount)", True),
    _case("not amount = :v", False, v=n(5)),
    _case("(amount = :v)", True, v=n(5)),
    _case("((amount = :v) AND (yes = :w))", True, v=n(5), w={"BOOL": True}),
    _case("  amount=:v  and\tdebt<:v\n", True, v=n(5)),
    _case("amount=:v AND(debt<:v)", True, v=n(5)),
    _case("attribute_not_exists(absent) AND amount >= :v AND twin < :w", True, v=n(5), w=n(6)),
    _case("attribute_not_exists(absent) OR amount >= :v AND twin < :w", True, v=n(9), w=n(1)),
    _case("((amount = :v))", None, v=n(5)),
    _case("((amount = :v)) AND yes = :v", None, v=n(5)),
)
MALFORMED = (
    _case("", None),
    _case(" ", None),
    _case("amount", None),
    _case("amount =", None),
    _case("amount = 5", None),
    _case("amount == :v", None, v=n(5)),
    _case("amount != :v", None, v=n(5)),
    _case("(amount = :v", None, v=n(5)),
    _case("amount = :v)", None, v=n(5)),
    _case("amount = :v AND", None, v=n(5)),
    _case("amount = :v amount = :v", None, v=n(5)),
    _case("amount = :v && twin = :v", None, v=n(5)),
    _case("amount = 'x'", None),
    _case("amount = :v + :v", None, v=n(5)),
    _case("status = :v", None, v=n(5)),
    _case("Name = :v", None, v=n(5)),
    _case("usage = :v", None, v=n(5)),
    _case("#s = :v", False, v=n(5), s="status"),
    _case("#amount = :v", True, v=n(5), amount="amount"),
    _case("amount = :v", None, w=n(5)),
    _case("amount = :v", None),
    _case("amount = :v", None, v=n(5), w=n(6)),
    _case("#a = :v", None, v=n(5)),
    _case("amount = :v", None, v=n(5), a="amount"),
    _case("amount = :v", None, v=n("five")),
    _case("amount = :v", None, v=n("")),
    _case("amount = :v", None, v={"N": "1" * 39}),
    _case("amount = :v", None, v={"S": "a", "N": "1"}),
    _case("amount = :v", None, v={}),
    _case("1amount = :v", None, v=n(5)),
    _case("_amount = :v", None, v=n(5)),
)
CONDITIONS = COMPARISONS + RANGES + FUNCTIONS + LOGIC + MALFORMED
