"""Commands of `python -m local admin …`: the administrators' services, with the operator's login name in the log."""

import copy
import getpass
from argparse import Namespace
from typing import Any

from multiconnection.accounts.schemas import AdminAccountAnswer, DossierAnswer
from multiconnection.audit.log import AuditFilter
from multiconnection.audit.routes import AuditEntryAnswer
from multiconnection.bootstrap.base import SystemRng
from multiconnection.bootstrap.workers import Workers
from multiconnection.catalog.admin import quoted_prices
from multiconnection.catalog.admin_routes import change_answer, model_answer, provider_answer
from multiconnection.catalog.schemas import PriceBody
from multiconnection.credits.schemas import AdjustmentAnswer
from multiconnection.identity.models import Session
from multiconnection.ids import new_short_id
from multiconnection.observability.logging import begin_correlation
from multiconnection.orders.routes import reviewed_answer
from multiconnection.reports.schemas import ReconciliationAnswer, RevenueAnswer
from multiconnection.web.openapi import AnswerModel

Row = dict[str, Any]


def operator() -> Session:
    """The person logged in on this machine, who has no account and is not a user of the console."""
    begin_correlation(f"cli_{new_short_id(SystemRng())}")
    name = f"cli:{getpass.getuser()}"
    return Session(account_id="", email=name, name=name, is_admin=True, user_id=name)


async def orders_list(workers: Workers, options: Namespace) -> list[Row]:
    reviewed, _ = await workers.decisions.queue(options.status, options.limit, None)
    return [_row_of(reviewed_answer(order)) for order in reviewed]


async def orders_approve(workers: Workers, options: Namespace) -> Row:
    decisions = workers.decisions
    order = await decisions.approve(operator(), options.order, options.amount, options.account, options.note)
    return _row_of(reviewed_answer(await decisions.reviewed(order)))


async def orders_reject(workers: Workers, options: Namespace) -> Row:
    decisions = workers.decisions
    order = await decisions.reject(operator(), options.order, options.reason)
    return _row_of(reviewed_answer(await decisions.reviewed(order)))


async def account_show(workers: Workers, options: Namespace) -> Row:
    return _row_of(DossierAnswer.whole(await workers.accounts.dossier(options.account)))


async def account_awaiting(workers: Workers, options: Namespace) -> list[Row]:
    """Page after page, up to `--limit` of them."""
    found: list[Row] = []
    accounts, cursor = workers.accounts, None
    while len(found) < options.limit:
        page = await accounts.search("", options.limit, cursor, awaiting=True)
        found += [_row_of(AdminAccountAnswer.of(record)) for record in page.records]
        cursor = page.after
        if cursor is None:
            break
    return found[: options.limit]


async def account_grant(workers: Workers, options: Namespace) -> Row:
    accounts = workers.accounts
    return _row_of(AdminAccountAnswer.of(await accounts.grant_test_credit(operator(), options.account, options.reason)))


async def account_suspend(workers: Workers, options: Namespace) -> Row:
    return _row_of(AdminAccountAnswer.of(await workers.accounts.suspend(operator(), options.account, options.reason)))


async def account_resume(workers: Workers, options: Namespace) -> Row:
    return _row_of(AdminAccountAnswer.of(await workers.accounts.resume(operator(), options.account, options.reason)))


async def account_adjust(workers: Workers, options: Namespace) -> Row:
    """`--id` makes it happen once, however often it is sent."""
    token = options.id or f"cli-{new_short_id(SystemRng())}"
    adjustments = workers.adjustments
    made = await adjustments.propose(operator(), options.account, options.amount, options.reason, token)
    return _row_of(AdjustmentAnswer.of(made))


async def adjustments_list(workers: Workers, options: Namespace) -> list[Row]:
    page = await workers.adjustments.list(options.status, options.limit, None)
    return [_row_of(AdjustmentAnswer.of(each)) for each in page.adjustments]


async def adjustments_approve(workers: Workers, options: Namespace) -> Row:
    return _row_of(AdjustmentAnswer.of(await workers.adjustments.approve(operator(), options.adjustment)))


async def adjustments_reject(workers: Workers, options: Namespace) -> Row:
    adjustment = await workers.adjustments.reject(operator(), options.adjustment, options.reason)
    return _row_of(AdjustmentAnswer.of(adjustment))


async def prices_show(workers: Workers, options: Namespace) -> Row:
    return _row_of(model_answer(await workers.prices.get(options.model)))


async def prices_diff(workers: Workers, options: Namespace) -> Row:
    """Shows the changes that `prices set` would make."""
    change = await workers.prices.diff(options.model, await _price_body(workers, options))
    return _row_of(change_answer(change, dry_run=True))


async def prices_set(workers: Workers, options: Namespace) -> Row:
    change = await workers.prices.publish(operator(), options.model, await _price_body(workers, options))
    return _row_of(change_answer(change, dry_run=False))


async def model_switch(workers: Workers, options: Namespace) -> Row:
    record = await workers.prices.set_enabled(operator(), options.model, enabled=options.on, why=options.reason)
    return _row_of(model_answer(record))


async def provider_list(workers: Workers, _: Namespace) -> list[Row]:
    return [_row_of(provider_answer(record)) for record in await workers.providers.list()]


async def provider_switch(workers: Workers, options: Namespace) -> Row:
    providers = workers.providers
    record = await providers.set_enabled(operator(), options.provider, enabled=options.on, why=options.reason)
    return _row_of(provider_answer(record))


async def revenue(workers: Workers, options: Namespace) -> Row:
    found = await workers.revenue.revenue(options.since_s, options.until_s, options.group)
    return _row_of(RevenueAnswer.of(found, options.group))


async def audit(workers: Workers, options: Namespace) -> list[Row]:
    """Newest first."""
    wanted = AuditFilter(options.actor, options.action)
    page = await workers.audit.page(None, wanted, options.limit)
    return [_row_of(AuditEntryAnswer.of(entry)) for entry in page.entries]


async def reconciliation(workers: Workers, options: Namespace) -> Row:
    """The latest, or a new one with `--run`."""
    service = workers.reconciliation
    return _row_of(ReconciliationAnswer.of(await (service.run(operator()) if options.now else service.latest())))


def _row_of(answer: AnswerModel) -> Row:
    return answer.model_dump(mode="json")


async def _price_body(workers: Workers, options: Namespace) -> PriceBody:
    """The current prices with those of the command line in their places."""
    head = (await workers.prices.get(options.model)).head
    prices = copy.deepcopy(quoted_prices(head.entry))
    for path, price in options.prices:
        _put(prices, path.split("."), price)
    base = options.base_version or head.price_version
    confirm = getattr(options, "confirm", False)
    return PriceBody(prices=prices, base_version=base, confirm=confirm, reason=options.reason)


def _put(prices: dict[str, Any], path: list[str], price: str) -> None:
    """ "images.1024x1024.high" is three levels."""
    *groups, kind = path
    for group in groups:
        prices = prices.setdefault(group, {})
    prices[kind] = price
