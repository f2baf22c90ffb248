"""Runs the scenarios with one official SDK and collects what it saw."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from multiconnection.bootstrap.base import SystemRng
from multiconnection.keys.models import new_secret
from tests.e2e.support.customers import Customer, new_customer
from tests.e2e.support.stack import PASSED_ON, ROOT
from tests.e2e.support.toolchains import node_script, python_before_current

RUN_S = 120.0
PAYERS_USD = "20"
Facts = Mapping[str, Any]
Row = dict[str, Any]
MODULE = ["-m", "tests.e2e.sdk_python"]


@dataclass(frozen=True, slots=True)
class SdkRun:
    """The facts by scenario; the same names and shapes for every SDK. `payer` is a customer of this run alone."""

    sdk: str
    facts: Mapping[str, Facts]
    customer: Customer
    payer: Customer

    def __getitem__(self, scenario: str) -> Facts:
        return self.facts[scenario]

    def paid(self, scenario: str, cost: Decimal) -> Row:
        """The usage row of a call that cost exactly this: the balance fell by it, and nothing is held."""
        facts = self[scenario]
        row = self.payer.usage_row(facts["request_id"])
        before, after = (Decimal(facts[when]["available"]) for when in ("before", "after"))
        assert (Decimal(row["cost"]), before - after) == (cost, cost)
        assert (facts["after"]["in_flight"], row["overrun"]) == ("0.000000000", "0.000000000")
        return row

    @property
    def is_python(self) -> bool:
        return self.sdk.startswith("python")


COMMANDS: dict[str, Callable[[], list[str]]] = {
    "python-3": lambda: [sys.executable, *MODULE],
    "python-2": lambda: [python_before_current(), *MODULE],
    "node-7": lambda: node_script("openai-7"),
    "node-6": lambda: node_script("openai-6"),
}
SDKS = [pytest.param(name, marks=[pytest.mark.node] if name.startswith("node") else []) for name in COMMANDS]


def wrong_key() -> str:
    """Well-formed, and nobody's."""
    return new_secret(SystemRng())


def run_scenarios(sdk: str, config: Mapping[str, str], customer: Customer) -> SdkRun:
    payer = new_customer(customer.stack, PAYERS_USD)
    done = subprocess.run(
        COMMANDS[sdk](),
        input=json.dumps({**config, "payer_key": payer.api_key}),
        cwd=ROOT,
        env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"{sdk}, after {[line['scenario'] for line in lines]}\n{done.stderr}"
    return SdkRun(sdk, {line["scenario"]: line["facts"] for line in lines}, customer, payer)
