"""One in-memory table: rows by key, partitions and sparse indexes kept beside them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from multiconnection.aws.dynamo import Item, RequestRejected

from .expressions.values import Attribute, item_bytes, normalise_item, number

ITEM_BYTES_MAX = 400 * 1024
# (type, text) of the hash key and of the range key, where there is one.
Element = tuple[str, Any]
Key = tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class TableKeys:
    """Key attributes of a table and of its indexes ({index: (hash, range)}).

    `types` gives the type of key attributes as CreateTable does ({"pk": "S"}); one missing there is not checked.
    Indexes hold keys only, except those named in `full_indexes`.
    """

    hash: str
    range: str | None = None
    indexes: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    full_indexes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Row:
    """An item is never changed in place: an update makes a new row. Its size is at most `bytes_bound`."""

    item: Item
    bytes_bound: int


class Schema:
    """The key attributes of a table or an index, and the order that they give to items."""

    def __init__(self, hash_key: str, range_key: str | None, base: tuple[str, ...]) -> None:
        self.hash = hash_key
        self.range = range_key
        self.attributes = (hash_key,) if range_key is None else (hash_key, range_key)
        self.cursor = tuple(dict.fromkeys((*self.attributes, *base)))
        self._base = base

    def covers(self, item: Item) -> bool:
        return all(name in item for name in self.attributes)

    def same(self, left: Item, right: Item) -> bool:
        """True when two items have the same key in this schema."""
        for name in self.attributes:  # noqa: SIM110 - a generator would cost more than the comparison
            if left.get(name) != right.get(name):
                return False
        return True

    def position(self, item: Mapping[str, Attribute]) -> tuple[Any, ...]:
        """Sorts by the range key within a partition; partitions come in an order that means nothing, as hashes do."""
        place = [*_scattered(item[self.hash])]
        if self.range is not None:
            place.append(_rank(item[self.range]))
        for name in self._base:
            place.extend(_scattered(item[name]))
        return tuple(place)


def element(attribute: Attribute) -> Element:
    return next(iter(attribute.items()))


def _scattered(attribute: Attribute) -> tuple[int, Any]:
    kind, raw = element(attribute)
    return crc32(f"{kind}{raw}".encode()), _rank(attribute)


def _index_partition(schema: Schema, item: Item) -> Element | None:
    return element(item[schema.hash]) if schema.covers(item) else None


def _rank(attribute: Attribute) -> Any:
    kind, raw = element(attribute)
    return number(raw) if kind == "N" else raw


class Table:
    def __init__(self, keys: TableKeys) -> None:
        base = (keys.hash,) if keys.range is None else (keys.hash, keys.range)
        self.schema = Schema(keys.hash, keys.range, ())
        self.indexes = {name: Schema(*pair, base) for name, pair in keys.indexes.items()}
        self.full_indexes = keys.full_indexes
        self.rows: dict[Key, Row] = {}
        self._types = keys.types
        self.key_set = frozenset(base)
        self.index_keys = frozenset(name for schema in self.indexes.values() for name in schema.attributes)
        self._partitions: dict[tuple[str | None, Element], dict[Key, None]] = {}

    def key(self, given: Mapping[str, Mapping[str, Any]]) -> Item:
        """A checked copy of a request's Key."""
        if given.keys() != self.key_set:
            raise RequestRejected("the provided key element does not match the schema")
        key = normalise_item(given)
        for name in self.schema.attributes:
            self.check_key_value(name, key[name])
        return key

    def key_of(self, item: Mapping[str, Attribute]) -> Key:
        return tuple(element(item[name]) for name in self.schema.attributes)

    def check_new(self, item: Item) -> None:
        for name in self.schema.attributes:
            if name not in item:
                raise RequestRejected(f"missing the key {name} in the item")
            self.check_key_value(name, item[name])
        for name in self.index_keys & item.keys():
            self.check_key_value(name, item[name])

    def check_key_value(self, name: str, attribute: Attribute) -> None:
        kind, raw = element(attribute)
        expected = self._types.get(name)
        if kind not in ("S", "N") or (expected is not None and kind != expected):
            raise RequestRejected(f"type mismatch for key {name}: expected {expected}, actual {kind}")
        if raw == "":
            raise RequestRejected(f"the key {name} can not be an empty text")

    def row(self, item: Item, bytes_bound: int = ITEM_BYTES_MAX + 1) -> Row:
        """Measures the item unless a bound shows that it fits; raises RequestRejected when it is over 400 KB."""
        if bytes_bound <= ITEM_BYTES_MAX:
            return Row(item, bytes_bound)
        size = item_bytes(item)
        if size > ITEM_BYTES_MAX:
            raise RequestRejected("item size has exceeded the maximum allowed size")
        return Row(item, size)

    def store(self, key: Key, row: Row | None) -> None:
        """Put the row in the place of whatever was there; None deletes."""
        old = self.rows.get(key)
        if row is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = row
        if self.schema.range is not None and (old is None) is not (row is None):
            self._move(None, key, key[0] if old else None, key[0] if row else None)
        for name, schema in self.indexes.items():
            if old is not None and row is not None and schema.same(old.item, row.item):
                continue
            before = None if old is None else _index_partition(schema, old.item)
            after = None if row is None else _index_partition(schema, row.item)
            if before != after:
                self._move(name, key, before, after)

    def _move(self, index: str | None, key: Key, before: Element | None, after: Element | None) -> None:
        if before is not None:
            members = self._partitions[index, before]
            del members[key]
            if not members:
                del self._partitions[index, before]
        if after is not None:
            self._partitions.setdefault((index, after), {})[key] = None

    def partition(self, index: str | None, value: Attribute) -> Iterator[Row]:
        """The rows of one partition of the table or of an index, in no order."""
        place = element(value)
        members: Iterable[Key]
        if index is None and self.schema.range is None:
            members = [(place,)] if (place,) in self.rows else ()
        else:
            members = self._partitions.get((index, place), ())
        return (self.rows[key] for key in members)

    def all_rows(self, index: str | None) -> Iterator[Row]:
        if index is None:
            return iter(self.rows.values())
        schema = self.indexes[index]
        return (row for row in self.rows.values() if schema.covers(row.item))
