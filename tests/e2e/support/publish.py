"""Adds models that misbehave to the catalog of a running stack: `python -m …publish MODEL+BEHAVIOUR …`.

What is wrong with a demo model's answer is in its name; the catalog that is shipped has such names for chat alone.
"""

import asyncio
import sys

from local.connection import connected
from local.seed import catalog_file


def main(names: list[str]) -> None:
    shipped = {entry["id"]: entry for entry in catalog_file()}
    entries = [_entry(shipped[name.partition("+")[0]], name, number) for number, name in enumerate(names)]
    with connected() as workers:
        asyncio.run(workers.catalog.publish(entries))


def _entry(like: dict[str, object], name: str, number: int) -> dict[str, object]:
    upstreams = [{"provider": "demo", "model": name}]
    return {**like, "id": name, "code": f"z{number:02}", "aliases": [], "price_version": 1, "upstreams": upstreams}


if __name__ == "__main__":
    main(sys.argv[1:])
