"""Data plane: chat and legacy completions, streamed through the Lambda Web Adapter."""

from multiconnection.bootstrap.gateway import build_chat
from multiconnection.chat import routes as chat_routes
from multiconnection.config import Settings
from multiconnection.web.app import create_app

app = create_app(
    lambda state: build_chat(state, Settings.from_environment()),
    [chat_routes.router],
    chat_routes.hot_routes,
)
