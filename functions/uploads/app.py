"""Control plane: presigned URLs for files that are too large for a request's body."""

from mangum import Mangum

from multiconnection.bootstrap.gateway import build_uploads
from multiconnection.bootstrap.handlers import observed
from multiconnection.config import Settings
from multiconnection.uploads import routes as uploads_routes
from multiconnection.web.app import create_app

app = create_app(lambda state: build_uploads(state, Settings.from_environment()), [uploads_routes.router])
handler = observed(Mangum(app, lifespan="off"))
