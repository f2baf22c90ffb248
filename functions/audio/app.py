"""Data plane: text to speech and speech to text, streamed through the Lambda Web Adapter."""

from multiconnection.audio import routes as audio_routes
from multiconnection.bootstrap.gateway import build_audio
from multiconnection.config import Settings
from multiconnection.web.app import create_app

app = create_app(
    lambda state: build_audio(state, Settings.from_environment()),
    [audio_routes.router],
    audio_routes.hot_routes,
)
