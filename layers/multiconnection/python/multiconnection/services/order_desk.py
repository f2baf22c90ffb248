"""The services about recharge orders, put together once."""

from dataclasses import dataclass

from multiconnection.domain.order_terms import OrderTerms
from multiconnection.domain.ports import Clock, Rng
from multiconnection.ledger.store import Alarms

from .audit import Audit
from .order_access import OrderAccess
from .order_decisions import AccountReader, OrderDecisions
from .order_ports import OrderStore, Workflow
from .order_receipts import ReceiptService
from .orders import OrderService
from .payloads import PayloadStore


@dataclass(frozen=True, slots=True)
class OrderDesk:
    """`own` is a user's own orders, `decisions` is what administrators do."""

    own: OrderService
    receipts: ReceiptService
    decisions: OrderDecisions


def order_desk(
    store: OrderStore,
    workflow: Workflow,
    accounts: AccountReader,
    payloads: PayloadStore,
    audit: Audit,
    terms: OrderTerms,
    *,
    alarms: Alarms,
    clock: Clock,
    rng: Rng,
) -> OrderDesk:
    access = OrderAccess(store, workflow, alarms, rng)
    own = OrderService(access, terms, clock, rng)
    receipts = ReceiptService(access, own, payloads, clock)
    return OrderDesk(own, receipts, OrderDecisions(access, accounts, receipts, audit, clock))
