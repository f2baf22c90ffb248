"""Control plane for administrators: orders, accounts, adjustments, models and prices, providers, money, audit log."""

from mangum import Mangum

from multiconnection.api.cookies import create_browser_app
from multiconnection.api.routes import (
    admin_accounts,
    admin_adjustments,
    admin_audit,
    admin_models,
    admin_orders,
    admin_providers,
    admin_revenue,
)
from multiconnection.bootstrap.admin import build_admin
from multiconnection.config import Settings

ROUTES = (
    admin_orders,
    admin_accounts,
    admin_adjustments,
    admin_models,
    admin_providers,
    admin_revenue,
    admin_audit,
)
app = create_browser_app(lambda: build_admin(Settings.from_environment()), [module.router for module in ROUTES])
handler = Mangum(app, lifespan="off")
