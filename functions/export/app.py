"""Control plane: the signed-in user's calls as CSV, streamed through the Lambda Web Adapter."""

from multiconnection.bootstrap.console import build_console
from multiconnection.config import Settings
from multiconnection.history import routes as history_routes
from multiconnection.identity.browser import create_browser_app

app = create_browser_app(
    lambda state: build_console(state, Settings.from_environment()), [history_routes.export_router]
)
