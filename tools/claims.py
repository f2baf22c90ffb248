"""The figures of the README, made on this machine: `make claims`, or `python -m tools.claims`.

Starts a local stack of its own (real processes, the demo upstream, the local AWS), does what each function below says,
recomputes every account from its rows, and prints what was counted. The exit code is 1 when a figure is not as claimed.
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from local.processes import ChildFailed
from tests.e2e.support.customers import Customer, chat_body, demo_customer, new_customer
from tests.e2e.support.events import events_of
from tests.e2e.support.many_streams import chats, disturbed
from tests.e2e.support.people import Visitor, demo_admin, new_person
from tests.e2e.support.prices import embedding_small
from tests.e2e.support.stack import ROOT, LocalStack
from tests.e2e.support.waiting import until

CALLS, AFFORDABLE, TOKENS = 200, 40, 100
STREAMS, APPROVALS = 20, 20
ORDER_USD = "100.00"
# A call waits while the whole balance is set aside for others; each of these attempts is a second or so apart.
ATTEMPTS_MAX = 60
WAIT_S = 60.0
NOTHING = "0.000000000"


@dataclass(frozen=True, slots=True)
class Claim:
    """The count in one sentence, and its agreement with the README."""

    text: str
    holds: bool


def main() -> int:
    with TemporaryDirectory(prefix="multiconnection-claims-") as folder:
        try:
            claims = measured(Path(folder) / "local")
        except ChildFailed as exc:
            print(f"The local stack did not start: {exc}")
            return 1
    return 0 if all(claim.holds for claim in claims) else 1


def measured(folder: Path) -> list[Claim]:
    """All claims, printed as they are made, on a stack that is gone afterwards."""
    with LocalStack(folder) as stack:
        claims = []
        for claim in (rush, killed_streams, broken_streams, abandoned_streams, approvals, books, idle_month):
            claims.append(claim(stack))
            print(f"{'✓' if claims[-1].holds else '✗'} {claims[-1].text}", flush=True)
        return claims


def rush(stack: LocalStack) -> Claim:
    """Many calls at once on a balance that pays for a few: each costs exactly what it sets aside."""
    price = embedding_small(TOKENS)
    customer = new_customer(stack, str(price * AFFORDABLE))
    statuses = asyncio.run(_rush(customer))
    balance, costs = customer.balance(), [Decimal(row["cost"]) for row in _rows(customer)]
    text = (
        f"{CALLS} calls at once on a balance for {AFFORDABLE}: {statuses[200]} answered, {statuses[402]} refused "
        f"with 402; charged {costs.count(price)} x {price:f} = {sum(costs):f} USD, balance {balance['available']}"
    )
    exact = (statuses, sum(costs)) == (Counter({200: AFFORDABLE, 402: CALLS - AFFORDABLE}), price * AFFORDABLE)
    return Claim(text, exact and (balance["available"], balance["in_flight"]) == (NOTHING, NOTHING))


async def _rush(customer: Customer) -> Counter[int]:
    body = {"model": "text-embedding-3-small", "input": [list(range(1, TOKENS + 1))]}
    limits = httpx.Limits(max_connections=CALLS)
    async with httpx.AsyncClient(timeout=WAIT_S, trust_env=False, limits=limits, headers=customer.headers) as client:

        async def call() -> int:
            for _ in range(ATTEMPTS_MAX):
                answer = await client.post(f"{customer.stack.base_url}/embeddings", json=body)
                if answer.status_code != 429:
                    break
                await asyncio.sleep(float(answer.headers["retry-after"]))
            return answer.status_code

        return Counter(await asyncio.gather(*(call() for _ in range(CALLS))))


def killed_streams(stack: LocalStack) -> Claim:
    """The gateway is killed in the middle of streams; the sweeper ends what it left behind."""
    customer = demo_customer(stack)
    gateway = stack.run["pids"]["gateway"]

    async def kill() -> None:
        os.kill(gateway, signal.SIGKILL)

    before = customer.available()
    streams = asyncio.run(disturbed(customer, chats(STREAMS), kill))
    until(lambda: stack.run["pids"]["gateway"] != gateway, WAIT_S, "the gateway was started again")
    stack.cli("sweep", "--at", "+1h")
    rows = [customer.usage_row(stream.request_id) for stream in streams]
    looked_whole = sum(stream.whole for stream in streams)
    text = (
        f"{STREAMS} streams, the gateway killed with SIGKILL: {looked_whole} looked complete, "
        f"{_ended(rows, 'killed')} usage rows say `killed`, charged {_charged(rows)} USD"
    )
    ended = (looked_whole, _ended(rows, "killed"), _charged(rows)) == (0, STREAMS, NOTHING)
    return Claim(text, ended and customer.available() == before)


def broken_streams(stack: LocalStack) -> Claim:
    """The provider's connection breaks in the middle of each answer."""
    customer = demo_customer(stack)
    answers = [customer.chat("demo-cut", stream=True) for _ in range(STREAMS)]
    events = [events_of(answer.text) for answer in answers]
    errors, done = sum(each.error is not None for each in events), sum(each.done for each in events)
    rows = [customer.usage(answer) for answer in answers]
    text = (
        f"{STREAMS} streams, the provider breaks off: {errors} end in an error event, {done} in [DONE]; "
        f"{_ended(rows, 'mid_stream_error')} usage rows say `mid_stream_error`"
    )
    return Claim(text, (errors, done, _ended(rows, "mid_stream_error")) == (STREAMS, 0, STREAMS))


def abandoned_streams(stack: LocalStack) -> Claim:
    """The client leaves after the first bytes; the answer is read to its end and charged as the provider counted it."""
    customer = demo_customer(stack)
    body = chat_body(stream=True, demo={"chunks": 50, "delay_ms": 10})
    whole = customer.usage(customer.post("/chat/completions", json=body))
    left = [_left_early(customer, body) for _ in range(STREAMS)]
    rows = [_row_when_written(customer, request_id) for request_id in left]
    same = sum((row["ended"], row["cost"]) == ("complete", whole["cost"]) for row in rows)
    text = f"{STREAMS} streams, the client leaves at once: {same} charged as the whole answer that the provider counted"
    return Claim(text, same == STREAMS and {row["usage_source"] for row in rows} == {"upstream"})


def _left_early(customer: Customer, body: dict[str, Any]) -> str:
    """The id of a call whose connection was closed after its first bytes."""
    url = f"{customer.stack.base_url}/chat/completions"
    with httpx.Client(timeout=WAIT_S, trust_env=False, headers=customer.headers) as client:
        with client.stream("POST", url, json=body) as answer:
            next(answer.iter_bytes())
            return str(answer.headers["x-request-id"])


def _row_when_written(customer: Customer, request_id: str) -> dict[str, Any]:
    def row() -> dict[str, Any]:
        answer = customer.get(f"/usage/{request_id}")
        return answer.json() if answer.status_code == 200 else {}

    return until(row, WAIT_S, "the usage row")


def approvals(stack: LocalStack) -> Claim:
    """Many approvals of one order at once credit it once, and administrators cannot approve an order of their own."""
    (person, _), admin = new_person(stack), demo_admin(stack)
    order_id, before = _ordered(person), Decimal(person.get("/api/balance")["available"])
    with ThreadPoolExecutor(APPROVALS) as pool:
        answers = list(pool.map(lambda _: _approved(stack, admin, person, order_id), range(APPROVALS)))
    _reached(person, order_id, "credited")
    credited = Decimal(person.get("/api/balance")["available"]) - before
    own = _approved(stack, admin, admin, _ordered(admin))
    text = (
        f"{APPROVALS} approvals of one order of {ORDER_USD} USD at once: {credited:.2f} USD credited; "
        f"an administrator's own order: {own}"
    )
    return Claim(text, ({*answers}, credited, own) == ({"200"}, Decimal(ORDER_USD), "403 self_approval_forbidden"))


def _ordered(person: Visitor) -> str:
    """The id of an order that waits for a decision."""
    wanted = {"amount": ORDER_USD, "currency": "USD", "method": "bank_transfer", "client_token": "many approvals"}
    order_id = str(person.post("/api/orders", **wanted)["id"])
    _reached(person, order_id, "in_review")
    return order_id


def _approved(stack: LocalStack, admin: Visitor, owner: Visitor, order_id: str) -> str:
    """The status of the answer, and its error code where it has one; each call has a connection of its own."""
    body = {"amount": ORDER_USD, "account_id": owner.get("/api/account")["account_id"]}
    path = f"/api/admin/orders/{order_id}/approve"
    answer = Visitor(stack, dict(admin.cookies)).request("POST", path, json=body)
    return " ".join([str(answer.status_code), *([] if answer.is_success else [answer.json()["error"]["code"]])])


def _reached(person: Visitor, order_id: str, status: str) -> None:
    until(lambda: person.get(f"/api/orders/{order_id}")["status"] == status, WAIT_S, f"the order is {status}")


def books(stack: LocalStack) -> Claim:
    """Every account recomputed from its credit and usage rows."""
    totals = stack.cli("reconcile")["totals"]
    text = f"Reconciliation of {totals['usage_rows']} usage rows: drift {totals['drift_nano']} n$"
    return Claim(text, (totals["drift_nano"], totals["unverified"], totals["live_holds"]) == (0, 0, 0))


def idle_month(_: LocalStack) -> Claim:
    """The parts of docs/cost.md added up; the suite holds their counts to the template and to the code."""
    section = (ROOT / "docs" / "cost.md").read_text().partition("## A month without a call")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")][1:]
    *parts, stated = (Decimal(cells[-1].strip().strip("*")) for cells in rows)
    text = f"A month without a call: {sum(parts)} USD, in {len(parts)} parts"
    return Claim(text, sum(parts) == stated)


def _rows(customer: Customer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = customer.stack.cli("usage", "list", customer.account_id, "--limit", "1000")
    return found


def _ended(rows: list[dict[str, Any]], ended: str) -> int:
    return sum(row["ended"] == ended for row in rows)


def _charged(rows: list[dict[str, Any]]) -> str:
    return f"{sum((Decimal(row['cost']) for row in rows), Decimal(0)):.9f}"


if __name__ == "__main__":
    sys.exit(main())
