"""`make sam-local`: prepares `sam local invoke` against the local stack that `make run` has started.

Writes events/env.json (tables, queue, bucket and people of the local stack), events/local/ (requests with a session),
the items that the events of events/ ask for, and builds the Lambda Web Adapter once. Prints the commands to type.
"""

import asyncio
import json
import platform
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from local.connection import NoLocalStack
from local.environment import LOCAL_ACCESS_KEY, REGION, adopt
from local.paths import ROOT, STACK_FILE
from local.run import running_base_url
from local.run_file import remembered, write_private
from multiconnection.aws.dynamo import Driver
from multiconnection.bootstrap.base import SystemClock
from multiconnection.keys.service import KeyService
from multiconnection.keys.store import KeysTable
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables
from multiconnection.ledger.models import AccountLimits, CreditRow
from multiconnection.ledger.store import AccountRefused
from multiconnection.money import NANO_PER_USD
from multiconnection.orders.models import Order, OrderStatus
from multiconnection.orders.store import OrdersTable
from tools import lambda_adapter
from tools.packaging.target import for_this_machine
from tools.sample_events import (
    ACCOUNT,
    EXAMPLE_ROW,
    ORDER_ID,
    QUEUED_HOLD,
    Example,
    SameEachTime,
    example_key,
    proxy_event,
)

EVENTS = ROOT / "events"
ENV_FILE = EVENTS / "env.json"
SESSIONS = EVENTS / "local"
# Requests of a signed-in person: file, whose session, path of the template, the rest of the path.
SIGNED_IN = (
    ("account-console-get.json", "demo_user", "/api/{proxy+}", "account"),
    ("account-orders-get.json", "demo_user", "/api/{proxy+}", "orders"),
    ("admin-admin-get.json", "demo_admin", "/api/admin/{proxy+}", "orders"),
    ("admin-accounts-get.json", "demo_admin", "/api/admin/{proxy+}", "accounts"),
    ("export-csv-get.json", "demo_user", "/api/usage.csv", ""),
)
CREDIT = CreditRow(ACCOUNT, "example-grant", NANO_PER_USD, "grant", "Example credit", "test", 0)


def main() -> int:
    try:
        environment = running_environment()
    except NoLocalStack as exc:
        print(exc, file=sys.stderr)
        return 2
    network, host = container_network(platform.system())
    write_private(ENV_FILE, json.dumps({"Parameters": container_environment(environment, host)}, indent=2))
    adopt(environment)
    asyncio.run(_seed(environment))
    signed_in = write_signed_in(str(remembered()["base_url"]).removesuffix("/v1"), remembered(), SESSIONS)
    print(_adapter(), commands(network, signed_in), sep="\n\n")
    return 0


def running_environment() -> dict[str, str]:
    """The environment of the running stack's functions. Raises NoLocalStack."""
    if running_base_url() is None:
        raise NoLocalStack("The local stack is not running: start it with `make run`, in another terminal.")
    found: dict[str, str] = json.loads(STACK_FILE.read_text())
    return found


def container_network(system: str) -> tuple[str, str]:
    """Options for `sam local`, and the address at which a container reaches this machine's loopback interface.

    The local AWS listens on that interface only. On Linux a container has to be in the host's network to see it; Docker
    Desktop forwards a name to it.
    """
    return ("--docker-network host", "127.0.0.1") if system == "Linux" else ("", "host.docker.internal")


def container_environment(environment: Mapping[str, str], host: str) -> dict[str, str]:
    """The variables of the functions, for a container; `sam local` collects answers, so the adapter need not stream."""
    seen = {name: value.replace("127.0.0.1", host).replace("localhost", host) for name, value in environment.items()}
    return seen | {"AWS_LWA_INVOKE_MODE": "buffered"}


def write_signed_in(site: str, people: Mapping[str, Any], folder: Path) -> list[str]:
    """Events with the sessions of the demo people, who are signed in for it; returns their names."""
    cookies = {whose: _session(site, people[whose]) for whose in ("demo_user", "demo_admin")}
    for name, whose, path, rest in SIGNED_IN:
        event = proxy_event(path, "GET", Example({"proxy": rest} if rest else {}, public=True))
        event["headers"]["Cookie"] = cookies[whose]
        event["multiValueHeaders"]["Cookie"] = [cookies[whose]]
        write_private(folder / name, json.dumps(event, indent=2))
    return [name for name, *_ in SIGNED_IN]


def commands(network: str, signed_in: list[str]) -> str:
    overrides = f"Architecture={for_this_machine().architecture} Adapter=own"
    options = f"--env-vars events/env.json --parameter-overrides {overrides} {network}"
    invoke = f"sam local invoke {{}} -e events/{{}} {options}".rstrip()
    examples = [
        ("ChatFunction", "chat-chat-post.json"),
        ("ModelsFunction", "models-list-get.json"),
        ("AccountFunction", f"local/{signed_in[0]}"),
        ("RechargeFunction", "recharge-look.json"),
    ]
    return "\n".join(
        [
            "Credentials for the local AWS only, so that yours are not sent anywhere:",
            f"  export AWS_ACCESS_KEY_ID={LOCAL_ACCESS_KEY} AWS_SECRET_ACCESS_KEY={LOCAL_ACCESS_KEY}"
            f" AWS_DEFAULT_REGION={REGION}; unset AWS_PROFILE AWS_SESSION_TOKEN",
            "Build for this machine's processor, and again after each change:",
            f"  sam build --parameter-overrides Architecture={for_this_machine().architecture}",
            "Then, with any function of template.yaml and its event in events/ or, with a session, in events/local/:",
            *(f"  {invoke.format(function, event)}" for function, event in examples),
        ]
    )


async def seed_examples(driver: Driver, names: Mapping[str, str]) -> None:
    """Write what the events ask for: an account with their key, credit, usage row, held call and order.

    `names` are the physical names of the template's tables. An account that is there already is left as it is.
    """
    now_s = int(time.time())
    tables = LedgerTables(names["BalancesTable"], names["UsageTable"], names["CreditsTable"])
    store = DynamoStore(driver, tables)
    try:
        await store.create_account(ACCOUNT, "Example", now_s, AccountLimits())
    except AccountRefused:
        return
    await store.credit(CREDIT)
    await store.reserve(QUEUED_HOLD, key_epoch=0, in_flight_max=1, activity_bucket=1)
    await store.decide(EXAMPLE_ROW)
    keys = KeysTable(driver, names["KeysTable"], names["BalancesTable"])
    _, secret = await KeyService(keys, store, SystemClock(), SameEachTime()).issue(ACCOUNT, "events")
    assert secret == example_key()
    await OrdersTable(driver, names["OrdersTable"]).create(example_order(now_s), "example-token")


def example_order(now_s: int) -> Order:
    return Order(
        order_id=ORDER_ID,
        reference="MC-EXAMPLE",
        account_id=ACCOUNT,
        email="user@example.com",
        cents=10_000,
        currency="USD",
        rate=NANO_PER_USD,
        credit=100 * NANO_PER_USD,
        method="bank_transfer",
        status=OrderStatus.SUBMITTED,
        note="",
        created_s=now_s,
        expires_s=now_s + 86_400,
        times={OrderStatus.SUBMITTED: now_s},
    )


async def _seed(environment: Mapping[str, str]) -> None:
    from multiconnection.aws.boto import BotoDriver, dynamodb_client

    driver = BotoDriver(dynamodb_client(REGION, environment["AWS_ENDPOINT_URL"]))
    tables = ("Keys", "Balances", "Usage", "Credits", "Orders")
    await seed_examples(driver, {f"{name}Table": environment[f"{name.upper()}_TABLE"] for name in tables})


def _session(site: str, person: Mapping[str, str]) -> str:
    """The cookies of a new session, as a browser would send them."""
    with httpx.Client(base_url=site, headers={"origin": site, "x-mc-csrf": "1"}, trust_env=False) as browser:
        body = {"email": person["email"], "password": person["password"]}
        browser.post("/api/auth/sign-in", json=body).raise_for_status()
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies.jar)


def _adapter() -> str:
    if why := lambda_adapter.missing():
        return f"Without the adapter the functions that stream cannot be invoked locally: {why}"
    return f"The adapter for the functions that stream: {lambda_adapter.lambda_adapter().relative_to(ROOT)}"


if __name__ == "__main__":
    sys.exit(main())
