"""KeyConditionExpression: the partition, and at most one condition on the sort key."""

from collections.abc import Iterator
from dataclasses import dataclass

from multiconnection.aws.dynamo import RequestRejected

from .evaluate import Check, Names, Test, Values, compile_condition, resolve
from .syntax import And, BeginsWith, Between, Compare, Condition, Operand, Path, Value
from .values import Attribute


@dataclass(frozen=True, slots=True)
class KeyPart:
    path: Path
    node: Compare | Between | BeginsWith
    test: Test


@dataclass(frozen=True, slots=True)
class KeyTest:
    parts: tuple[KeyPart, ...]

    def partition(self, names: Names, values: Values, hash_key: str) -> Attribute:
        for part in self.parts:
            node = part.node
            if resolve(part.path, names) == hash_key and isinstance(node, Compare) and node.operator == "=":
                assert isinstance(node.right, Value)
                return values[node.right.name]
        raise RequestRejected(f"query condition missed key schema element: {hash_key}")

    def compared(self, names: Names, values: Values) -> Iterator[tuple[str, Attribute]]:
        """Each key attribute with each value it is compared to."""
        for part in self.parts:
            node = part.node
            operands = (node.low, node.high) if isinstance(node, Between) else (_right(node),)
            for operand in operands:
                assert isinstance(operand, Value)
                yield resolve(part.path, names), values[operand.name]

    def sort_test(self, names: Names, hash_key: str, range_key: str | None) -> Test | None:
        """The condition on the sort key, if there is one; anything else in the expression is an error."""
        attributes = [resolve(part.path, names) for part in self.parts]
        if len(set(attributes)) != len(attributes):
            raise RequestRejected("a key condition names each key once")
        found: Test | None = None
        for attribute, part in zip(attributes, self.parts, strict=True):
            if attribute == hash_key:
                continue
            if attribute != range_key:
                raise RequestRejected(f"query key condition on {attribute}, which is no key")
            found = part.test
        return found


def _right(node: Compare | BeginsWith) -> Operand:
    return node.right if isinstance(node, Compare) else node.prefix


def compile_key_condition(node: Condition, checks: list[Check]) -> KeyTest:
    nodes = node.parts if isinstance(node, And) else (node,)
    if len(nodes) > 2:
        raise RequestRejected("conditions can be of length 1 or 2 only")
    return KeyTest(tuple(_part(part, checks) for part in nodes))


def _part(node: Condition, checks: list[Check]) -> KeyPart:
    match node:
        case Compare(operator, Path() as path, Value()) if operator != "<>":
            return KeyPart(path, node, compile_condition(node, checks))
        case Between(Path() as path, Value(), Value()) | BeginsWith(Path() as path, Value()):
            return KeyPart(path, node, compile_condition(node, checks))
        case _:
            raise RequestRejected("invalid operator used in KeyConditionExpression")
