"""The pages: the catalog and what is known of the providers, without keys, money or people."""

from dataclasses import dataclass

from multiconnection.catalog.health import CloudWatchMetrics, ProviderHealth
from multiconnection.catalog.providers import provider_names
from multiconnection.catalog.service import ListingService
from multiconnection.config import Settings
from multiconnection.money import nano_to_usd
from multiconnection.site.pages import SiteConfig, SiteService

from .base import Base, build_base
from .gateway import Container, build_container, parts_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteContainer(Container):
    """What the site function needs."""

    site: SiteService


def build_site(settings: Settings) -> SiteContainer:
    """Call it on a running event loop."""
    base = build_base(settings)
    return SiteContainer(**parts_of(build_container(base)), site=build_site_service(base))


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
