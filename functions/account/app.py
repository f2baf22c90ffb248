"""Control plane: sessions, one's own account, and a caller's own usage rows and balance."""

from mangum import Mangum

from multiconnection.api.cookies import create_browser_app
from multiconnection.api.routes import account, auth, usage
from multiconnection.bootstrap import build_console
from multiconnection.config import Settings

ROUTERS = [auth.router, account.router, usage.router]
app = create_browser_app(lambda: build_console(Settings.from_environment()), ROUTERS)
handler = Mangum(app, lifespan="off")
