"""Control plane: what signed-in users do, and a caller's own usage rows and balance."""

from mangum import Mangum

from multiconnection.accounts import routes as accounts_routes
from multiconnection.bootstrap.console import build_console
from multiconnection.bootstrap.handlers import observed
from multiconnection.config import Settings
from multiconnection.credits import routes as credits_routes
from multiconnection.history import routes as history_routes
from multiconnection.identity import routes as identity_routes
from multiconnection.identity.browser import create_browser_app
from multiconnection.keys import routes as keys_routes
from multiconnection.orders import routes as orders_routes

ROUTERS = (
    identity_routes.router,
    accounts_routes.router,
    keys_routes.router,
    credits_routes.router,
    history_routes.console_router,
    orders_routes.router,
    history_routes.router,
)
app = create_browser_app(lambda state: build_console(state, Settings.from_environment()), ROUTERS)
handler = observed(Mangum(app, lifespan="off"))
