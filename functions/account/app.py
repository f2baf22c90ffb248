"""Control plane: a caller's own usage rows and balance."""

from mangum import Mangum

from multiconnection.api.app import create_app
from multiconnection.api.routes import usage
from multiconnection.bootstrap import build
from multiconnection.config import Settings

app = create_app(lambda: build(Settings.from_environment()), [usage.router])
handler = Mangum(app, lifespan="off")
