"""What only the administrators' API answers."""

from .errors import AccessDenied, Conflict, NotFound


class AdminForbidden(AccessDenied):
    code = "admin_forbidden"


class AccountNotFound(NotFound):
    code = "account_not_found"


class AdjustmentNotFound(NotFound):
    code = "adjustment_not_found"


class ProviderNotFound(NotFound):
    code = "provider_not_found"


class AdminConflict(Conflict):
    """The thing is not what the administrator takes it for: look again."""

    code = "admin_conflict"


class AccountStatusConflict(AdminConflict):
    """`details` say the account's status."""

    code = "account_status_conflict"


class TestCreditNotAwaited(AdminConflict):
    """The account waits for no test credit."""

    code = "test_credit_not_awaited"


class AdjustmentConflict(AdminConflict):
    """The client token was used for another adjustment."""

    code = "adjustment_conflict"


class AdjustmentNotPending(AdminConflict):
    """Somebody was faster: `details` say the adjustment's state and who decided when."""

    code = "adjustment_not_pending"


class AdjustmentRefused(AdminConflict):
    """Less is available than would be taken; `details` say how much is."""

    code = "adjustment_refused"


class PriceVersionConflict(AdminConflict):
    """`base_version` is not the current version, which `details` have."""

    code = "price_version_conflict"


class ConfirmationRequired(AdminConflict):
    """A price changes more than tenfold; `details` have the diff. Send `"confirm": true` if it is meant."""

    code = "confirmation_required"
