"""The limits of accounts whose image came by: a cold process uses the defaults until the first one."""

from multiconnection.ledger.accounts import Account, AccountLimits

from .bounded import Bounded

ACCOUNTS_MAX = 10_000
_DEFAULTS = AccountLimits()


class AccountsSeen:
    """Shared by limiter and reserver; every account image of a process is shown here."""

    def __init__(self) -> None:
        self._limits: Bounded[str, AccountLimits] = Bounded(ACCOUNTS_MAX)

    def note(self, image: Account) -> None:
        self._limits.put(image.account_id, image.limits)

    def limits(self, account_id: str) -> AccountLimits:
        return self._limits.get(account_id) or _DEFAULTS
