"""Recharge orders: users' and administrators' services for the API, the workflow's steps and the repair for workers."""

from starlette.datastructures import State

from multiconnection.aws.dynamo import Driver
from multiconnection.aws.s3 import PayloadStore
from multiconnection.config import Settings
from multiconnection.ledger.ledger import Ledger
from multiconnection.orders.models import OrderTerms
from multiconnection.orders.notifications import AwsNotices, NoticeChannels, StepFunctionsWorkflow
from multiconnection.orders.receipts import ReceiptService
from multiconnection.orders.service import OrderAccess, OrderService
from multiconnection.orders.store import OrdersTable
from multiconnection.orders.workflow import OrderRepair, RechargeSteps
from multiconnection.ports import Alarms, Clock, Rng


def put_orders(state: State, access: OrderAccess, terms: OrderTerms, payloads: PayloadStore) -> None:
    """Put the services of users' own orders on `state`; they cannot decide about an order or credit it."""
    state.orders = OrderService(access, terms)
    state.receipts = ReceiptService(access, state.orders, payloads)


def order_access(settings: Settings, driver: Driver, alarms: Alarms, clock: Clock, rng: Rng) -> OrderAccess:
    return OrderAccess(OrdersTable(driver, settings.orders_table), _workflow(settings), alarms, clock, rng)


def build_recharge(
    settings: Settings, driver: Driver, ledger: Ledger, alarms: Alarms, clock: Clock, rng: Rng
) -> RechargeSteps:
    """The only steps that credit orders."""
    channels = NoticeChannels(settings.notice_sender, settings.admin_email, settings.admin_topic_arn)
    notices = AwsNotices(channels, settings.region, settings.aws_endpoint_url)
    return RechargeSteps(OrdersTable(driver, settings.orders_table), ledger, notices, alarms, clock, rng)


def build_order_repair(settings: Settings, driver: Driver, alarms: Alarms, clock: Clock) -> OrderRepair:
    table = OrdersTable(driver, settings.orders_table)
    return OrderRepair(table, _workflow(settings), alarms, clock, settings.order_ttl_s)


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
