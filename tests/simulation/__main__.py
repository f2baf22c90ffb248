"""`python -m tests.simulation --seed N`: replay one history, or run many; exits non-zero on any violation."""

import argparse
import asyncio
import sys
import time

from tests.support.virtual_time import VirtualLoop

from .traffic import history
from .verdict import Verdict

REQUESTS = 1250


def replay(seed: int, requests: int = REQUESTS) -> tuple[Verdict, int]:
    """The verdict on one history, and its checksum."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(history(seed, requests))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="for each seed")
    arguments = parser.parse_args()
    total, began = Verdict(), time.process_time()
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        found, trace = replay(seed, arguments.requests)
        print(f"seed {seed}: {found}, trace {trace:08x}", flush=True)
        for violation in found.violations:
            print(f"  {violation}")
        total += found
    print(f"{arguments.seeds} seeds, {time.process_time() - began:.1f} s of CPU: {total}")
    return 1 if total.violations else 0


if __name__ == "__main__":
    sys.exit(main())
