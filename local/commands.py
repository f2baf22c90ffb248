"""The commands of `python -m local`; they return plain data that is printed as text or JSON."""

import time
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from local.seed import catalog_file
from multiconnection.bootstrap.base import SystemRng
from multiconnection.bootstrap.workers import Workers
from multiconnection.history.schemas import UsageRowAnswer
from multiconnection.ids import new_short_id
from multiconnection.keys.models import ApiKey
from multiconnection.keys.schemas import KeyBody, KeyPatch
from multiconnection.ledger.models import Account, AccountLimits, CreditRow
from multiconnection.ledger.reconcile import ReconcileReport, totals
from multiconnection.money import nano_to_usd, usd_to_nano

Row = dict[str, Any]
ACTOR = "local"


class CommandFailed(RuntimeError):
    """The command was understood and cannot be done."""


async def account_create(workers: Workers, options: Namespace) -> Row:
    account_id = options.id or f"acct_{new_short_id(SystemRng())}"
    limits = AccountLimits(options.rpm, options.tpm, options.in_flight)
    await workers.ledger.create_account(account_id, options.name, limits)
    if options.credit:
        await _grant(workers, account_id, options.credit, f"opening-{account_id}", "Opening credit")
    return await _account_row(workers, account_id)


async def account_show(workers: Workers, options: Namespace) -> Row:
    return await _account_row(workers, options.account)


async def account_list(workers: Workers, _: Namespace) -> list[Row]:
    return [await _account_row(workers, account_id) async for account_id in workers.ledger.store.all_account_ids()]


async def credit_grant(workers: Workers, options: Namespace) -> Row:
    credit_id = options.id or f"grant_{new_short_id(SystemRng())}"
    await _grant(workers, options.account, options.amount, credit_id, options.reason)
    return {"credit_id": credit_id} | await _account_row(workers, options.account)


async def key_create(workers: Workers, options: Namespace) -> Row:
    body = KeyBody(
        name=options.name,
        budget=options.budget or None,
        requests_per_minute=options.rpm,
        tokens_per_minute=options.tpm,
        models=options.model,
        ips=options.ip,
        expires_at=int(time.time()) + options.expires_in_s if options.expires_in_s else None,
    )
    key, secret = await workers.keys.issue(options.account, body.name, **body.fields())
    return {"api_key": secret} | _key_row(key)


async def key_disable(workers: Workers, options: Namespace) -> Row:
    await workers.keys.change(options.account, options.key_id, KeyPatch(disabled=True))
    return {"key_id": options.key_id, "status": "disabled"}


async def key_delete(workers: Workers, options: Namespace) -> Row:
    await workers.keys.delete(options.account, options.key_id)
    return {"key_id": options.key_id, "status": "deleted"}


async def key_list(workers: Workers, options: Namespace) -> list[Row]:
    return [_key_row(key) for key in await workers.keys.list(options.account)]


async def usage_list(workers: Workers, options: Namespace) -> list[Row]:
    """Newest first."""
    rows = [row async for row in workers.ledger.store.usage_rows(options.account)]
    return [UsageRowAnswer.of(row).model_dump(mode="json") for row in rows[::-1][: options.limit]]


async def models_list(workers: Workers, _: Namespace) -> list[Row]:
    return [
        {"id": model.id, "kind": model.kind, "price_version": model.price_version, "prices": dict(model.quoted)}
        for model in (await workers.models.catalog()).models
    ]


async def models_publish(workers: Workers, _: Namespace) -> Row:
    """The catalog file as it stands; a changed price needs a new `price_version` there."""
    return {"changed": await workers.catalog.publish(catalog_file())}


async def sweep(workers: Workers, options: Namespace) -> Row:
    maintenance = workers.maintenance
    report = await (maintenance.sweep_all() if options.all else maintenance.sweep_active())
    return asdict(report) | {"orders": asdict(await workers.order_repair.repair_orders())}


async def reconcile(workers: Workers, _: Namespace) -> Row:
    """The exit code is 1 on drift."""
    reports = await workers.maintenance.reconcile_all()
    return {"accounts": [_report_row(report) for report in reports], "totals": _in_usd(totals(reports))}


def drifted(result: Row) -> bool:
    return bool(result["totals"]["drift_nano"])


async def _grant(workers: Workers, account_id: str, amount: str, credit_id: str, reason: str) -> None:
    now_ms = int(workers.clock.now() * 1000)
    await workers.ledger.credit(CreditRow(account_id, credit_id, usd_to_nano(amount), "grant", reason, ACTOR, now_ms))


async def _account_row(workers: Workers, account_id: str) -> Row:
    image = await workers.ledger.store.account(account_id)
    if image is None:
        raise CommandFailed(f"there is no account {account_id!r}")
    return _image_row(image)


def _image_row(image: Account) -> Row:
    return {
        "account_id": image.account_id,
        "name": image.name,
        "status": image.status,
        "available": nano_to_usd(image.available),
        "in_flight": nano_to_usd(image.held),
        "charged": nano_to_usd(image.charged),
        "credits_in": nano_to_usd(image.credits_in),
        "live_holds": image.live_holds,
        "version": image.version,
    }


def _key_row(key: ApiKey) -> Row:
    return {
        "key_id": key.key_id,
        "account_id": key.account_id,
        "name": key.name,
        "status": key.status,
        "key": f"sk-live-…{key.last4}",
        "expires": key.expires_s,
        "models": list(key.models),
        "ip_ranges": list(key.ip_ranges),
        "rpm": key.requests_per_minute,
        "tpm": key.tokens_per_minute,
        "budget": nano_to_usd(key.budget_nano) if key.budget_nano is not None else None,
    }


def _report_row(report: ReconcileReport) -> Row:
    figures = {name: getattr(report, name) for name in ("credits_in", "available", "held", "charged", "overrun")}
    return {
        "account_id": report.account_id,
        "verified": report.verified,
        **{name: nano_to_usd(value) for name, value in figures.items()},
        "usage_rows": report.usage_rows,
        "live_holds": report.live_holds,
        "stale_holds": report.stale_holds,
        "charged_drift_nano": report.charged_drift,
        "credits_drift_nano": report.credits_drift,
        "breaches": list(report.breaches),
    }


def _in_usd(sums: Mapping[str, int]) -> Row:
    money = ("credits_in", "available", "held", "charged", "overrun")
    row: Row = {name: nano_to_usd(value) if name in money else value for name, value in sums.items()}
    row["drift_nano"] = row.pop("drift")
    return row
