"""The pages: the catalog and what is known of the providers, without keys, money or people."""

from starlette.datastructures import State

from multiconnection.catalog.health import CloudWatchMetrics, ProviderHealth
from multiconnection.catalog.providers import provider_names
from multiconnection.catalog.service import ListingService
from multiconnection.config import Settings
from multiconnection.money import nano_to_usd
from multiconnection.site.pages import SiteConfig, SiteService
from multiconnection.web.app import Process

from .base import Base, build_base
from .gateway import serve


def build_site(state: State, settings: Settings) -> Process:
    base = build_base(settings)
    state.site = build_site_service(base)
    return serve(state, base)


def build_site_service(base: Base) -> SiteService:
    settings = base.settings
    config = SiteConfig(
        settings.legal_entity,
        nano_to_usd(0 if settings.test_credit_mode == "off" else settings.test_credit_nano),
        settings.public_base_url,
        settings.upload_origin,
        settings.test_credit_mode,
    )
    listing = ListingService(base.catalog, settings.markup_basis_points)
    metrics = CloudWatchMetrics(settings.metrics_namespace, settings.region, settings.aws_endpoint_url)
    return SiteService(config, base.catalog, listing, ProviderHealth(metrics, provider_names(), base.clock))
