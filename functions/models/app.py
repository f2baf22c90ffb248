"""Control plane: model list, public price list, and the answer to unknown URLs."""

from mangum import Mangum

from multiconnection.bootstrap.gateway import build_models
from multiconnection.bootstrap.handlers import observed
from multiconnection.catalog import routes as catalog_routes
from multiconnection.config import Settings
from multiconnection.web.app import create_app

app = create_app(lambda state: build_models(state, Settings.from_environment()), [catalog_routes.router])
handler = observed(Mangum(app, lifespan="off"))
