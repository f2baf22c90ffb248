"""Control plane: model list, public price list, and the answer to unknown URLs."""

from mangum import Mangum

from multiconnection.api.app import create_app
from multiconnection.api.routes import models
from multiconnection.bootstrap.data_plane import build
from multiconnection.config import Settings

app = create_app(lambda: build(Settings.from_environment()), [models.router])
handler = Mangum(app, lifespan="off")
