"""Accounts of a random world: one hot, most of them poor, each with keys that come and go."""

import random
from dataclasses import dataclass, field

from multiconnection.keys.models import ApiKey

from .world import World

ACCOUNTS = 24
HOT = "account-00"
HOT_SHARE = 0.4
FUNDS_MAX = 3_000_000
HOT_FUNDS = 60_000_000
BUDGET_MAX = 1_500_000


@dataclass(slots=True)
class Customers:
    """Whom requests are made for; keys by account."""

    world: World
    rng: random.Random
    keys: dict[str, list[tuple[ApiKey, str]]] = field(default_factory=dict)

    def open(self) -> None:
        for number in range(ACCOUNTS):
            account_id = f"account-{number:02}"
            self.world.open_account(account_id, HOT_FUNDS if account_id == HOT else self.rng.randrange(FUNDS_MAX))
            self.keys[account_id] = [
                self.world.open_key(account_id),
                self.world.open_key(account_id, self.rng.randrange(1, BUDGET_MAX)),
            ]

    def any_account(self) -> str:
        if self.rng.random() < HOT_SHARE:
            return HOT
        return self.rng.choice(sorted(self.keys))

    def any_key(self, account_id: str) -> tuple[ApiKey, str]:
        """Disabled keys are tried too."""
        return self.rng.choice(self.keys[account_id])

    def epoch(self, account_id: str) -> int:
        return self.world.auditor.images[account_id].number("ke")
