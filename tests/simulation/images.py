"""An account item as the auditor reads it: counters, holds and budgets, without the product's own reading."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from multiconnection.aws.dynamo import Item
from multiconnection.ledger.models import unpack


@dataclass(frozen=True, slots=True)
class LiveHold:
    amount: int
    key_id: str
    capped: bool
    birth: int


class Image:
    """One version of one account item. Amounts are n$."""

    def __init__(self, item: Item) -> None:
        self._item = item
        self.version = self.number("v")
        self.status: str = item["st"]["S"]
        self.holds = {name[2:]: self._hold(name[2:]) for name in item if name.startswith("h_")}
        self.caps = {name[2:]: self.number(name) for name in item if name.startswith("k_")}

    def number(self, name: str) -> int:
        return int(self._item[name]["N"])

    def breaches(self) -> Iterator[tuple[str, str]]:
        """I1 to I3 and what they presuppose."""
        credits_in, avail, held, charged, live = map(self.number, ("credits_in", "avail", "held", "charged", "nh"))
        if credits_in != avail + held + charged:
            yield "I1", f"credits_in {credits_in} is not {avail} + {held} + {charged}"
        amounts = sum(hold.amount for hold in self.holds.values())
        births = sum(name.startswith("b_") for name in self._item)
        if held != amounts or not live == len(self.holds) == births:
            yield "I2", f"held {held} of {live}, but {len(self.holds)} holds, {births} births, {amounts} in all"
        if min(avail, held, charged, *self.caps.values()) < 0:
            yield "I3", f"negative: avail {avail}, held {held}, charged {charged}, budgets {self.caps}"

    def _hold(self, hold_id: str) -> LiveHold:
        birth = self._item.get(f"b_{hold_id}", {"N": "-1"})
        return LiveHold(*_unpacked(self._item[f"h_{hold_id}"]["S"]), int(birth["N"]))


@lru_cache(maxsize=4096)
def _unpacked(packed: str) -> tuple[int, str, bool]:
    hold = unpack("", "", packed, 0)
    return hold.amount, hold.key_id, hold.capped
