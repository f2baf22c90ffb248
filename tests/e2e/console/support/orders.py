"""A recharge order as its owner makes it: amount, method, check, receipt."""

import base64
import re
from typing import Any

from playwright.sync_api import Locator, expect

from tests.e2e.console.support.visitor import Visitor
from tests.e2e.support import media

_DROP = """([zone, name, type, data]) => {
  const dropped = new DataTransfer();
  dropped.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name, { type }));
  zone.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: dropped }));
}"""


def order(visitor: Visitor, amount: str, method: str = "Bank transfer") -> str:
    """From the billing page to the order's own, until it is in review; gives its reference."""
    visitor.open("/console/billing")
    visitor.page.get_by_role("link", name="Add funds").first.click()
    visitor.fill("Amount", amount)
    visitor.press("Continue")
    visitor.page.get_by_role("radio", name=method).check()
    visitor.press("Continue")
    visitor.sees("Is this right?")
    visitor.press("Submit the order")
    heading = visitor.page.get_by_role("heading", level=1)
    expect(heading).to_have_text(re.compile(r"Order MC-\w+"))
    expect(visitor.page.get_by_role("region", name="Progress").locator(".badge")).to_have_text("In review")
    return heading.inner_text().removeprefix("Order ")


def drop_receipt(visitor: Visitor) -> None:
    zone = visitor.page.locator(".drop").element_handle()
    picture = base64.b64encode(media.PICTURE).decode()
    visitor.page.evaluate(_DROP, [zone, "receipt.png", "image/png", picture])
    visitor.sees("Received: image")


def choose_receipt(visitor: Visitor, name: str, mime_type: str, data: bytes) -> None:
    file: Any = {"name": name, "mimeType": mime_type, "buffer": data}
    with visitor.page.expect_file_chooser() as chosen:
        visitor.press("Choose a file")
    chosen.value.set_files(file)


def steps(visitor: Visitor) -> Locator:
    """The timeline, one item for every state."""
    return visitor.page.get_by_role("list", name="Progress of the order").get_by_role("listitem")
