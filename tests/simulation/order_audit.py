"""The auditor of orders: every write of one is looked at, independently of the product's own conditions."""

from collections.abc import Callable

from multiconnection.aws.dynamo import Item

# Written down again, so that a mistake in the product's table is found as well.
LEGAL = {
    ("", "submitted"),
    ("submitted", "in_review"),
    ("submitted", "expired"),
    ("submitted", "cancelled"),
    ("in_review", "approved"),
    ("in_review", "rejected"),
    ("in_review", "expired"),
    ("in_review", "cancelled"),
    ("approved", "credited"),
}
FINAL = ("credited", "rejected", "expired", "cancelled")
FROZEN = ("account_id", "cents", "currency", "rate", "credit", "reference", "created_s", "expires_s")
Broken = Callable[[str, str], None]
CreditRow = Callable[[str, str], Item | None]


class OrderAudit:
    """`items` is the last image of each order."""

    def __init__(self, broken: Broken) -> None:
        self.items: dict[str, Item] = {}
        self._broken = broken

    def look(self, item: Item, credit_row: CreditRow) -> None:
        if "status" not in item:
            return
        order_id = item["order_id"]["S"]
        before = self.items.get(order_id)
        self.items[order_id] = item
        self._look_at_change(order_id, before, item)
        self._look_at_money(order_id, item, credit_row(item["account_id"]["S"], order_id))

    def statuses(self) -> dict[str, str]:
        return {order_id: item["status"]["S"] for order_id, item in self.items.items()}

    def _look_at_change(self, order_id: str, before: Item | None, item: Item) -> None:
        was, now = before["status"]["S"] if before else "", item["status"]["S"]
        if was != now and (was, now) not in LEGAL:
            self._broken("orders", f"{order_id} went from {was} to {now}")
        if before and any(before[name] != item[name] for name in FROZEN):
            self._broken("orders", f"what was frozen of {order_id} was changed")
        decided = before.get("decided_by") if before else None
        if decided and decided["S"] and decided != item["decided_by"]:
            self._broken("orders", f"{order_id} was decided by {decided} and then by {item['decided_by']}")

    def _look_at_money(self, order_id: str, item: Item, row: Item | None) -> None:
        if (row is not None) is not (item["status"]["S"] == "credited"):
            self._broken("I9", f"{order_id} is {item['status']['S']}, its credit row is {row}")
        if row is not None and not row["amount"] == item["credit"] == item.get("approved_credit"):
            self._broken("I9", f"{order_id} credited {row['amount']} of {item['credit']}")
