"""The counts of docs/cost.md that stand in the template or come out of the code, and its sums."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from local.template_values import read_yaml
from multiconnection.ledger.items import ACTIVITY_SHARDS
from multiconnection.observability.logging import begin_correlation, note_account
from multiconnection.observability.metrics import Emf, RequestMetrics
from multiconnection.orders.models import OrderStatus
from tests.docs.test_operations_docs import ALARMS, RESOURCES, watched
from tests.orders.test_recharge_asl import DEFINITION, STATES, following
from tests.support.asl import LAMBDA
from tests.support.usage_rows import answered_context

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/cost.md").read_text()


def row(name: str) -> list[str]:
    [line] = [line for line in PAGE.splitlines() if line.startswith((f"| {name} |", f"| **{name}** |"))]
    return [cell.strip().strip("*") for cell in line.strip("|").split("|")]


def counted(name: str) -> float:
    return float(row(name)[1].replace(",", ""))


def section(title: str) -> str:
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_the_line_of_a_call_is_as_long_as_the_page_says() -> None:
    written: list[str] = []
    uuid = "01234567-89ab-cdef-0123-456789abcdef"
    begin_correlation("req_0123456789ab", {"gateway_request_id": uuid, "function_request_id": uuid})
    note_account("acct_0123456789abcdef")
    context = answered_context()
    RequestMetrics(Emf("MultiConnection", written.append)).call(context)
    [line] = written
    assert len(line) == pytest.approx(counted("Function log, bytes"), rel=0.1)


def test_the_alarms_are_as_many_as_the_page_says() -> None:
    number = sum(len(list(watched(alarm))) for alarm in ALARMS.values())
    assert counted("Alarms, by the metrics they watch") == number
    assert float(row("Alarms, by the metrics they watch")[3]) == pytest.approx(number * 0.10)


def test_the_sweeper_runs_and_asks_as_often_as_the_page_says() -> None:
    assert counted("Its Queries of the index by_activity, per run") == ACTIVITY_SHARDS
    assert counted("Its Queries of Orders by status, per run") == len(OrderStatus)
    for name in ("Its Queries of the index by_activity, per run", "Its Queries of Orders by status, per run"):
        assert float(row(name)[3]) == pytest.approx(counted(name) * 43_200 / 2 * 0.125e-6, abs=0.005)
    events = RESOURCES["SweeperFunction"]["Properties"]["Events"]
    assert {name: event["Properties"]["Schedule"] for name, event in events.items() if event["Type"] == "Schedule"} == {
        "EveryMinute": "rate(1 minute)",
        "DailyNet": "rate(1 day)",
    }
    assert counted("Sweeper, every minute, 512 MB, about 0.1 s") == 30 * 24 * 60


def test_the_function_has_the_memory_that_the_page_calculates_with() -> None:
    assert RESOURCES["ChatFunction"]["Properties"]["MemorySize"] == 1024
    for seconds in (1, 3, 10):
        gb_seconds, cost = (float(row(f"{seconds} s")[cell].replace(",", "")) for cell in (1, 2))
        assert gb_seconds == seconds * 10**6
        assert cost == pytest.approx(gb_seconds * 0.0000133334, abs=0.01)


def test_the_copies_of_snap_start_are_as_large_as_the_page_says() -> None:
    functions = [spec["Properties"] for spec in RESOURCES.values() if spec["Type"] == "AWS::Serverless::Function"]
    usual = read_yaml(ROOT / "template.yaml")["Globals"]["Function"]["MemorySize"]
    gigabytes = sum(each.get("MemorySize", usual) / 1024 for each in functions if "SnapStart" in each)
    name = "SnapStart's copy of the chat function, GB, one version"
    assert counted(name) == gigabytes
    assert float(row(name)[3]) == pytest.approx(gigabytes * 0.0000015046 * 30 * 24 * 3600, abs=0.01)


def test_an_order_takes_as_many_steps_as_the_page_says() -> None:
    """The way of an approved one through the state machine, each step leading to the next."""
    way = ["Review", "Route", "WaitForDecision", "Look", "Route", "Credit", "Credited", "NotifyUser", "Closed"]
    assert (way[0], STATES[way[-1]]["Type"]) == (DEFINITION["StartAt"], "Succeed")
    assert all(after in following(STATES[before]) for before, after in pairwise(way))
    steps, calls = "Recharge orders, state transitions of an approved one", "invocations of the recharge function"
    assert counted(steps) == len(way)
    assert float(row(steps)[3]) == pytest.approx(len(way) * 0.025, abs=0.0051)
    assert counted(f"Recharge orders, {calls}") == sum(STATES[name].get("Resource") == LAMBDA for name in way)


def test_calls_of_another_kind_cost_what_they_send() -> None:
    lines = [line for line in section("10⁶ calls of another kind").splitlines() if line.startswith("| a")]
    assert len(lines) == 5
    for _, size, requests, cost in (line.strip("|").split("|") for line in lines):
        puts, gets = (int(number) for number in requests.split(",")) if requests.strip() else (0, 0)
        calculated = float(size.replace(",", "")) * 0.09 / 1000 + puts * 5 + gets * 0.4
        assert float(cost) == pytest.approx(calculated, abs=0.005)


@pytest.mark.parametrize(
    ("title", "total"), [("10⁶ calls", "together, without time"), ("A month without a call", "together")]
)
def test_the_sums_are_right(title: str, total: str) -> None:
    rows = [line for line in section(title).splitlines() if re.match(r"\| (?!what|per call|\*\*|mean|\d+ s)", line)]
    sums = [float(line.strip("|").split("|")[-1]) for line in rows if not line.startswith("|---")]
    assert len(sums) >= 8
    assert float(row(total)[-1]) == pytest.approx(sum(sums), abs=0.005)
