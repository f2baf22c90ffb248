"""Bodies and answers of the account routes."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field

from multiconnection.credits.schemas import CreditAnswer
from multiconnection.identity.models import Session
from multiconnection.identity.schemas import AuthBody, Name
from multiconnection.keys.models import PREFIX, ApiKey
from multiconnection.ledger.models import ACTIVE, SUSPENDED, AccountStatus
from multiconnection.money import nano_to_usd
from multiconnection.orders.schemas import OrderAnswer
from multiconnection.web.openapi import AnswerModel, Money, Time

from .models import AccountDossier, AccountRecord, Overview, Withheld


class AccountBody(AuthBody):
    """A person's new name."""

    name: Annotated[Name, Field(min_length=1)]


class LimitsAnswer(AnswerModel):
    """The limits in force: the account's own, or the deployment's."""

    requests_per_minute: int
    tokens_per_minute: int
    in_flight_max: int


class FirstRunAnswer(AnswerModel):
    """The first steps that have been taken."""

    has_key: bool
    has_call: bool


class AccountAnswer(AnswerModel):
    """The signed-in user's account. `test_credit` is why there is none; null where there is, or none is offered."""

    account_id: str
    email: str
    name: str
    status: Literal["active", "suspended"]
    created: Time
    limits: LimitsAnswer
    test_credit: Withheld | None
    first_run: FirstRunAnswer
    is_admin: bool

    @classmethod
    def of(cls, session: Session, overview: Overview) -> Self:
        account, limits = overview.account, overview.limits
        return cls(
            account_id=session.account_id,
            email=session.email,
            name=account.name or session.name,
            # Its owner sees a frozen account as a suspended one.
            status=ACTIVE if account.status == ACTIVE else SUSPENDED,
            created=account.created_s,
            limits=LimitsAnswer(
                requests_per_minute=limits.requests_per_minute,
                tokens_per_minute=limits.tokens_per_minute,
                in_flight_max=limits.in_flight_max,
            ),
            test_credit=overview.withheld,
            first_run=FirstRunAnswer(has_key=overview.has_key, has_call=overview.has_call),
            is_admin=session.is_admin,
        )


class AdminAccountAnswer(AnswerModel):
    """An account as administrators list it; `email` is null where no owner has signed in."""

    object: Literal["account"] = "account"
    id: str
    email: str | None
    name: str
    status: AccountStatus
    available: Money
    in_flight: Money
    credits_in: Money
    charged: Money
    created: Time
    test_credit: Withheld | None

    @classmethod
    def of(cls, record: AccountRecord, **more: Any) -> Self:
        """`more` are the members that a subclass adds."""
        image = record.image
        return cls(
            id=image.account_id,
            email=record.email or None,
            name=image.name,
            status=image.status,
            available=nano_to_usd(image.available),
            in_flight=nano_to_usd(image.held),
            credits_in=nano_to_usd(image.credits_in),
            charged=nano_to_usd(image.charged),
            created=image.created_s,
            test_credit=record.withheld,
            **more,
        )


class AdminKeyAnswer(AnswerModel):
    """A key's record, without its uses: those are for its owner to see."""

    id: str
    name: str
    prefix: str
    last4: str
    created: Time
    status: str
    expires_at: Time | None
    budget: Money | None
    kind: Literal["api", "session"]

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls(
            id=key.public_id,
            name=key.name,
            prefix=f"{PREFIX}…",
            last4=key.last4,
            created=key.created_s,
            status=key.status,
            expires_at=key.expires_s,
            budget=None if key.budget_nano is None else nano_to_usd(key.budget_nano),
            kind=key.kind,
        )


class DossierAnswer(AdminAccountAnswer):
    """An account with its keys and its latest orders and credits."""

    live_calls: int
    keys: list[AdminKeyAnswer]
    orders: list[OrderAnswer]
    credits: list[CreditAnswer]

    @classmethod
    def whole(cls, dossier: AccountDossier) -> Self:
        return cls.of(
            dossier.record,
            live_calls=dossier.record.image.live_holds,
            keys=[AdminKeyAnswer.of(key) for key in dossier.keys],
            orders=[OrderAnswer.of(order) for order in dossier.orders],
            credits=[CreditAnswer.of(row) for row in dossier.credits],
        )
