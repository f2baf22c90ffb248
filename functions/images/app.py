"""Data plane: images, whole and streamed, through the Lambda Web Adapter."""

from multiconnection.api.app import create_app
from multiconnection.api.routes import images
from multiconnection.bootstrap.data_plane import build
from multiconnection.config import Settings

app = create_app(lambda: build(Settings.from_environment()), [images.router], images.hot_routes)
