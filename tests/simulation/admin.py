"""What operators and the recharge workflow do meanwhile, every step of it repeated after a failure."""

import random
from collections.abc import Awaitable, Callable

from multiconnection.errors import ApiKeyNotFound, LedgerUnavailable
from multiconnection.keys.schemas import KeyPatch
from multiconnection.keys.service import KeyService
from multiconnection.keys.store import KeysTable
from multiconnection.ledger.credit import CreditRefused
from multiconnection.ledger.ledger import Ledger
from multiconnection.ledger.models import ACTIVE, SUSPENDED, CreditRow
from multiconnection.ledger.store import AccountRefused
from multiconnection.retry import StoreError

from .accounts import BUDGET_MAX, FUNDS_MAX, Customers
from .audit import BALANCES, KEYS
from .faults import Plan
from .network import ProcessDied
from .world import World

REPEATS_MAX = 3
CREDIT_IDS = 12


class Admin:
    """Each act picks an account and an operation."""

    def __init__(self, world: World, customers: Customers, rng: random.Random, plan: Plan) -> None:
        self._world = world
        self._customers = customers
        self._rng = rng
        self._plan = plan

    async def act(self) -> None:
        account_id = self._customers.any_account()
        act: Callable[[str], Callable[[], Awaitable[object]]] = self._rng.choice(
            (self._credit, self._credit, self._adjust, self._suspend, *4 * [self._resume], self._revoke)
        )
        operation = act(account_id)
        for _ in range(REPEATS_MAX):
            try:
                await operation()
            except (CreditRefused, AccountRefused, ApiKeyNotFound):
                return
            except (StoreError, LedgerUnavailable, ProcessDied):
                continue
            return

    def _credit(self, account_id: str) -> Callable[[], Awaitable[object]]:
        """Approved twice now and then: a few ids for many credits, of one amount each."""
        number = self._rng.randrange(CREDIT_IDS)
        amount = 1 + number * FUNDS_MAX // CREDIT_IDS
        return lambda: self._ledger().credit(self._row(account_id, f"order-{number}", amount, "order"))

    def _adjust(self, account_id: str) -> Callable[[], Awaitable[object]]:
        """Downwards, and often by more than there is."""
        number, amount = self._rng.randrange(10**6), -self._rng.randrange(1, FUNDS_MAX)
        return lambda: self._ledger().credit(self._row(account_id, f"adjust-{number}", amount, "adjustment"))

    def _suspend(self, account_id: str) -> Callable[[], Awaitable[object]]:
        return lambda: self._ledger().store.set_status(account_id, SUSPENDED)

    def _resume(self, account_id: str) -> Callable[[], Awaitable[object]]:
        return lambda: self._ledger().store.set_status(account_id, ACTIVE)

    def _revoke(self, account_id: str) -> Callable[[], Awaitable[object]]:
        """Disable or delete a key; another one takes its place."""
        keys = self._customers.keys[account_id]
        old, _ = keys.pop(self._rng.randrange(len(keys)))
        budget = self._rng.choice((None, self._rng.randrange(1, BUDGET_MAX)))
        deletes = self._rng.random() < 0.5

        async def revoke() -> None:
            if deletes:
                await self._keys().delete(account_id, old.key_id)
            else:
                await self._keys().change(account_id, old.key_id, KeyPatch(disabled=True))

        async def replace() -> None:
            await revoke()
            keys.append(await self._keys().issue(account_id, "key", budget_nano=budget))

        keys.append(self._world.open_key(account_id))
        return replace

    def _ledger(self) -> Ledger:
        return self._world.ledger(self._world.process(self._plan))

    def _keys(self) -> KeyService:
        driver = self._world.driver(self._world.process(self._plan))
        table = KeysTable(driver, KEYS, BALANCES)
        return KeyService(table, self._ledger().store, self._world.clock, self._world.ids)

    def _row(self, account_id: str, credit_id: str, amount: int, kind: str) -> CreditRow:
        created_ms = int(self._world.clock.now() * 1000)
        return CreditRow(account_id, credit_id, amount, kind, "test", "admin", created_ms)
