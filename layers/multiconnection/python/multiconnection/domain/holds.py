"""Holds: money set aside for one call, and their packed form in the account item.

A live hold costs two attributes, `h_X` and `b_X`, of at most 60 bytes together, so 256 of them fit the
account item into 16 KB. The packed value is
`F EEEEEE KKKKKKKK C MMM VV A…` without the spaces, base 62 where it is a number: format, expiry in seconds,
key id, 1 when the key has a budget, model code, price version, amount in n$. The format digit lets a deploy in
mid-request read the holds of the code before it.
"""

from dataclasses import dataclass

from . import base62

FORMAT = "1"
PRICE_VERSION_MAX = 62**2 - 1


class HoldFormatError(ValueError):
    """A packed hold that this code cannot read; never guess about money."""


@dataclass(frozen=True, slots=True)
class Hold:
    """`birth` is the account's version when the hold was taken: the fence of decide and apply."""

    account_id: str
    hold_id: str
    amount: int
    expires_s: int
    key_id: str
    capped: bool
    model_code: str
    price_version: int
    birth: int = 0


def pack(hold: Hold) -> str:
    return "".join(
        (
            FORMAT,
            base62.encode(hold.expires_s, 6),
            hold.key_id,
            "1" if hold.capped else "0",
            hold.model_code,
            base62.encode(hold.price_version, 2),
            base62.encode(hold.amount),
        )
    )


def unpack(account_id: str, hold_id: str, packed: str, birth: int) -> Hold:
    """Raises HoldFormatError on an unknown format."""
    if packed[:1] != FORMAT or len(packed) < 22:
        raise HoldFormatError(f"hold {hold_id} of account {account_id} has an unknown format")
    return Hold(
        account_id=account_id,
        hold_id=hold_id,
        amount=base62.decode(packed[21:]),
        expires_s=base62.decode(packed[1:7]),
        key_id=packed[7:15],
        capped=packed[15] == "1",
        model_code=packed[16:19],
        price_version=base62.decode(packed[19:21]),
        birth=birth,
    )
