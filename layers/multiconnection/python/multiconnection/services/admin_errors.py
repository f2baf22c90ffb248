"""What only the administrators' API answers."""

from multiconnection.domain.gateway_error import INVALID_REQUEST, GatewayError


class AccountNotFound(GatewayError):
    status = 404
    type = INVALID_REQUEST
    code = "account_not_found"


class AdjustmentNotFound(GatewayError):
    status = 404
    type = INVALID_REQUEST
    code = "adjustment_not_found"


class ProviderNotFound(GatewayError):
    status = 404
    type = INVALID_REQUEST
    code = "provider_not_found"


class AdminConflict(GatewayError):
    """The thing is not what the administrator takes it for: look again. Never repeated by an SDK."""

    status = 409
    type = INVALID_REQUEST
    code = "admin_conflict"

    def headers(self) -> dict[str, str]:
        return {"x-should-retry": "false"} | super().headers()


class AccountStatusConflict(AdminConflict):
    """`details` say the account's status."""

    code = "account_status_conflict"


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
