"""Data plane: embeddings and moderations, whole but too large for a buffered answer, through the Lambda Web Adapter."""

from multiconnection.api.app import create_app
from multiconnection.api.routes import embeddings
from multiconnection.bootstrap.data_plane import build
from multiconnection.config import Settings

app = create_app(lambda: build(Settings.from_environment()), [embeddings.router], embeddings.hot_routes)
