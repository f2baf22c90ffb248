"""Whether an account may begin something new besides calls, which the reserve itself refuses."""

from multiconnection.domain.errors import AccountSuspended, LedgerUnavailable
from multiconnection.ledger.accounts import ACTIVE
from multiconnection.ledger.store import StoreError

from .accounts_seen import AccountReader


class Standing:
    """Read anew each time: a suspension holds from the next request on."""

    def __init__(self, reader: AccountReader) -> None:
        self._reader = reader

    async def require_active(self, account_id: str) -> None:
        """Raises AccountSuspended or LedgerUnavailable."""
        try:
            account = await self._reader.account(account_id)
        except StoreError as exc:
            raise LedgerUnavailable("The account cannot be read right now, please try again.", retry_after_s=1) from exc
        # Without books there is nothing that could have been suspended.
        if account is not None and account.status != ACTIVE:
            raise suspended()


def suspended() -> AccountSuspended:
    return AccountSuspended("This account is suspended. Contact support.")
