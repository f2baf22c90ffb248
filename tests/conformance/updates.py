"""Update expressions: the item before, and what DynamoDB makes of it."""

from dataclasses import dataclass, field
from typing import Any

from multiconnection.aws.dynamo import Item

from .conditions import HUGE, n, s, shown


@dataclass(frozen=True, slots=True)
class UpdateCase:
    """`before` None is no item; `after` None is a refused request. Neither holds the key."""

    name: str
    before: Item | None
    expression: str
    after: Item | None
    values: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


def _case(before: Item | None, expression: str, after: Item | None, **values: Any) -> UpdateCase:
    """Keywords are values (v=…) unless they are text: those are names."""
    found = "no item" if before is None else f"[{shown(before)}]"
    return UpdateCase(
        f"{found} {expression} | {shown(values)}" if values else f"{found} {expression}",
        before,
        expression,
        after,
        {f":{key}": value for key, value in values.items() if not isinstance(value, str)},
        {f"#{key}": value for key, value in values.items() if isinstance(value, str)},
    )


A5: Item = {"a": n(5)}
AB: Item = {"a": n(5), "b": n(7)}
SETS = (
    _case(A5, "SET a = :v", {"a": n(6)}, v=n(6)),
    _case(A5, "SET b = :v", {"a": n(5), "b": s("x")}, v=s("x")),
    _case(None, "SET b = :v", {"b": s("x")}, v=s("x")),
    _case({}, "SET #b = :v", {"h_1": s("x")}, v=s("x"), b="h_1"),
    _case(A5, "SET a = :v, b = :v", {"a": n(1), "b": n(1)}, v=n(1)),
    _case(A5, "set a = :v", {"a": n(1)}, v=n(1)),
    _case(A5, "SET a=:v,b=:w", {"a": n(1), "b": n(2)}, v=n(1), w=n(2)),
    _case(A5, "SET b = a", {"a": n(5), "b": n(5)}),
    _case(AB, "SET a = b, b = a", {"a": n(7), "b": n(5)}),
    _case(AB, "SET a = a + :v, b = a", {"a": n(6), "b": n(5)}, v=n(1)),
    _case(AB, "SET b = a, a = a + :v", {"a": n(6), "b": n(5)}, v=n(1)),
    _case(A5, "SET a = a", A5),
    _case(A5, "SET a = :v", {"a": {"M": {"x": {"L": [n(1)]}}}}, v={"M": {"x": {"L": [n("1.0")]}}}),
    _case(A5, "SET b = c", None),
    _case(None, "SET b = c", None),
)
ARITHMETIC = (
    _case(A5, "SET a = a + :v", {"a": n(8)}, v=n(3)),
    _case(A5, "SET a = a - :v", {"a": n(-4)}, v=n(9)),
    _case(A5, "SET a = :v + a", {"a": n(8)}, v=n(3)),
    _case(A5, "SET a = :v - a", {"a": n(-2)}, v=n(3)),
    _case(A5, "SET a = :v + :w", {"a": n(7)}, v=n(3), w=n(4)),
    _case(AB, "SET a = a + b", {"a": n(12), "b": n(7)}),
    _case(AB, "SET a = b - a", {"a": n(2), "b": n(7)}),
    _case(A5, "SET a = a + a", {"a": n(10)}),
    _case(A5, "SET a = a + :v", {"a": n(0)}, v=n(-5)),
    _case(A5, "SET a = a + :v", {"a": n("5.1")}, v=n("0.10")),
    _case({"a": n("0.1")}, "SET a = a + :v", {"a": n("0.3")}, v=n("0.2")),
    _case({"a": n(10**18)}, "SET a = a + :v", {"a": n(10**18 + 1)}, v=n(1)),
    _case({"a": n(HUGE)}, "SET a = a + :v", {"a": n(int(HUGE) + 1)}, v=n(1)),
    _case({"a": n("9" * 38)}, "SET a = a + :v", {"a": n("1" + "0" * 38)}, v=n(1)),
    _case({"a": n("9" * 38)}, "SET a = a + :v", None, v=n(2)),
    _case({"a": n(HUGE)}, "SET a = a + :v", None, v=n("0.1")),
    _case({"a": n("9" + "0" * 125)}, "SET a = a + a", None),
    _case(A5, "SET b = b + :v", None, v=n(1)),
    _case(A5, "SET b = b - :v", None, v=n(1)),
    _case(None, "SET b = b + :v", None, v=n(1)),
    _case({"a": s("5")}, "SET a = a + :v", None, v=n(1)),
    _case(A5, "SET a = a + :v", None, v=s("1")),
    _case(A5, "SET a = a + :v + :v", None, v=n(1)),
    _case(A5, "SET a = a * :v", None, v=n(1)),
)
DEFAULTS = (
    _case(A5, "SET a = if_not_exists(a, :v)", A5, v=n(1)),
    _case(A5, "SET b = if_not_exists(b, :v)", {"a": n(5), "b": n(1)}, v=n(1)),
    _case(None, "SET b = if_not_exists(b, :v)", {"b": n(1)}, v=n(1)),
    _case(A5, "SET b = if_not_exists(b, a)", {"a": n(5), "b": n(5)}),
    _case(A5, "SET b = if_not_exists(a, :v)", {"a": n(5), "b": n(5)}, v=n(1)),
    _case(A5, "SET b = if_not_exists(b, :z) + :v", {"a": n(5), "b": n(1)}, z=n(0), v=n(1)),
    _case(A5, "SET a = if_not_exists(a, :z) + :v", {"a": n(6)}, z=n(0), v=n(1)),
    _case(A5, "SET a = if_not_exists(a, :z) - :v", {"a": n(4)}, z=n(0), v=n(1)),
    _case(A5, "SET a = :v - if_not_exists(a, :z)", {"a": n(-4)}, z=n(0), v=n(1)),
    _case(A5, "SET b = if_not_exists(b, c)", None),
    _case(A5, "SET b = if_not_exists(:v, a)", None, v=n(1)),
    _case(A5, "SET b = attribute_exists(a)", None),
)
OTHERS = (
    _case(AB, "REMOVE a", {"b": n(7)}),
    _case(AB, "REMOVE a, b", {}),
    _case(AB, "REMOVE c", AB),
    _case(None, "REMOVE c", {}),
    _case(AB, "SET a = :v REMOVE b", {"a": n(1)}, v=n(1)),
    _case(AB, "REMOVE b SET a = b", {"a": n(7)}),
    _case(AB, "remove #x", {"a": n(5)}, x="b"),
    _case(A5, "ADD a :v", {"a": n(6)}, v=n(1)),
    _case(A5, "ADD a :v, b :v", {"a": n(6), "b": n(1)}, v=n(1)),
    _case(None, "ADD b :v", {"b": n(-1)}, v=n(-1)),
    _case(AB, "SET b = a ADD a :v", {"a": n(6), "b": n(5)}, v=n(1)),
    _case(A5, "ADD a :v", None, v=s("1")),
    _case({"a": s("5")}, "ADD a :v", None, v=n(1)),
    _case({"a": n("9" * 38)}, "ADD a :v", None, v=n(2)),
    _case(A5, "ADD a b", None),
)
MALFORMED = (
    _case(A5, "", None),
    _case(A5, "a = :v", None, v=n(1)),
    _case(A5, "SET", None),
    _case(A5, "SET a", None),
    _case(A5, "SET a = ", None),
    _case(A5, "SET a = :v,", None, v=n(1)),
    _case(A5, "SET a = :v b = :v", None, v=n(1)),
    _case(A5, "SET :v = a", None, v=n(1)),
    _case(A5, "SET a = :v SET b = :v", None, v=n(1)),
    _case(A5, "PUT a = :v", None, v=n(1)),
    _case(A5, "SET a = :v, a = :w", None, v=n(1), w=n(2)),
    _case(A5, "SET a = :v, #x = :v", None, v=n(1), x="a"),
    _case(A5, "SET a = :v REMOVE a", None, v=n(1)),
    _case(A5, "SET a = :v ADD a :v", None, v=n(1)),
    _case(A5, "SET pk = :v", None, v=s("x")),
    _case(A5, "REMOVE pk", None),
    _case(A5, "SET #x = :v", None, v=s("x"), x="pk"),
    _case(A5, "SET status = :v", None, v=n(1)),
    _case(A5, "SET #s = :v", {"a": n(5), "status": n(1)}, v=n(1), s="status"),
    _case(A5, "SET a = :v", None),
    _case(A5, "SET a = :v", None, v=n(1), w=n(2)),
    _case(A5, "SET #x = :v", None, v=n(1)),
    _case(A5, "SET a = :v", None, v=n(1), x="b"),
    _case(A5, "SET a = :v", None, v=n("x")),
    _case(A5, "SET activity_shard = :v", None, v=n(1)),
    _case(A5, "SET activity_bucket = :v", None, v=s("1")),
    _case(A5, "SET activity_shard = :v", None, v=s("")),
)
UPDATES = SETS + ARITHMETIC + DEFAULTS + OTHERS + MALFORMED
