"""Control plane: homepage, prices, docs, the console's files and the OpenAPI document."""

from mangum import Mangum

from multiconnection.bootstrap.gateway import build_site
from multiconnection.bootstrap.handlers import observed
from multiconnection.config import Settings
from multiconnection.site import routes as site_routes
from multiconnection.site.render import TEXT_MEDIA_TYPES
from multiconnection.web.app import create_app

app = create_app(lambda state: build_site(state, Settings.from_environment()), [site_routes.router])
handler = observed(Mangum(app, lifespan="off", text_mime_types=TEXT_MEDIA_TYPES))
