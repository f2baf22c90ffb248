"""Recharge orders: users' and administrators' services for the API, the workflow's steps and the repair for workers."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.datastructures import State

from multiconnection.aws.client import AwsHttp
from multiconnection.aws.dynamo import Driver
from multiconnection.aws.s3 import PayloadStore
from multiconnection.config import Settings
from multiconnection.orders.decisions import ReceiptUrl
from multiconnection.orders.models import Order, OrderTerms, Receipt
from multiconnection.orders.notifications import AwsNotices, NoticeChannels, StepFunctionsWorkflow
from multiconnection.orders.receipts import DOWNLOAD_URL_S, ReceiptService, receipt_key
from multiconnection.orders.service import OrderAccess, OrderService
from multiconnection.orders.store import OrderCredits, OrdersTable
from multiconnection.orders.workflow import OrderRepair, RechargeSteps
from multiconnection.ports import Alarms, Clock, Rng

from .base import ledger_store

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer


def put_orders(state: State, access: OrderAccess, terms: OrderTerms, payloads: PayloadStore) -> None:
    """Put the services of users' own orders on `state`; they cannot decide about an order or credit it."""
    state.orders = OrderService(access, terms)
    state.receipts = ReceiptService(access, state.orders, payloads)


def order_access(
    settings: Settings, driver: Driver, aws: AwsHttp, alarms: Alarms, clock: Clock, rng: Rng
) -> OrderAccess:
    return OrderAccess(OrdersTable(driver, settings.orders_table), _workflow(settings, aws), alarms, clock, rng)


def build_recharge(settings: Settings, driver: Driver, alarms: Alarms, clock: Clock, rng: Rng) -> RechargeSteps:
    """The workflow's steps, which alone can credit an order."""
    channels = NoticeChannels(settings.notice_sender, settings.admin_email, settings.admin_topic_arn)
    notices = AwsNotices(channels, settings.region, settings.aws_endpoint_url, _sent_notices(settings))
    table = OrdersTable(driver, settings.orders_table)
    order_credits = OrderCredits(ledger_store(settings, driver), settings.orders_table)
    return RechargeSteps(table, order_credits, notices, alarms, clock, rng)


def _sent_notices(settings: Settings) -> "Callable[[], DynamoDBPersistenceLayer]":
    """The records of notices in the Limits table, made with the first notice: the imports take 160 ms of CPU."""

    @cache
    def records() -> "DynamoDBPersistenceLayer":
        from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer

        from multiconnection.aws.boto import dynamodb_client

        client = dynamodb_client(settings.region, settings.aws_endpoint_url)
        return DynamoDBPersistenceLayer(
            settings.limits_table, key_attr="subject", expiry_attr="expires_at", boto3_client=client
        )

    return records


def build_order_repair(settings: Settings, driver: Driver, aws: AwsHttp, alarms: Alarms, clock: Clock) -> OrderRepair:
    table = OrdersTable(driver, settings.orders_table)
    return OrderRepair(table, _workflow(settings, aws), alarms, clock, settings.order_ttl_s)


def boto_receipt_url(settings: Settings) -> ReceiptUrl:
    """Presign with botocore, which knows an operator's profiles and is loaded at the first use."""

    @cache
    def s3() -> Any:
        from multiconnection.aws.boto import client

        return client("s3", settings.region, settings.aws_endpoint_url)

    async def url(order: Order, receipt: Receipt) -> str:
        place = {"Bucket": settings.payload_bucket, "Key": receipt_key(order, receipt)}
        return str(s3().generate_presigned_url("get_object", Params=place, ExpiresIn=DOWNLOAD_URL_S))

    return url


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


def _workflow(settings: Settings, aws: AwsHttp) -> StepFunctionsWorkflow:
    return StepFunctionsWorkflow(settings.recharge_state_machine_arn, aws)
