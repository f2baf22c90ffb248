"""The books as a few dictionaries: what every step of the ledger must do to one account."""

from dataclasses import dataclass, field

from multiconnection.ledger.models import ACTIVE, Account
from multiconnection.ledger.reserve import ReserveRefusal


@dataclass(slots=True)
class ModelHold:
    amount: int
    birth: int
    key_id: str
    capped: bool
    expires_s: int


@dataclass(slots=True)
class Model:
    """One account. `rows` has (cost, birth) by hold id, `credits` the amount by credit id."""

    in_flight_max: int
    avail: int = 0
    version: int = 0
    status: str = ACTIVE
    key_epoch: int = 0
    holds: dict[str, ModelHold] = field(default_factory=dict)
    rows: dict[str, tuple[int, int]] = field(default_factory=dict)
    credits: dict[str, int] = field(default_factory=dict)
    caps: dict[str, int] = field(default_factory=dict)

    @property
    def held(self) -> int:
        return sum(hold.amount for hold in self.holds.values())

    @property
    def charged(self) -> int:
        """Rows of live holds are decided and not applied."""
        live = {(hold_id, hold.birth) for hold_id, hold in self.holds.items()}
        return sum(cost for hold_id, (cost, birth) in self.rows.items() if (hold_id, birth) not in live)

    def credit(self, credit_id: str, amount: int) -> None:
        self.credits[credit_id] = amount
        self.avail += amount
        self.version += 1

    def refusal(self, amount: int, key_id: str, capped: bool, key_epoch: int) -> ReserveRefusal | None:
        if self.status != ACTIVE:
            return ReserveRefusal.STATUS
        if key_epoch != self.key_epoch:
            return ReserveRefusal.KEY_EPOCH
        if len(self.holds) >= self.in_flight_max:
            return ReserveRefusal.IN_FLIGHT
        if self.avail < amount:
            return ReserveRefusal.BALANCE
        if capped and self.caps.get(key_id, -1) < amount:
            return ReserveRefusal.KEY_BUDGET
        return None

    def reserve(self, hold_id: str, hold: ModelHold) -> None:
        hold.birth = self.version
        self.holds[hold_id] = hold
        self.avail -= hold.amount
        if hold.capped:
            self.caps[hold.key_id] -= hold.amount
        self.version += 1

    def decide(self, hold_id: str, cost: int, birth: int) -> tuple[int, int]:
        """The decision that stands."""
        return self.rows.setdefault(hold_id, (cost, birth))

    def apply(self, hold_id: str) -> None:
        hold = self.holds.pop(hold_id)
        cost, birth = self.rows[hold_id]
        rest = hold.amount - (cost if birth == hold.birth else 0)
        self.avail += rest
        if hold.capped and hold.key_id in self.caps:
            self.caps[hold.key_id] += rest
        self.version += 1

    def expired(self, now_s: float) -> list[str]:
        return [hold_id for hold_id, hold in self.holds.items() if hold.expires_s <= now_s]

    def differences(self, image: Account) -> list[str]:
        pairs = {
            "credits_in": (image.credits_in, sum(self.credits.values())),
            "available": (image.available, self.avail),
            "held": (image.held, self.held),
            "charged": (image.charged, self.charged),
            "live_holds": (image.live_holds, len(self.holds)),
            "version": (image.version, self.version),
            "status": (image.status, self.status),
            "key_epoch": (image.key_epoch, self.key_epoch),
            "key_caps": (dict(image.key_caps), self.caps),
            "births": (
                {hold_id: hold.birth for hold_id, hold in image.holds.items()},
                {hold_id: hold.birth for hold_id, hold in self.holds.items()},
            ),
        }
        return [f"{name}: {found} is not {wanted}" for name, (found, wanted) in pairs.items() if found != wanted]
