"""The contents of a fresh local stack: the catalog, a demo account with credit, and a key that works."""

import contextlib
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from local.upstream_models import upstream_entries
from multiconnection.bootstrap.workers import Workers
from multiconnection.keys.models import hash_secret
from multiconnection.ledger.models import AccountLimits, CreditRow
from multiconnection.ledger.store import AccountRefused
from multiconnection.money import NANO_PER_USD

# Of a stack without people, as the benchmarks'; elsewhere the demo account is the demo user's.
DEMO_ACCOUNT = "demo"
DEMO_CREDIT_NANO = 100 * NANO_PER_USD
# The demo account is for trying things out, load tests included.
DEMO_LIMITS = AccountLimits(requests_per_minute=600_000, tokens_per_minute=2_000_000_000)


async def seed_catalog(workers: Workers, env: Mapping[str, str]) -> int:
    """Publish the catalog file and the models of UPSTREAM_BASE_URL; returns how many entries are new or changed."""
    own = catalog_file()
    names = {name for entry in own for name in (entry["id"], *entry["aliases"])}
    listed = upstream_entries(env, (entry["code"] for entry in own))
    added = [await _next_version(workers, entry) for entry in listed if entry["id"] not in names]
    shared = {entry["id"] for entry in listed} & names
    merged = [_served_by_upstream(entry) if _is_named(entry, shared) else entry for entry in own]
    return await workers.catalog.publish([*merged, *added])


def catalog_file() -> list[dict[str, Any]]:
    """The entries that the package ships."""
    entries: list[dict[str, Any]] = json.loads((files("multiconnection") / "data" / "catalog.json").read_text())[
        "models"
    ]
    return entries


async def seed_demo_account(workers: Workers, account_id: str = DEMO_ACCOUNT) -> None:
    """Idempotent: the grant has a fixed id and is credited once in the life of the local state."""
    # It may exist from an earlier run, with whatever balance it has by now.
    with contextlib.suppress(AccountRefused):
        await workers.ledger.create_account(account_id, "Demo", DEMO_LIMITS)
    now_ms = int(workers.clock.now() * 1000)
    grant = CreditRow(account_id, "demo-grant", DEMO_CREDIT_NANO, "grant", "Demo credit", "local", now_ms)
    await workers.ledger.credit(grant)


async def working_key(workers: Workers, remembered: str | None, account_id: str = DEMO_ACCOUNT) -> str:
    """The key of the last run while it is usable, else a new one: a stored key cannot be shown again."""
    if remembered:
        known = {key.key_hash: key for key in await workers.keys.list(account_id)}
        key = known.get(hash_secret(remembered))
        if key is not None and key.is_usable(workers.clock.now()):
            return remembered
    _, secret = await workers.keys.issue(account_id, "make run")
    return secret


async def _next_version(workers: Workers, entry: dict[str, Any]) -> dict[str, Any]:
    """A price that changed since the last run gets a new immutable version."""
    head = await workers.catalog.head(entry["id"])
    if head is None:
        return entry
    current = head.entry
    changed = current["prices"] != entry["prices"]
    return entry | {"code": current["code"], "price_version": current["price_version"] + changed}


def _is_named(entry: Mapping[str, Any], names: set[str]) -> bool:
    return bool(names & {entry["id"], *entry["aliases"]})


def _served_by_upstream(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A catalog model that the server lists too: served there, at the catalog's price."""
    return {**entry, "upstreams": [{"provider": "upstream", "model": entry["id"]}, *entry["upstreams"]]}
