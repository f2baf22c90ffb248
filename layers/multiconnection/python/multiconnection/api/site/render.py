"""Templates and what every page of them knows."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from .assets import Assets
from .security import security_headers
from .visitor import Visitor

TEMPLATES = Path(__file__).parents[2] / "site" / "templates"
IMMUTABLE = "public, max-age=31536000, immutable"
ALWAYS_ASK = "no-cache"


class Pages:
    """Renders a template for one visitor. Assets and templates are read once per process."""

    def __init__(self, assets: Assets | None = None) -> None:
        self.assets = assets or Assets()
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def html(self, template: str, visitor: Visitor, context: Mapping[str, Any]) -> str:
        def url(path: str) -> str:
            return f"{visitor.prefix}{path}"

        def asset(path: str) -> str:
            return url(f"/assets/{self.assets.at(path).name}")

        def modules(path: str) -> list[str]:
            return [asset(needed) for needed in self.assets.needed_by(path)]

        return self._environment.get_template(template).render(
            {"url": url, "asset": asset, "modules": modules, "visitor": visitor, **context}
        )


def page_response(
    html: str, visitor: Visitor, *, asked_for: str | None = None, upload_origin: str | None = None, status: int = 200
) -> Response:
    """HTML that is asked for each time, and not sent again when the visitor has it (`asked_for`: If-None-Match)."""
    body = html.encode()
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:20]}"'
    headers = security_headers(is_secure=visitor.is_secure, upload_origin=upload_origin)
    headers |= {"cache-control": ALWAYS_ASK, "vary": "cookie"}
    if status != 200:
        return Response(body, status, headers, media_type="text/html; charset=utf-8")
    headers["etag"] = etag
    if asked_for is not None and etag in asked_for:
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, media_type="text/html; charset=utf-8")
