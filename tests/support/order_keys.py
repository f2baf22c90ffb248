"""Keys and indexes of the Orders table, as template.yaml has them."""

from tools.memory_dynamo.driver import TableKeys

ORDER_KEYS = TableKeys(
    "order_id",
    indexes={"by_account": ("account_id", "order_id"), "by_status": ("status", "order_id")},
    full_indexes=frozenset({"by_account", "by_status"}),
    types={"order_id": "S", "account_id": "S", "status": "S"},
)
