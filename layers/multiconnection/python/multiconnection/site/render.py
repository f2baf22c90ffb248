"""Rendering: visitors, static assets, templates, and the headers of a page."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from multiconnection.web.context import header

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"
IMMUTABLE = "public, max-age=31536000, immutable"
ALWAYS_ASK = "no-cache"
PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), interest-cohort=()"
HSTS = "max-age=31536000"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Media types that Mangum returns as text; it would return an SVG in base64, which API Gateway does not decode here.
TEXT_MEDIA_TYPES = ["text/", "application/json", "image/svg+xml"]
# The modules behind bare import names, so that vendored files stay as they were published.
PACKAGES = {"preact": "vendor/preact.js", "preact/hooks": "vendor/preact-hooks.js", "htm": "vendor/htm.js"}
_HASH_DIGITS = 10
_STATIC_IMPORT = re.compile(
    r"""((?:^|[;}\s])(?:import|export)\b[^;"'()]*?\bfrom\s*|^import\s*)(["'])([^"'\n]+)\2""", re.MULTILINE
)
_DYNAMIC_IMPORT = re.compile(r"""(\bimport\(\s*)(["'])([^"'\n]+)\2""")
_HOST = re.compile(
    r"(?=.{1,255}$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?"
)
_PREFIX = re.compile(r"(/[A-Za-z0-9_-]+)*")
_THEME = re.compile(r"(?:^|;\s*)mc_theme=(light|dark)(?:;|$)")


@dataclass(frozen=True, slots=True)
class Visitor:
    """The host, stage and theme of a request, as far as its headers can be trusted.

    `origin` is None when the Host header is no host; `prefix` is the stage in front of every path, or empty.
    """

    origin: str | None
    prefix: str
    theme: str | None
    is_secure: bool

    def base_url(self, configured: str | None) -> str:
        """The base URL to configure in an SDK."""
        return configured or f"{self.origin or ''}{self.prefix}/v1"


def visitor_of(scope: Mapping[str, Any]) -> Visitor:
    scheme = _scheme(scope)
    host = header(scope, b"host") or ""
    theme = _THEME.search(header(scope, b"cookie") or "")
    return Visitor(
        origin=f"{scheme}://{host.lower()}" if _HOST.fullmatch(host) else None,
        prefix=_prefix(scope),
        theme=theme[1] if theme else None,
        is_secure=scheme == "https",
    )


def _scheme(scope: Mapping[str, Any]) -> str:
    forwarded = (header(scope, b"x-forwarded-proto") or "").partition(",")[0].strip().lower()
    found = forwarded or str(scope.get("scheme", "http"))
    return "https" if found == "https" else "http"


def _prefix(scope: Mapping[str, Any]) -> str:
    """The stage in front of the path, which API Gateway removes; empty on a custom domain."""
    context = scope.get("aws.event", {}).get("requestContext", {})
    # `https://host/stage` without a trailing slash is the path / too.
    whole, path = str(context.get("path", "")).rstrip("/"), str(scope["path"]).rstrip("/")
    found = whole.removesuffix(path) if whole.endswith(path) else str(scope.get("root_path", ""))
    found = found.rstrip("/")
    return found if _PREFIX.fullmatch(found) else ""


class AssetError(ValueError):
    """A module imports what is not there, or modules import each other in a circle."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served; `imports` are the paths of the modules that it imports statically."""

    path: str
    name: str
    body: bytes
    media_type: str
    imports: tuple[str, ...]


class Assets:
    """All files below a folder, under names that contain their hash; raises AssetError for broken imports.

    Made once per process: there is no build step.
    """

    def __init__(self, folder: Path = STATIC) -> None:
        sources = {
            file.relative_to(folder).as_posix(): file.read_bytes()
            for file in sorted(folder.rglob("*"))
            if file.suffix in MEDIA_TYPES
        }
        self._by_path: dict[str, Asset] = {}
        for path in sources:
            self._add(path, sources, ())
        self._by_name = {asset.name: asset for asset in self._by_path.values()}

    def served(self, name: str) -> Asset | None:
        """By the name in its URL."""
        return self._by_name.get(name)

    def at(self, path: str) -> Asset:
        """By its path below the folder. Raises KeyError."""
        return self._by_path[path]

    def needed_by(self, path: str) -> tuple[str, ...]:
        """The paths of all modules that a module loads before it runs, its own last."""
        order: dict[str, None] = {}

        def visit(module: str) -> None:
            for needed in self.at(module).imports:
                if needed not in order:
                    visit(needed)
            order[module] = None

        visit(path)
        return tuple(order)

    def _add(self, path: str, sources: Mapping[str, bytes], importers: tuple[str, ...]) -> Asset:
        """Adds imports first, as a module's name depends on its content and that on the names of its imports."""
        if path in importers:
            raise AssetError(f"modules import each other: {' → '.join((*importers, path))}")
        if path in self._by_path:
            return self._by_path[path]
        if path not in sources:
            raise AssetError(f"{importers[-1]} imports {path}, which is not there")
        imports: list[str] = []

        def renamed(match: re.Match[str]) -> str:
            wanted = _resolved(path, match[3])
            asset = self._add(wanted, sources, (*importers, path))
            if match.re is _STATIC_IMPORT:
                imports.append(wanted)
            return f"{match[1]}{match[2]}./{asset.name}{match[2]}"

        body = sources[path]
        if path.endswith(".js"):
            text = _DYNAMIC_IMPORT.sub(renamed, _STATIC_IMPORT.sub(renamed, body.decode()))
            body = text.encode()
        suffix = PurePosixPath(path).suffix
        digest = hashlib.sha256(body).hexdigest()[:_HASH_DIGITS]
        name = f"{path.removesuffix(suffix).replace('/', '-')}.{digest}{suffix}"
        asset = self._by_path[path] = Asset(path, name, body, MEDIA_TYPES[suffix], tuple(dict.fromkeys(imports)))
        return asset


def _resolved(importer: str, specifier: str) -> str:
    """`../lib/api.js` in js/console/app.js is js/lib/api.js."""
    if specifier in PACKAGES:
        return PACKAGES[specifier]
    steps: list[str] = list(PurePosixPath(importer).parent.parts)
    for step in specifier.split("/"):
        if step == "..":
            steps.pop()
        elif step != ".":
            steps.append(step)
    return "/".join(steps)


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
    """HTML that browsers revalidate each time; 304 where `asked_for`, the If-None-Match header, has its ETag."""
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


def content_security_policy(upload_origin: str | None = None) -> str:
    """Allows nothing inline and nothing from elsewhere; scripts may call this host and upload to `upload_origin`."""
    connect = f"'self' {upload_origin}" if upload_origin else "'self'"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        f"connect-src {connect}; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )


def security_headers(*, is_secure: bool, upload_origin: str | None = None) -> dict[str, str]:
    """HSTS is sent over HTTPS only, as browsers ignore it elsewhere."""
    headers = {
        "content-security-policy": content_security_policy(upload_origin),
        "x-content-type-options": "nosniff",
        "referrer-policy": "strict-origin-when-cross-origin",
        "permissions-policy": PERMISSIONS,
        "cross-origin-opener-policy": "same-origin",
    }
    return headers | {"strict-transport-security": HSTS} if is_secure else headers
