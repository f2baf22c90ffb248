"""Accounts and sessions: the user pool, the verifier of its tokens, and the use cases over both."""

from multiconnection.services.attempts import AttemptQuotas
from multiconnection.services.identity import Identity, IdentityConfig, identity
from multiconnection.services.keys import KeyService
from multiconnection.services.onboarding import CreditTerms
from multiconnection.storage.cognito import Cognito, JwksUrl, UserPool
from multiconnection.storage.id_tokens import IdTokens
from multiconnection.storage.limits import LimitsTable
from multiconnection.storage.profiles import ProfilesTable

from .base import Base


def build_identity(base: Base) -> Identity:
    """Nothing is fetched before the first request that has to do with a person."""
    settings, driver, ledger = base.settings, base.driver, base.ledger
    # Functions without sessions have no pool and never ask.
    pool = UserPool(
        settings.user_pool_id or "", settings.user_pool_client_id or "", settings.region, settings.aws_endpoint_url
    )
    return identity(
        provider=Cognito(base.session, base.credentials, pool),
        verifier=IdTokens(JwksUrl(base.session, pool.jwks_url), pool.issuer, pool.client_id, base.clock),
        ledger=ledger,
        profiles=ProfilesTable(driver, settings.balances_table, settings.credits_table),
        limits=LimitsTable(driver, settings.limits_table),
        keys=KeyService(base.keys, ledger.store, base.clock, base.rng),
        defaults=settings,
        alarms=base.alarms,
        clock=base.clock,
        rng=base.rng,
        config=IdentityConfig(
            test_credit=CreditTerms(
                settings.test_credit_nano, settings.test_credit_mode, settings.test_credits_per_network
            ),
            quotas=AttemptQuotas(
                ip_attempts=settings.ip_sign_in_attempts,
                email_attempts=settings.email_sign_in_attempts,
                ip_mails=settings.ip_mails_per_hour,
                email_mails=settings.email_mails_per_hour,
            ),
            public_origins=settings.public_origins,
        ),
    )
