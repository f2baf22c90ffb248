"""Control plane for administrators: orders, accounts, adjustments, models and prices, providers, money, audit log."""

from mangum import Mangum

from multiconnection.accounts import routes as accounts_routes
from multiconnection.audit import routes as audit_routes
from multiconnection.bootstrap.admin import build_admin
from multiconnection.bootstrap.handlers import observed
from multiconnection.catalog import admin_routes
from multiconnection.config import Settings
from multiconnection.credits import routes as credits_routes
from multiconnection.identity.browser import create_browser_app
from multiconnection.orders import routes as orders_routes
from multiconnection.reports import routes as reports_routes

ROUTERS = (
    orders_routes.admin_router,
    accounts_routes.admin_router,
    credits_routes.admin_router,
    admin_routes.router,
    reports_routes.router,
    audit_routes.router,
)
app = create_browser_app(lambda state: build_admin(state, Settings.from_environment()), ROUTERS)
handler = observed(Mangum(app, lifespan="off"))
