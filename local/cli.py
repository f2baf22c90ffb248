"""The command line of a stack, local or deployed: `python -m local [--stack NAME] COMMAND … [--json]`."""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError

from local import commands
from local.admin_cli import add_admin
from local.connection import NoLocalStack, connected
from local.deployed import NoSuchStack
from local.ministack import StateInUse
from local.run import run
from local.run_file import demo_account
from multiconnection.bootstrap.workers import Workers
from multiconnection.catalog.models import CatalogError
from multiconnection.errors import GatewayError
from multiconnection.keys.models import AccountRefusedKey
from multiconnection.ledger.credit import CreditRefused
from multiconnection.money import MoneyError
from multiconnection.retry import StoreError

Command = Callable[[Workers, argparse.Namespace], Awaitable[Any]]
REFUSALS = (
    commands.CommandFailed,
    CatalogError,
    NoLocalStack,
    NoSuchStack,
    StateInUse,
    CreditRefused,
    MoneyError,
    GatewayError,
    StoreError,
    AccountRefusedKey,
    ValidationError,
)
_AHEAD = re.compile(r"\+(\d+)([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 done, 1 drift or a stack that failed, 2 refused or not understood."""
    options = parser().parse_args(arguments)
    if options.run is None:
        return run()
    try:
        with connected(options.ahead_s, options.stack) as workers:
            result = asyncio.run(options.run(workers, options))
    except REFUSALS as exc:
        print(f"{exc}" or type(exc).__name__, file=sys.stderr)
        return 2
    print(json.dumps(result, indent=2, ensure_ascii=False) if options.json else as_text(result))
    return 1 if options.run is commands.reconcile and commands.drifted(result) else 0


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    root.add_argument("--stack", metavar="NAME", help="a stack deployed to AWS instead of the local one")
    root.set_defaults(ahead_s=0.0)
    top = root.add_subparsers(required=True, metavar="COMMAND")
    top.add_parser("run", help="start the local stack").set_defaults(run=None)

    _account_commands(_group(top, "account", "accounts: create, show, list"))

    credit = _group(top, "credit", "give credit, without an entry in the audit log")
    grant = _command(
        credit, "grant", commands.credit_grant, "add a credit row of kind grant; see also admin account adjust"
    )
    grant.add_argument("account")
    grant.add_argument("amount", metavar="USD")
    grant.add_argument("--reason", default="granted on the command line")
    grant.add_argument("--id", help="makes the grant happen once, however often it is sent")

    _key_commands(_group(top, "key", "API keys: create, disable, delete, list"))
    usage = _command(
        _group(top, "usage", "usage rows"), "list", commands.usage_list, "an account's calls, newest first"
    )
    usage.add_argument("account", nargs="?", default=demo_account())
    usage.add_argument("--limit", type=_positive, default=50)
    models = _group(top, "models", "the catalog")
    _command(models, "list", commands.models_list, "the enabled models, with their price versions and prices")
    _command(
        models,
        "publish",
        commands.models_publish,
        "publish the catalog file; a changed price needs a new price_version",
    )
    sweep = _command(top, "sweep", commands.sweep, "end expired holds and look after orders, as the sweeper does")
    sweep.add_argument("--all", action="store_true", help="every account, not only those that called lately")
    sweep.add_argument("--at", dest="ahead_s", type=_ahead, default=0.0, help="as if it were later: +20m, +1h")
    _command(top, "reconcile", commands.reconcile, "recompute every account from its rows; exit code 1 on drift")
    add_admin(top, _group, _command)
    return root


def _account_commands(accounts: Any) -> None:
    create = _command(accounts, "create", commands.account_create, "create an account, with credit if wanted")
    create.add_argument("name")
    create.add_argument("--id")
    create.add_argument("--credit", metavar="USD")
    create.add_argument("--in-flight", type=_positive)
    _limits(create)
    show = _command(accounts, "show", commands.account_show, "one account's balance and status")
    show.add_argument("account", nargs="?", default=demo_account())
    _command(accounts, "list", commands.account_list, "all accounts")


def _key_commands(keys: Any) -> None:
    create = _command(keys, "create", commands.key_create, "create an API key; its secret is shown once")
    create.add_argument("name")
    create.add_argument("--account", default=demo_account())
    create.add_argument("--model", action="append", help="allow only this model; may be repeated")
    create.add_argument("--ip", action="append", metavar="CIDR", help="allow only this range; may be repeated")
    create.add_argument("--budget", metavar="USD")
    create.add_argument("--expires-in", dest="expires_in_s", type=_positive, metavar="SECONDS")
    _limits(create)
    for name, run_ in (("disable", commands.key_disable), ("delete", commands.key_delete)):
        change = _command(keys, name, run_, f"{name} an API key")
        change.add_argument("key_id")
        change.add_argument("--account", default=demo_account())
    listing = _command(keys, "list", commands.key_list, "an account's API keys, without their secrets")
    listing.add_argument("account", nargs="?", default=demo_account())


def _limits(command: argparse.ArgumentParser) -> None:
    command.add_argument("--rpm", type=_positive, help="requests per minute")
    command.add_argument("--tpm", type=_positive, help="tokens per minute")


def _group(top: Any, name: str, help_: str) -> Any:
    return top.add_parser(name, help=help_, description=help_).add_subparsers(required=True, metavar="COMMAND")


def _command(group: Any, name: str, run_: Command, help_: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = group.add_parser(name, help=help_, description=help_)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=run_)
    return command


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _ahead(text: str) -> float:
    found = _AHEAD.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError("looks like +20m")
    return float(int(found[1]) * _UNIT_S[found[2]])


def as_text(result: Any) -> str:
    """Rows as aligned columns, one row as lines."""
    if isinstance(result, list):
        return "\n".join("  ".join(f"{name}={value}" for name, value in row.items()) for row in result) or "none"
    return "\n".join(
        f"{name}:\n" + "\n".join(f"  {line}" for line in as_text(value).splitlines())
        if isinstance(value, list | dict) and value
        else f"{name}: {value}"
        for name, value in result.items()
    )
