"""What only recharge orders are answered."""

from .errors import AccessDenied, Conflict, NotFound


class SelfApprovalForbidden(AccessDenied):
    code = "self_approval_forbidden"


class OrderNotFound(NotFound):
    code = "order_not_found"


class OrderConflict(Conflict):
    """The order is not what the request takes it for."""

    code = "order_conflict"


class OrderNotPending(OrderConflict):
    """Somebody, or the time, was faster: `details` say the order's state, and who decided when."""

    code = "order_not_pending"


class OrderAmountMismatch(OrderConflict):
    """What an administrator repeats is not what the order says."""

    code = "order_amount_mismatch"


class TooManyOrders(OrderConflict):
    code = "too_many_orders"
