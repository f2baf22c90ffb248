"""Control plane: the signed-in user's calls as CSV, streamed through the Lambda Web Adapter."""

from multiconnection.api.cookies import create_browser_app
from multiconnection.api.routes import usage_export
from multiconnection.bootstrap.console import build_console
from multiconnection.config import Settings

app = create_browser_app(lambda: build_console(Settings.from_environment()), [usage_export.router])
