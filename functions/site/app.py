"""Control plane: homepage, prices, docs, the console's files and the OpenAPI document."""

from mangum import Mangum

from multiconnection.api.app import create_app
from multiconnection.api.routes import site
from multiconnection.api.site.assets import TEXT_MEDIA_TYPES
from multiconnection.bootstrap.site import build_site
from multiconnection.config import Settings

app = create_app(lambda: build_site(Settings.from_environment()), [site.router])
handler = Mangum(app, lifespan="off", text_mime_types=TEXT_MEDIA_TYPES)
