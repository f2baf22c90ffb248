"""Data plane: embeddings and moderations, whole but too large for a buffered answer, through the Lambda Web Adapter."""

from multiconnection.bootstrap.gateway import build_embeddings
from multiconnection.config import Settings
from multiconnection.embeddings import routes as embeddings_routes
from multiconnection.web.app import create_app

app = create_app(
    lambda state: build_embeddings(state, Settings.from_environment()),
    [embeddings_routes.router],
    embeddings_routes.hot_routes,
)
