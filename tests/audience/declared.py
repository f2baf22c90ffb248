"""Who may call each route of each function: the one place that says so.

`public` is everybody; `api_key` a key of the account; `session` somebody who is signed in, for the own account only;
`admin` a session of the administrators' group; `worker` nobody: the function has no routes.
"""

from typing import Literal, NamedTuple, cast

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
Audience = Literal["public", "api_key", "session", "admin", "worker"]

_DECLARED = """
account    public  POST   /api/auth/sign-up
account    public  POST   /api/auth/confirm
account    public  POST   /api/auth/resend
account    public  POST   /api/auth/sign-in
account    public  POST   /api/auth/totp
account    public  POST   /api/auth/new-password
account    public  POST   /api/auth/sign-out
account    public  POST   /api/auth/forgot
account    public  POST   /api/auth/reset
account    session POST   /api/auth/sign-out-everywhere
account    session POST   /api/auth/change-password
account    session POST   /api/auth/totp/setup
account    session POST   /api/auth/totp/enable
account    session POST   /api/auth/totp/disable
account    session GET    /api/auth/session
account    session GET    /api/account
account    session PATCH  /api/account
account    session GET    /api/keys
account    session POST   /api/keys
account    session POST   /api/keys/session
account    session PATCH  /api/keys/{key_id}
account    session DELETE /api/keys/{key_id}
account    session POST   /api/keys/{key_id}/rotate
account    session GET    /api/balance
account    session GET    /api/credits
account    session GET    /api/usage
account    session GET    /api/usage/summary
account    session GET    /api/usage/{request_id}
account    session GET    /api/orders
account    session POST   /api/orders
account    session GET    /api/orders/options
account    session GET    /api/orders/{order_id}
account    session POST   /api/orders/{order_id}/cancel
account    session POST   /api/orders/{order_id}/receipt
account    session POST   /api/orders/{order_id}/receipt/done
account    api_key GET    /v1/usage/{request_id}
account    api_key GET    /v1/balance
admin      admin   GET    /api/admin/orders
admin      admin   GET    /api/admin/orders/{order_id}
admin      admin   POST   /api/admin/orders/{order_id}/approve
admin      admin   POST   /api/admin/orders/{order_id}/reject
admin      admin   GET    /api/admin/accounts
admin      admin   GET    /api/admin/accounts/{account_id}
admin      admin   POST   /api/admin/accounts/{account_id}/suspend
admin      admin   POST   /api/admin/accounts/{account_id}/resume
admin      admin   POST   /api/admin/accounts/{account_id}/test-credit
admin      admin   POST   /api/admin/accounts/{account_id}/adjust
admin      admin   GET    /api/admin/adjustments
admin      admin   GET    /api/admin/adjustments/{adjustment_id}
admin      admin   POST   /api/admin/adjustments/{adjustment_id}/approve
admin      admin   POST   /api/admin/adjustments/{adjustment_id}/reject
admin      admin   GET    /api/admin/models
admin      admin   GET    /api/admin/models/{model_id:path}
admin      admin   POST   /api/admin/models/{model_id:path}/prices
admin      admin   POST   /api/admin/models/{model_id:path}/enable
admin      admin   POST   /api/admin/models/{model_id:path}/disable
admin      admin   GET    /api/admin/providers
admin      admin   POST   /api/admin/providers/{name}/enable
admin      admin   POST   /api/admin/providers/{name}/disable
admin      admin   GET    /api/admin/revenue
admin      admin   GET    /api/admin/reconciliation
admin      admin   POST   /api/admin/reconciliation
admin      admin   GET    /api/admin/audit
audio      api_key POST   /v1/audio/speech
audio      api_key POST   /v1/audio/transcriptions
audio      api_key POST   /v1/audio/translations
chat       api_key POST   /v1/chat/completions
chat       api_key POST   /v1/completions
embeddings api_key POST   /v1/embeddings
embeddings api_key POST   /v1/moderations
export     session GET    /api/usage.csv
images     api_key POST   /v1/images/generations
images     api_key POST   /v1/images/edits
models     api_key GET    /v1/models
models     api_key GET    /v1/models/{model:path}
models     public  GET    /api/models
site       public  GET    /
site       public  GET    /models
site       public  GET    /models/{model:path}
site       public  GET    /docs
site       public  GET    /status
site       public  GET    /sign-in
site       public  GET    /sign-up
site       public  GET    /verify
site       public  GET    /forgot
site       public  GET    /reset
site       public  GET    /console
site       public  GET    /console/{view:path}
site       public  GET    /admin
site       public  GET    /admin/{view:path}
site       public  GET    /assets/{name}
site       public  GET    /favicon.svg
site       public  GET    /robots.txt
site       public  GET    /openapi.json
site       public  GET    /api/site
site       public  GET    /{page:path}
uploads    api_key POST   /v1/uploads
recharge   worker
fallback   worker
reconciler worker
sweeper    worker
"""


class Route(NamedTuple):
    """`path` as the function's router has it."""

    function: str
    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def _parsed() -> dict[Route, Audience]:
    rows = [line.split() for line in _DECLARED.strip().splitlines()]
    found = {Route(function, *(rest or ("", ""))): cast("Audience", audience) for function, audience, *rest in rows}
    assert len(found) == len(rows), "a route is declared twice"
    return found


DECLARED = _parsed()
ROUTES = [route for route, audience in DECLARED.items() if audience != "worker"]
WORKERS = {route.function for route, audience in DECLARED.items() if audience == "worker"}


def routes_for(*audiences: Audience) -> list[Route]:
    return [route for route in ROUTES if DECLARED[route] in audiences]
