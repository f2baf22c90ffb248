"""The administrators' part of the command line: `python -m local [--stack NAME] admin …`."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from local import admin_commands as admin
from multiconnection.credits.models import AdjustmentStatus
from multiconnection.orders.models import OrderStatus

Group = Callable[[Any, str, str], Any]
Add = Callable[[Any, str, Any, str], argparse.ArgumentParser]
LIMIT_MAX = 100


def add_admin(top: Any, group: Group, command: Add) -> None:
    """`group` and `command` add sub-commands in the way of the rest of the command line."""
    root = group(top, "admin", "what the admin pages do; every change is in the audit log, under your login name")
    _orders(group(root, "orders", "recharge orders: list, approve, reject"), command)
    _accounts(group(root, "account", "accounts: show, awaiting, grant, suspend, resume, adjust"), command)
    _adjustments(group(root, "adjustments", "adjustments that need a second administrator"), command)
    _prices(group(root, "prices", "a model's prices: show, diff, set"), command)
    _switches(group(root, "model", "take models in and out of service"), "model", admin.model_switch, command)
    providers = group(root, "provider", "providers: list, enable, disable")
    command(providers, "list", admin.provider_list, "which are enabled, and how they are doing")
    _switches(providers, "provider", admin.provider_switch, command)
    revenue = command(root, "revenue", admin.revenue, "what was charged, and what it cost upstream")
    revenue.add_argument("--from", dest="since_s", type=_day, metavar="YYYY-MM-DD")
    revenue.add_argument("--to", dest="until_s", type=_day, metavar="YYYY-MM-DD", help="exclusive")
    revenue.add_argument("--group", choices=("day", "model", "account"), default="day")
    audit = command(root, "audit", admin.audit, "what administrators did, newest first")
    audit.add_argument("--actor")
    audit.add_argument("--action", help='an action or its beginning, such as "order"')
    _limit(audit)
    reconciliation = command(root, "reconciliation", admin.reconciliation, "the latest report of the reconciliation")
    reconciliation.add_argument("--run", dest="now", action="store_true", help="reconcile now")


def _orders(orders: Any, command: Add) -> None:
    listing = command(orders, "list", admin.orders_list, "orders of one status, oldest first")
    listing.add_argument("--status", type=OrderStatus, default=OrderStatus.IN_REVIEW)
    _limit(listing)
    approve = command(orders, "approve", admin.orders_approve, "approve an order; the workflow credits it")
    approve.add_argument("order")
    approve.add_argument("--amount", required=True, help="repeats the order's amount")
    approve.add_argument("--account", required=True, help="repeats the order's account")
    approve.add_argument("--note", default="")
    _reason(command(orders, "reject", admin.orders_reject, "reject an order; its user is sent the reason"), "order")


def _accounts(accounts: Any, command: Add) -> None:
    command(accounts, "show", admin.account_show, "balance, keys, orders and credits").add_argument("account")
    listing = command(accounts, "awaiting", admin.account_awaiting, "accounts that wait for a test credit")
    _limit(listing)
    _reason(command(accounts, "grant", admin.account_grant, "grant the awaited test credit, once"), "account")
    _reason(command(accounts, "suspend", admin.account_suspend, "refuse the account's next calls"), "account")
    _reason(command(accounts, "resume", admin.account_resume, "serve a suspended or frozen account again"), "account")
    adjust = command(accounts, "adjust", admin.account_adjust, "give or take money; a large amount waits for a second")
    _reason(adjust, "account")
    adjust.add_argument("amount", metavar="USD", help="with its sign: 5.00 or -2.50")
    adjust.add_argument("--id", help="makes it happen once, however often it is sent")


def _adjustments(adjustments: Any, command: Add) -> None:
    listing = command(adjustments, "list", admin.adjustments_list, "adjustments of one status, oldest first")
    listing.add_argument("--status", type=AdjustmentStatus, default=AdjustmentStatus.AWAITING_SECOND)
    _limit(listing)
    approve = command(adjustments, "approve", admin.adjustments_approve, "approve another administrator's adjustment")
    approve.add_argument("adjustment")
    _reason(command(adjustments, "reject", admin.adjustments_reject, "reject an adjustment"), "adjustment")


def _prices(prices: Any, command: Add) -> None:
    command(prices, "show", admin.prices_show, "a model with all its price versions").add_argument("model")
    diff = command(prices, "diff", admin.prices_diff, "what `set` would change; changes nothing")
    change = command(prices, "set", admin.prices_set, "publish a new price version")
    change.add_argument("--confirm", action="store_true", help="also where a price changes more than tenfold")
    for each in (diff, change):
        each.add_argument("model")
        each.add_argument("prices", nargs="+", type=_price, metavar="KIND=PRICE", help="images.1024x1024.high=0.04")
        each.add_argument("--base-version", type=int, help="refuse if another version is current")
        each.add_argument("--reason", default="")


def _switches(group: Any, subject: str, run: Any, command: Add) -> None:
    for name, on in (("enable", True), ("disable", False)):
        switch = command(group, name, run, f"{name} a {subject}")
        switch.set_defaults(on=on)
        switch.add_argument(subject)
        switch.add_argument("--reason", default="")


def _reason(command: argparse.ArgumentParser, subject: str) -> None:
    command.add_argument(subject)
    command.add_argument("--reason", required=True)


def _limit(command: argparse.ArgumentParser) -> None:
    command.add_argument("--limit", type=int, choices=range(1, LIMIT_MAX + 1), default=25, metavar="N")


def _price(text: str) -> tuple[str, str]:
    kind, sign, price = text.partition("=")
    if not kind or not sign or not price:
        raise argparse.ArgumentTypeError("looks like input=0.15")
    return kind, price


def _day(text: str) -> int:
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError as exc:
        raise argparse.ArgumentTypeError("looks like 2026-11-22") from exc
