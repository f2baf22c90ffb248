"""Data plane: text to speech and speech to text, streamed through the Lambda Web Adapter."""

from multiconnection.api.app import create_app
from multiconnection.api.routes import speech, transcriptions
from multiconnection.bootstrap.data_plane import build
from multiconnection.config import Settings

app = create_app(
    lambda: build(Settings.from_environment()),
    [speech.router, transcriptions.router],
    {**speech.hot_routes, **transcriptions.hot_routes},
)
