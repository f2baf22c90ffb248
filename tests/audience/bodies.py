"""A good body for every route that reads one, and the schema that it is read by."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from multiconnection.accounts import schemas as accounts_schemas
from multiconnection.audio import schemas as audio_schemas
from multiconnection.catalog import schemas as catalog_schemas
from multiconnection.chat import schemas as chat_schemas
from multiconnection.credits import schemas as credits_schemas
from multiconnection.embeddings import schemas as embeddings_schemas
from multiconnection.identity import schemas as identity_schemas
from multiconnection.images import schemas as images_schemas
from multiconnection.keys import schemas as keys_schemas
from multiconnection.orders import schemas as orders_schemas
from multiconnection.reports import schemas as reports_schemas
from multiconnection.uploads import schemas as uploads_schemas
from multiconnection.web import validation
from tests.audience.declared import Route
from tests.audience.scene import ORDER, Scene
from tests.support.chat_world import MESSAGES
from tests.support.whole_world import PASSWORD

NEW_PASSWORD = "another horse 2"
PRICES = {"input": "1.10", "cached_input": "0.25", "output": "2.00"}


class Body(NamedTuple):
    """`example` is of Ada's scene. A body that may be left out is `optional`."""

    schema: type[BaseModel]
    example: Callable[[Scene], dict[str, Any]]
    optional: bool = False


def _always(**fields: Any) -> Callable[[Scene], dict[str, Any]]:
    return lambda _: dict(fields)


def _prices(_: Scene) -> dict[str, Any]:
    return {"prices": PRICES, "base_version": 7, "reason": "dearer"}


_EMAIL = "new@example.com"
_REASON = Body(validation.ReasonBody, _always(reason="because"))
_MAYBE_REASON = Body(validation.MaybeReasonBody, _always(reason="because"), optional=True)
_ADJUST = _always(amount="5.00", reason="goodwill", client_token="another-adjustment")
_APPROVE: Callable[[Scene], dict[str, Any]] = lambda scene: {"amount": "100.00", "account_id": scene.ada.account_id}  # noqa: E731

BODIES: Mapping[str, Body] = {
    "POST /api/auth/sign-up": Body(identity_schemas.SignUpBody, _always(email=_EMAIL, password=PASSWORD, name="New")),
    "POST /api/auth/confirm": Body(
        identity_schemas.ConfirmBody, _always(email=_EMAIL, code="123456", password=PASSWORD)
    ),
    "POST /api/auth/resend": Body(identity_schemas.EmailBody, _always(email=_EMAIL)),
    "POST /api/auth/sign-in": Body(identity_schemas.SignInBody, _always(email="bob@example.com", password=PASSWORD)),
    "POST /api/auth/totp": Body(identity_schemas.TotpAnswerBody, _always(session="none", code="123456")),
    "POST /api/auth/new-password": Body(
        identity_schemas.NewPasswordBody, _always(session="none", password=NEW_PASSWORD)
    ),
    "POST /api/auth/forgot": Body(identity_schemas.EmailBody, _always(email=_EMAIL)),
    "POST /api/auth/reset": Body(
        identity_schemas.ResetBody, _always(email=_EMAIL, code="123456", password=NEW_PASSWORD)
    ),
    "POST /api/auth/change-password": Body(
        identity_schemas.ChangePasswordBody, _always(current=PASSWORD, new=NEW_PASSWORD)
    ),
    "POST /api/auth/totp/enable": Body(identity_schemas.CodeBody, _always(code="123456")),
    "POST /api/auth/totp/disable": Body(identity_schemas.TotpDisableBody, _always(password=PASSWORD)),
    "PATCH /api/account": Body(accounts_schemas.AccountBody, _always(name="Adele")),
    "POST /api/keys": Body(keys_schemas.KeyBody, _always(name="desk", budget="5.00")),
    "POST /api/keys/session": Body(keys_schemas.SessionKeyBody, _always()),
    "PATCH /api/keys/{key_id}": Body(keys_schemas.KeyPatch, _always(name="desk", disabled=True)),
    "POST /api/keys/{key_id}/rotate": Body(keys_schemas.RotateBody, _always(overlap_s=60)),
    "POST /api/orders": Body(orders_schemas.OrderBody, _always(**{**ORDER, "client_token": "another-token"})),
    "POST /api/orders/{order_id}/receipt": Body(
        orders_schemas.ReceiptBody, _always(content_type="image/png", bytes=8, filename="proof.png")
    ),
    "POST /api/admin/orders/{order_id}/approve": Body(orders_schemas.ApproveBody, _APPROVE),
    "POST /api/admin/orders/{order_id}/reject": Body(validation.ReasonBody, _always(reason="nothing arrived")),
    "POST /api/admin/accounts/{account_id}/suspend": _REASON,
    "POST /api/admin/accounts/{account_id}/resume": _REASON,
    "POST /api/admin/accounts/{account_id}/test-credit": _MAYBE_REASON,
    "POST /api/admin/accounts/{account_id}/adjust": Body(credits_schemas.AdjustBody, _ADJUST),
    "POST /api/admin/adjustments/{adjustment_id}/reject": _REASON,
    "POST /api/admin/models/{model_id:path}/prices": Body(catalog_schemas.PriceBody, _prices),
    "POST /api/admin/models/{model_id:path}/enable": _MAYBE_REASON,
    "POST /api/admin/models/{model_id:path}/disable": _MAYBE_REASON,
    "POST /api/admin/providers/{name}/enable": _MAYBE_REASON,
    "POST /api/admin/providers/{name}/disable": _MAYBE_REASON,
    "POST /api/admin/reconciliation": Body(reports_schemas.ReconciliationBody, _always(accounts_max=10), optional=True),
    "POST /v1/chat/completions": Body(chat_schemas.ChatBody, _always(model="m-1", messages=MESSAGES)),
    "POST /v1/completions": Body(chat_schemas.CompletionsBody, _always(model="m-1", prompt="hi")),
    "POST /v1/embeddings": Body(embeddings_schemas.EmbeddingsBody, _always(model="e-1", input="hi")),
    "POST /v1/moderations": Body(embeddings_schemas.ModerationsBody, _always(input="hi")),
    "POST /v1/images/generations": Body(images_schemas.ImagesBody, _always(prompt="a hat")),
    "POST /v1/images/edits": Body(
        images_schemas.ImagesBody, lambda scene: {"prompt": "a hat", "images": [{"image_url": scene.upload}]}
    ),
    "POST /v1/audio/speech": Body(audio_schemas.SpeechBody, _always(model="tts-1", input="hi", voice="alloy")),
    "POST /v1/uploads": Body(uploads_schemas.UploadBody, _always(bytes=8, content_type="image/png")),
}
# They read forms, or nothing at all.
WITHOUT_JSON = {
    "POST /v1/audio/transcriptions",
    "POST /v1/audio/translations",
    "POST /api/auth/sign-out",
    "POST /api/auth/sign-out-everywhere",
    "POST /api/auth/totp/setup",
    "DELETE /api/keys/{key_id}",
    "POST /api/orders/{order_id}/cancel",
    "POST /api/orders/{order_id}/receipt/done",
    "POST /api/admin/adjustments/{adjustment_id}/approve",
}


def good(scene: Scene, route: Route) -> dict[str, Any]:
    """Keyword arguments of a request with a good body, where the route reads one."""
    body = BODIES.get(str(route))
    return {} if body is None else {"json": body.example(scene)}
