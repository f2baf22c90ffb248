"""Static files: hashed names, whole import graphs, budgets, and nothing from elsewhere."""

import gzip
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from multiconnection.site.render import STATIC, TEMPLATES, AssetError, Assets

ASSETS = Assets()
SOURCES = [path for path in sorted(STATIC.rglob("*")) if path.suffix in (".js", ".css", ".svg")]
OURS = [path for path in SOURCES if path.parent.name != "vendor"]
PAGES = sorted(TEMPLATES.glob("*.j2"))
CONSOLE_BYTES_MAX = 100 * 1024
PUBLIC_BYTES_MAX = 20 * 1024
LINES_MAX = 300
# Names of XML namespaces are no addresses; uPlot's own is in its licence line.
NOT_FETCHED = ("http://www.w3.org/2000/svg", "https://github.com/leeoniya/uPlot")
DYNAMIC = re.compile(r'import\("\./([^"]+)"\)')


def folder(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / f"{name}.js").write_text(text)
    return tmp_path


def compressed(paths: Iterable[str]) -> int:
    return sum(len(gzip.compress(ASSETS.at(path).body, mtime=0)) for path in paths)


def reached_from(path: str) -> set[str]:
    """A module, what it imports, and what it may import later."""
    found: set[str] = set()
    waiting = [path]
    while waiting:
        for needed in ASSETS.needed_by(waiting.pop()):
            if needed in found:
                continue
            found.add(needed)
            for name in DYNAMIC.findall(ASSETS.at(needed).body.decode()):
                later = ASSETS.served(name)
                assert later is not None
                waiting.append(later.path)
    return found


def test_a_name_holds_the_hash_of_its_content() -> None:
    for path in SOURCES:
        asset = ASSETS.at(path.relative_to(STATIC).as_posix())
        assert hashlib.sha256(asset.body).hexdigest()[:10] in asset.name
        assert ASSETS.served(asset.name) is asset


def test_a_changed_leaf_renames_everything_that_imports_it(tmp_path: Path) -> None:
    first = Assets(folder(tmp_path, a='import { b } from "./b.js";', b="export const b = 1;", c="export const c = 1;"))
    second = Assets(folder(tmp_path, b="export const b = 2;"))
    assert first.at("a.js").name != second.at("a.js").name
    assert first.at("c.js").name == second.at("c.js").name
    assert second.at("b.js").name in second.at("a.js").body.decode()


@pytest.mark.parametrize(
    "text",
    [
        'import { b } from "./b.js";',
        'import{b}from"./b.js";',
        'import {\n  b,\n} from "./b.js";',
        'import "./b.js";',
        'export { b } from "./b.js";',
        'const later = () => import("./b.js");',
        'let x;import{b as c}from"./b.js";',
    ],
)
def test_every_way_to_import_is_rewritten(tmp_path: Path, text: str) -> None:
    assets = Assets(folder(tmp_path, a=text, b="export const b = 1;"))
    assert f"./{assets.at('b.js').name}" in assets.at("a.js").body.decode()


@pytest.mark.parametrize("text", ['const s = "import x from"; const t = "./b.js";', "// from './b.js'"])
def test_what_only_looks_like_an_import_stays(tmp_path: Path, text: str) -> None:
    assert Assets(folder(tmp_path, a=text, b="")).at("a.js").body.decode() == text


def test_an_import_that_leads_nowhere_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"a\.js imports gone\.js"):
        Assets(folder(tmp_path, a='import "./gone.js";'))


def test_modules_in_a_circle_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"a\.js → b\.js → a\.js"):
        Assets(folder(tmp_path, a='import "./b.js";', b='import "./a.js";'))


def test_vendored_files_are_what_the_table_says() -> None:
    table = (STATIC / "vendor" / "README.md").read_text()
    listed = dict(re.findall(r"\| `([\w.-]+)` \|.*\| `([0-9a-f]{64})` \|", table))
    vendored = {path.name: path for path in SOURCES if path.parent.name == "vendor"}
    assert listed == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in vendored.items()}
    for licence in re.findall(r"`(\w+\.LICENSE)`", table):
        assert (STATIC / "vendor" / licence).is_file()


@pytest.mark.parametrize("entry", ["js/console/app.js", "js/admin/app.js"])
def test_the_console_is_small(entry: str) -> None:
    styles = {"css/tokens.css", "css/components.css", "css/console.css", "vendor/uplot.css"}
    assert compressed({*reached_from(entry), *styles, "vendor/uplot.js"}) <= CONSOLE_BYTES_MAX


@pytest.mark.parametrize("entries", [["js/public/site.js"], ["js/public/site.js", "js/public/form.js"]])
def test_the_public_pages_are_smaller(entries: list[str]) -> None:
    scripts = {path for entry in entries for path in reached_from(entry)}
    assert compressed({*scripts, "css/tokens.css", "css/components.css", "css/site.css"}) <= PUBLIC_BYTES_MAX


def test_every_module_is_reached() -> None:
    entries = ("js/console/app.js", "js/admin/app.js", "js/public/site.js", "js/public/form.js")
    reached = {path for entry in entries for path in reached_from(entry)}
    modules = {path.relative_to(STATIC).as_posix() for path in SOURCES if path.suffix == ".js"}
    assert modules - reached == {"vendor/uplot.js"}


@pytest.mark.parametrize("path", [*SOURCES, *PAGES], ids=lambda path: path.name)
def test_nothing_is_fetched_from_another_host(path: Path) -> None:
    text = path.read_text()
    for known in NOT_FETCHED:
        text = text.replace(known, "")
    text = re.sub(r"sourceMappingURL=\S+", "", text)
    assert not re.findall(r"""(?:https?:)?//[a-z0-9-]+\.[a-z]{2,}[^\s"'`]*""", text, re.IGNORECASE)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_template_has_anything_inline(path: Path) -> None:
    text = path.read_text()
    assert not re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", text)
    assert not re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert "|safe" not in text.replace(" ", "")


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_our_sources_are_short_and_make_no_markup_from_text(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LINES_MAX
    assert not re.findall(r"\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write", text)
    assert not re.findall(r"localStorage|dangerouslySetInnerHTML", text)
