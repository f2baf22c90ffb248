"""Data plane: images, whole and streamed, through the Lambda Web Adapter."""

from multiconnection.bootstrap.gateway import build_images
from multiconnection.config import Settings
from multiconnection.images import routes as images_routes
from multiconnection.web.app import create_app

app = create_app(
    lambda state: build_images(state, Settings.from_environment()), [images_routes.router], images_routes.hot_routes
)
