"""Data plane: chat and legacy completions, streamed through the Lambda Web Adapter."""

from multiconnection.api.app import create_app
from multiconnection.api.routes import chat, completions
from multiconnection.bootstrap.data_plane import build
from multiconnection.config import Settings

app = create_app(
    lambda: build(Settings.from_environment()),
    [chat.router, completions.router],
    {**chat.hot_routes, **completions.hot_routes},
)
