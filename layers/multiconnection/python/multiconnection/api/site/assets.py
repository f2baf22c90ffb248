"""Static files under names that contain their hash, made once per process; nothing is built beforehand."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

STATIC = Path(__file__).parents[2] / "site" / "static"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# For Mangum: an SVG is text. In base64, which is what it makes of anything else, API Gateway would pass it on as it is.
TEXT_MEDIA_TYPES = ["text/", "application/json", "image/svg+xml"]
# What a bare name in an import means, so that vendored modules stay as they were published.
PACKAGES = {"preact": "vendor/preact.js", "preact/hooks": "vendor/preact-hooks.js", "htm": "vendor/htm.js"}
_HASH_DIGITS = 10
_STATIC_IMPORT = re.compile(
    r"""((?:^|[;}\s])(?:import|export)\b[^;"'()]*?\bfrom\s*|^import\s*)(["'])([^"'\n]+)\2""", re.MULTILINE
)
_DYNAMIC_IMPORT = re.compile(r"""(\bimport\(\s*)(["'])([^"'\n]+)\2""")


class AssetError(ValueError):
    """A module imports what is not there, or modules import each other in a circle."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is served; `imports` are the paths of the modules that it needs at once."""

    path: str
    name: str
    body: bytes
    media_type: str
    imports: tuple[str, ...]


class Assets:
    """All files below a folder. Raises AssetError for imports that lead nowhere."""

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
        """The paths of all modules that a module loads before it runs, itself last."""
        order: dict[str, None] = {}

        def visit(module: str) -> None:
            for needed in self.at(module).imports:
                if needed not in order:
                    visit(needed)
            order[module] = None

        visit(path)
        return tuple(order)

    def _add(self, path: str, sources: Mapping[str, bytes], importers: tuple[str, ...]) -> Asset:
        """A module's name depends on its content, and that on the names of its imports: leaves first."""
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
