"""Control plane: presigned URLs for files that are too large for a request's body."""

from mangum import Mangum

from multiconnection.api.app import create_app
from multiconnection.api.routes import uploads
from multiconnection.bootstrap.data_plane import build
from multiconnection.config import Settings

app = create_app(lambda: build(Settings.from_environment()), [uploads.router])
handler = Mangum(app, lifespan="off")
