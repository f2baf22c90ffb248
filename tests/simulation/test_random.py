"""10,000 random calls over many accounts, one of them hot; SIMULATION_SEEDS asks for more."""

import os
import subprocess
import sys

import pytest

from .__main__ import REQUESTS, replay

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "8"))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_random_history_keeps_every_invariant(seed: int) -> None:
    found, _ = replay(seed)
    print(f"seed {seed}: {found}")
    assert found.violations == (), f"replay with: python -m tests.simulation --seed {seed}"
    assert found.calls == REQUESTS
    assert found.served > REQUESTS / 5
    assert found.faults > REQUESTS / 20


def test_a_seed_replays_exactly_also_in_another_process() -> None:
    # given
    _, trace = replay(3, requests=100)
    command = [sys.executable, "-m", "tests.simulation", "--seed", "3", "--requests", "100"]
    for hash_seed in ("1", "2"):
        # when
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        # then
        assert f"trace {trace:08x}" in output
