"""Calls of a customer of his own: what was answered, and his balance before and after it."""

import time
from collections.abc import Callable
from typing import Any

from openai import OpenAI

from tests.e2e.sdk_python.facts import Facts, Target

# What a call tells, and its request id.
Told = tuple[Facts, str]
SETTLED_TRIES_MAX = 200
POLL_S = 0.05


def paid(target: Target, call: Callable[[OpenAI], Told]) -> Facts:
    """Nobody else spends from this account while `call` does."""
    client = target.client("payer_key", max_retries=0)
    before = _balance(client)
    told, request_id = call(client)
    return {**told, "request_id": request_id, "before": before, "after": _settled(client)}


def _settled(client: OpenAI) -> Any:
    """The balance when nothing is in flight: an SDK may raise at an error before the stream has ended."""
    for _ in range(SETTLED_TRIES_MAX):
        found = _balance(client)
        if float(found["in_flight"]) == 0:
            return found
        time.sleep(POLL_S)
    raise RuntimeError("the call was never settled")


def _balance(client: OpenAI) -> Any:
    return client.get("/balance", cast_to=object)


def id_of(raw: Any) -> str:
    """The id of the call that a raw response answers."""
    return str(raw.headers["x-request-id"])
