"""Control plane: what signed-in users do, and a caller's own usage rows and balance."""

from mangum import Mangum

from multiconnection.api.cookies import create_browser_app
from multiconnection.api.routes import account, auth, console_balance, console_keys, console_usage, orders, usage
from multiconnection.bootstrap.console import build_console
from multiconnection.config import Settings

MODULES = (auth, account, console_keys, console_balance, console_usage, orders, usage)
app = create_browser_app(lambda: build_console(Settings.from_environment()), [module.router for module in MODULES])
handler = Mangum(app, lifespan="off")
