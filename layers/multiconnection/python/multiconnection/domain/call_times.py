"""When a call began, as its id tells: hold ids begin with the second, so a range of time is a range of ids."""

from . import base62

_SECOND_CHARS = 6
# The last second that an id can hold.
TIME_MAX = 62**_SECOND_CHARS - 1


def began_s(hold_id: str) -> int:
    """The second in which the call arrived; `created` of a row is when it ended."""
    return base62.decode(hold_id[:_SECOND_CHARS])


def id_bound(second: int) -> str:
    """Not after any id of this second, and after every id of the seconds before it."""
    return base62.encode(second, _SECOND_CHARS)
