"""Recharge orders: the desk of the API functions, the steps and the repair of the workers."""

from multiconnection.config import Settings
from multiconnection.domain.order_terms import OrderTerms
from multiconnection.domain.ports import Clock, Rng
from multiconnection.ledger.ledger import Ledger
from multiconnection.ledger.store import Alarms
from multiconnection.services.audit import Audit
from multiconnection.services.order_desk import OrderDesk, order_desk
from multiconnection.services.order_repair import OrderRepair
from multiconnection.services.recharge import RechargeSteps
from multiconnection.storage.boto_links import BotoLinks
from multiconnection.storage.driver import Driver
from multiconnection.storage.notices import AwsNotices, NoticeChannels
from multiconnection.storage.orders import OrdersTable
from multiconnection.storage.workflow import StepFunctionsWorkflow

from .base import Base


def build_order_desk(base: Base, audit: Audit) -> OrderDesk:
    """What users and administrators do with orders; nothing here can credit."""
    settings = base.settings
    return order_desk(
        OrdersTable(base.driver, settings.orders_table),
        _workflow(settings),
        base.ledger.store,
        base.objects,
        audit,
        order_terms(settings),
        alarms=base.alarms,
        clock=base.clock,
        rng=base.rng,
    )


def build_recharge(
    settings: Settings, driver: Driver, ledger: Ledger, alarms: Alarms, clock: Clock, rng: Rng
) -> RechargeSteps:
    """The one place from which orders are credited."""
    channels = NoticeChannels(settings.notice_sender, settings.admin_email, settings.admin_topic_arn)
    notices = AwsNotices(channels, settings.region, settings.aws_endpoint_url)
    return RechargeSteps(OrdersTable(driver, settings.orders_table), ledger, notices, alarms, clock, rng)


def build_order_repair(settings: Settings, driver: Driver, alarms: Alarms, clock: Clock) -> OrderRepair:
    store = OrdersTable(driver, settings.orders_table)
    return OrderRepair(store, _workflow(settings), alarms, clock, settings.order_ttl_s)


def build_order_tools(
    settings: Settings, driver: Driver, ledger: Ledger, audit: Audit, alarms: Alarms, clock: Clock, rng: Rng
) -> OrderDesk:
    """The same desk for operators' tools."""
    return order_desk(
        OrdersTable(driver, settings.orders_table),
        _workflow(settings),
        ledger.store,
        BotoLinks(settings.payload_bucket, settings.region, settings.aws_endpoint_url),
        audit,
        order_terms(settings),
        alarms=alarms,
        clock=clock,
        rng=rng,
    )


def order_terms(settings: Settings) -> OrderTerms:
    return OrderTerms(
        rates=settings.order_rates,
        least=settings.order_min_nano,
        most=settings.order_max_nano,
        ttl_s=settings.order_ttl_s,
        open_max=settings.orders_open_max,
        legal_entity=settings.legal_entity,
        bank_details=settings.bank_details,
    )


def _workflow(settings: Settings) -> StepFunctionsWorkflow:
    return StepFunctionsWorkflow(settings.recharge_state_machine_arn, settings.region, settings.aws_endpoint_url)
