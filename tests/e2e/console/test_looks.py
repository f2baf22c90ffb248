"""How every view looks: both themes, desktop and phone; nothing moves, nothing sticks out, axe finds nothing.

The screenshots are kept in .artifacts/screens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, StorageState, ViewportSize

from tests.e2e.console.conftest import Visitors
from tests.e2e.console.support.axe import COLOURS, findings
from tests.e2e.console.support.people import Person, a_user, demo_admin, demo_user
from tests.e2e.console.support.visitor import DESKTOP, PHONE, Visitor
from tests.e2e.console.support.watch import AFTER_SKELETONS, moved_by_itself
from tests.e2e.support.customers import demo_customer
from tests.e2e.support.stack import LocalStack

THEMES: Mapping[Literal["light", "dark"], tuple[str, ...]] = {"light": (), "dark": COLOURS}
SIZES = {"desktop": DESKTOP, "phone": PHONE}
# 200 % zoom on a desktop.
ZOOMED: ViewportSize = {"width": 640, "height": 450}
_CUT_OFF = """() => [document.documentElement, ...document.querySelectorAll(".table-wrap, dialog[open], .dialog-body")]
  .filter((box) => box.scrollWidth > box.clientWidth)
  .map((box) => `${box.tagName} ${box.className}: ${box.scrollWidth} px on ${box.clientWidth} px`)"""
PUBLIC = {
    "home": "/",
    "models": "/models",
    "model": "/models/gpt-4.1-mini",
    "docs": "/docs",
    "status": "/status",
    "sign-in": "/sign-in",
    "sign-up": "/sign-up",
    "verify": "/verify",
    "forgot": "/forgot",
    "reset": "/reset",
    "not-found": "/nothing-of-the-kind",
}
CONSOLE = {
    "overview": "/console",
    "keys": "/console/keys",
    "key-form": "/console/keys?new=1",
    "key-rotation": "/console/keys?rotate={key}",
    "usage": "/console/usage",
    "call": "/console/usage?call={call}",
    "billing": "/console/billing",
    "credits": "/console/billing?tab=credits",
    "recharge": "/console/billing/recharge",
    "order": "/console/billing/orders/{order}",
    "playground": "/console/playground",
    "settings": "/console/settings",
}
ADMIN = {
    "admin-orders": "/admin/orders",
    "admin-order": "/admin/orders/{order}",
    "admin-accounts": "/admin/accounts",
    "admin-account": "/admin/accounts/{account}",
    "admin-adjustments": "/admin/accounts/adjustments?adjustment={adjustment}",
    "admin-models": "/admin/models",
    "admin-model": "/admin/models/gpt-image-1.5",
    "admin-providers": "/admin/providers",
    "admin-revenue": "/admin/revenue",
    "admin-reconciliation": "/admin/reconciliation",
    "admin-audit": "/admin/audit",
    "admin-entry": "/admin/audit?entry={entry}",
}
FIRST_RUN = {
    "first-overview": "/console",
    "first-keys": "/console/keys",
    "first-usage": "/console/usage",
    "first-billing": "/console/billing",
}


@dataclass(frozen=True, slots=True)
class Resident:
    """Somebody who is signed in, and the ids that his views are about."""

    cookies: StorageState
    ids: Mapping[str, str]


@pytest.fixture(scope="module")
def resident(browser: Browser, stack: LocalStack) -> Resident:
    """The demo user, with calls, keys and an order."""
    customer = demo_customer(stack)
    call = customer.chat("deepseek-v4-flash").raise_for_status().headers["x-request-id"]
    customer.chat("demo-error-500")
    visitor = signed_in(browser, stack, demo_user(stack))
    wanted = {"amount": "100.00", "currency": "USD", "method": "bank_transfer", "client_token": "an order to look at"}
    order = visitor.api("POST", "/api/orders", wanted)
    key = visitor.api("POST", "/api/keys", {"name": "production", "budget": "25.00", "models": ["gpt-4.1-mini"]})
    return Resident(leave(visitor), {"call": call, "order": order["id"], "key": key["id"]})


@pytest.fixture(scope="module")
def administrator(browser: Browser, stack: LocalStack, resident: Resident) -> Resident:
    """With an order that waits, and an adjustment that needs a second."""
    visitor = signed_in(browser, stack, demo_admin(stack))
    account = stack.run["account_id"]
    wanted = {"amount": "250.00", "reason": "Contract 4711", "client_token": "an adjustment to look at"}
    made = visitor.api("POST", f"/api/admin/accounts/{account}/adjust", wanted)
    entry = visitor.api("GET", "/api/admin/audit")["data"][0]
    ids = {"account": account, "adjustment": made["adjustment"]["id"], "entry": entry["id"]}
    return Resident(leave(visitor), {**resident.ids, **ids})


@pytest.fixture(scope="module")
def newcomer(browser: Browser, stack: LocalStack) -> Resident:
    return Resident(leave(signed_in(browser, stack, a_user(stack, "Newcomer"))), {})


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_view(visitors: Visitors, name: str, size: str, screens: Path) -> None:
    visitor = visitors(**SIZES[size])
    visitor.watch.allow(f"404 {PUBLIC['not-found']}")
    assert_looks_right(visitor, PUBLIC[name], screens / f"{name}-{size}")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CONSOLE)
def test_a_view_of_the_console(visitors: Visitors, resident: Resident, name: str, size: str, screens: Path) -> None:
    visitor = visitors(storage_state=resident.cookies, **SIZES[size])
    assert_looks_right(visitor, CONSOLE[name].format_map(resident.ids), screens / f"{name}-{size}")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ADMIN)
def test_a_view_of_the_admin(visitors: Visitors, administrator: Resident, name: str, size: str, screens: Path) -> None:
    visitor = visitors(storage_state=administrator.cookies, **SIZES[size])
    assert_looks_right(visitor, ADMIN[name].format_map(administrator.ids), screens / f"{name}-{size}")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FIRST_RUN)
def test_a_view_that_is_still_empty(
    visitors: Visitors, newcomer: Resident, name: str, size: str, screens: Path
) -> None:
    visitor = visitors(storage_state=newcomer.cookies, **SIZES[size])
    assert_looks_right(visitor, FIRST_RUN[name], screens / f"{name}-{size}")


def assert_looks_right(visitor: Visitor, path: str, screen: Path) -> None:
    visitor.context.add_init_script(AFTER_SKELETONS)
    visitor.open(path)
    found = {"moved": moved_by_itself(visitor.page), "cut off": cut_off(visitor)}
    for theme, rules in THEMES.items():
        visitor.page.emulate_media(color_scheme=theme)
        found[f"axe, {theme}"] = findings(visitor.page, *rules)
        visitor.shoot(screen.with_name(f"{screen.name}-{theme}.png"))
    visitor.page.set_viewport_size(ZOOMED)
    found["cut off, zoomed"] = cut_off(visitor)
    wrong = {what: seen for what, seen in found.items() if seen}
    assert not wrong, wrong


def cut_off(visitor: Visitor) -> list[str]:
    """What would have to be pushed sideways to be read: the page itself, or a table in it."""
    found: list[str] = visitor.page.evaluate(_CUT_OFF)
    return found


def signed_in(browser: Browser, stack: LocalStack, person: Person) -> Visitor:
    visitor = Visitor(browser, stack)
    visitor.sign_in(person)
    return visitor


def leave(visitor: Visitor) -> StorageState:
    """Closes the browser and keeps its cookies for others."""
    cookies = visitor.context.storage_state()
    visitor.close()
    return cookies
