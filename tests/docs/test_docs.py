"""The documentation tells what the code does: errors, settings and routes, each in both directions."""

import ast
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from starlette.routing import Route

from local.template import load
from local.template_values import read_yaml
from multiconnection.calls.streaming import CHUNKS, NAMED_EVENTS
from multiconnection.config import Settings
from multiconnection.errors import RateLimited, UpstreamFailed, UpstreamRejected
from multiconnection.money import nano_to_usd
from tests.support.chat_app import ROUTERS
from tests.support.errors import ALL, SAMPLES
from tools.openapi import document

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()
TEMPLATE = load(ROOT / "template.yaml")
# Said to be planned.
TO_COME = {"bench-peers"}
# Read by make run alone, besides what the functions read.
LOCAL_VARIABLES = {"PORT", "MULTICONNECTION_LOCAL_DIR", "UPSTREAM_PRICE_INPUT", "UPSTREAM_PRICE_OUTPUT"}


def table(page: str, first_heading: str) -> list[list[str]]:
    """The cells of the table whose first column has this heading, without backticks."""
    lines = (DOCS / page).read_text().splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith(f"| {first_heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return rows


def settings_read() -> dict[str, str]:
    """Variable and default of each setting."""
    fields = {name: field for name, field in Settings.model_fields.items() if name != "environment"}
    return {str(field.alias): _default(name, field) for name, field in fields.items()}


def _default(name: str, field: FieldInfo) -> str:
    default = field.default
    if name == "region":
        assert isinstance(field.validation_alias, AliasChoices)
        return str(field.validation_alias.choices[1])
    if field.is_required() or default in (None, frozenset()):
        return "none"
    if name.endswith("_nano"):
        return _usd(default)
    if isinstance(default, dict):
        return json.dumps({code: _usd(rate) for code, rate in default.items()}, separators=(",", ":"))
    return str(default).lower() if isinstance(default, bool) else str(default)


def _usd(nano: int) -> str:
    return nano_to_usd(nano).rstrip("0").rstrip(".")


# --- errors


def error_rows() -> dict[str, tuple[str, str]]:
    return {row[0]: (row[1], row[2]) for row in table("errors.md", "code")}


def test_every_class_of_error_is_documented_with_its_status_and_type() -> None:
    expected = {}
    for kind in ALL:
        error = SAMPLES[kind]
        if kind is UpstreamRejected:
            expected["upstream's own"] = ("4xx", error.type)
        elif kind is RateLimited:
            expected[str(error.code)] = ("429", "requests / tokens")
        else:
            expected[str(error.code or "null")] = (str(error.http_status), error.type)
    assert error_rows() == expected


def test_every_row_says_when_and_what_to_do() -> None:
    for row in table("errors.md", "code"):
        assert len(row) == 5, row
        assert all(row), row


def test_every_answer_of_api_gateway_is_documented_and_is_one_of_our_codes() -> None:
    documented = {row[0]: tuple(row[1:4]) for row in table("errors.md", "response")}
    expected = {}
    for kind, response in TEMPLATE.gateway_responses().items():
        error = json.loads(response.body)["error"]
        status = str(response.status or kind.removeprefix("DEFAULT_").lower())
        expected[kind] = (status, str(error["code"] or "null"), error["type"])
        assert error.keys() >= {"message", "type", "param", "code"}
        ours = error_rows()[expected[kind][1]]
        assert error["type"] in ours[1]
        assert response.status is None or str(response.status) == ours[0]
    assert documented == expected


def test_every_member_and_reason_that_the_code_knows_is_documented() -> None:
    page = (DOCS / "errors.md").read_text()
    package = Path(str(files("multiconnection")))
    reasons: set[str] = set()
    for source in package.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "reason" and isinstance(node.value, ast.Constant):
                reasons.add(str(node.value.value))
    assert reasons >= {"in_flight", "upstream"}
    scopes = {f"{scope}_{quantity}" for scope in ("key", "account") for quantity in ("requests", "tokens")}
    reasons |= {"ip_requests", "ip_failed_auth", "account_balance", "key_budget", "gateway"} | scopes
    assert [reason for reason in sorted(reasons) if f"`{reason}`" not in page] == []
    members = {member for row in table("errors.md", "member") for member in re.findall(r"\w+", row[0])}
    assert members == details_of(package)


def details_of(package: Path) -> set[str]:
    """The members that any `details={…}` gives to an error, conditional ones (`**`) too."""
    found: list[ast.expr] = []
    for source in package.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            match node:
                case ast.keyword(arg="details", value=value) | ast.Assign(targets=[ast.Name("details")], value=value):
                    found.append(value)
    dicts = [each for value in found if isinstance(value, ast.Dict) for each in _with_conditional(value)]
    return {str(key.value) for each in dicts for key in each.keys if isinstance(key, ast.Constant)}


def _with_conditional(given: ast.Dict) -> list[ast.Dict]:
    unpacked = [value for key, value in zip(given.keys, given.values, strict=True) if key is None]
    return [given, *(node for value in unpacked for node in ast.walk(value) if isinstance(node, ast.Dict))]


def test_each_kind_of_stream_ends_in_an_error_as_documented() -> None:
    section = (DOCS / "errors.md").read_text().partition("## In a stream")[2].partition("\n## ")[0]
    shown = [_event(block) for block in re.findall(r"```\n(.+?)```", section, re.DOTALL)]
    error = UpstreamFailed("…")
    assert shown == [_event(framing.error(error).decode()) for framing in (CHUNKS, NAMED_EVENTS) if framing.error]


def _event(text: str) -> tuple[str, object]:
    """The lines before the data of a server-sent event, and the data."""
    before, _, data = text.strip().partition("data: ")
    return before, json.loads(data)


# --- parameters


def test_every_parameter_of_the_template_is_named() -> None:
    texts = [path.read_text() for path in DOCS.glob("*.md")] + [(ROOT / "samconfig.toml").read_text()]
    parameters = read_yaml(ROOT / "template.yaml")["Parameters"]
    assert [name for name in parameters if not any(re.search(rf"\b{name}\b", text) for text in texts)] == []


def test_the_parameters_worth_setting_have_their_defaults() -> None:
    parameters = read_yaml(ROOT / "template.yaml")["Parameters"]
    documented: dict[str, str] = {}
    for row in table("deploy.md", "parameter"):
        names = re.findall(r"\w+", row[0])
        documented |= dict(zip(names, row[1].split(", ") if len(names) > 1 else [row[1]], strict=True))
    assert len(documented) >= 15
    assert documented == {name: str(parameters[name]["Default"]) or "empty" for name in documented}


# --- settings


def test_every_setting_is_documented_with_its_default() -> None:
    documented = {row[0]: row[3] for row in table("settings.md", "variable")}
    assert documented == settings_read()


def test_every_setting_of_the_template_is_read() -> None:
    variables = {name for function in TEMPLATE.functions().values() for name in function.environment}
    adapter = {name for name in variables if name.startswith("AWS_L")}
    # RELEASE is there to differ between deployments, which is what makes Lambda publish a version.
    assert variables - adapter - {"RELEASE", "DEMO_BASE_URL"} - settings_read().keys() == set()


def test_every_provider_is_documented() -> None:
    providers = json.loads(files("multiconnection").joinpath("data/providers.json").read_text())["providers"]
    expected = [
        [entry["env_prefix"], "yes" if entry["base_url"] else "no", "yes" if entry["key_required"] else "no"]
        for entry in providers
    ]
    assert table("settings.md", "prefix") == expected


def test_the_variables_of_make_run_are_documented() -> None:
    page = (DOCS / "settings.md").read_text()
    sources = "".join(path.read_text() for path in (ROOT / "local").rglob("*.py"))
    for name in LOCAL_VARIABLES:
        assert f'"{name}"' in sources
        assert f"| `{name}` |" in page


# --- routes

# Pages are for people: docs/ does not list them.
PAGES = {"/", "/{page+}"}


def documented_routes() -> set[tuple[str, str]]:
    return {(method, path) for method, path in (row[0].split(" ") for row in table("api.md", "endpoint"))}


def test_every_route_of_the_apps_is_documented() -> None:
    served = {
        (method, route.path.replace("{model:path}", "{id}"))
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }
    assert documented_routes() == served


def console_routes() -> set[tuple[str, str]]:
    return {(method, path) for method, path in (row[0].split(" ") for row in table("console-api.md", "route"))}


def test_the_browsers_routes_are_those_of_the_openapi_document() -> None:
    """Which tests of its own hold to the routes of the code."""
    wanted = {
        (method.upper(), shape(path)): audience(path, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
        if path.startswith("/api/")
    }
    del wanted["GET", "/api/models"]
    rows = {tuple(shape(row[0]).split(" ")): row[1].replace(" ", "_") for row in table("console-api.md", "route")}
    assert rows == wanted


def shape(path: str) -> str:
    """What a parameter is called is not part of a route."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def audience(path: str, operation: Mapping[str, Any]) -> str:
    if path.startswith("/api/admin/"):
        return "admin"
    return "session" if operation["security"] else "public"


def test_every_route_of_the_template_is_documented_or_the_catch_all() -> None:
    paths = {route.path.replace("{model+}", "{id}") for route in TEMPLATE.routes()}
    proxies = {"/v1/{proxy+}", "/api/{proxy+}", "/api/admin/{proxy+}"}
    others = {path for _, path in console_routes()}
    assert paths - {path for _, path in documented_routes()} - others == proxies | PAGES
    declared = {(route.method, route.path.replace("{model+}", "{id}")) for route in TEMPLATE.routes()}
    assert documented_routes() <= declared


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_links_between_the_pages_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text()
    targets = [part.partition(")")[0].partition("#")[0] for part in text.split("](")[1:]]
    assert [target for target in targets if "://" not in target and not (DOCS / target).exists()] == []


# --- the README


def test_the_readme_leads_to_every_page_and_is_short() -> None:
    assert [path.name for path in DOCS.glob("*.md") if f"](docs/{path.name})" not in README] == []
    assert len(README.splitlines()) <= 150


def test_every_link_of_the_root_pages_leads_somewhere() -> None:
    for page in ROOT.glob("*.md"):
        targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
        assert [each for each in targets if "://" not in each and not (ROOT / each).exists()] == [], page.name


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/why.md", "docs/benchmarks.md"])
def test_every_make_command_of_a_page_is_in_the_makefile(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    shown = re.findall(r"(?:^|`|\$ |… )make ([a-z][\w-]*)", (ROOT / page).read_text(), re.MULTILINE)
    assert {name for name in shown if not re.search(rf"^{name}:", makefile, re.MULTILINE)} <= TO_COME


def test_the_figures_of_the_readme_are_those_of_the_pages() -> None:
    [per_call], [per_stream] = (
        [row for row in table("benchmarks.md", "CPU per request, ms") if row[0] == name]
        for name in ("call", "stream of 202 chunks")
    )
    for _, gateway, _, ratio in (per_call, per_stream):
        assert f"{gateway.split()[0]} ms" in README
        assert ratio.split(",")[0] in README
    idle = (DOCS / "cost.md").read_text().partition("## A month without a call")[2].partition("\n## ")[0]
    [total] = re.findall(r"\| \*\*together\*\* \| .*\*\*([\d.]+)\*\*", idle)
    assert f"{total} USD a month" in README
