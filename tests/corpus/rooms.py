"""What people do in their browsers: accounts, keys, orders, usage, administration, and the public pages."""

from typing import Any

from multiconnection.errors import IdentityUnavailable
from multiconnection.ledger.models import AccountLimits
from multiconnection.retry import StoreUnavailable
from tests.audience.scene import ORDER, PNG, Scene, bearer
from tests.support.chat_world import MESSAGES
from tests.support.totp import totp_code
from tests.support.whole_world import IP, OURS, PASSWORD, Somebody

from .tape import Tape, minutes, sent, whole_chat, with_scene

EVE, NEW_PASSWORD = "eve@example.com", "another horse 2"


async def signing_in(tape: Tape) -> None:
    async def auth(step: str, note: str = "", **body: Any) -> Any:
        return await tape.ask("eve", "POST", f"/api/auth/{step}", OURS, json=body, note=note)

    await auth("sign-up", "a weak password", email=EVE, password="short", name="Eve")
    await auth("sign-up", email=EVE, password=PASSWORD, name="Eve")
    await auth("sign-up", "again", email=EVE, password=PASSWORD, name="Eve")
    await auth("sign-in", "not confirmed", email=EVE, password=PASSWORD)
    await auth("resend", email=EVE)
    await auth("confirm", "a wrong code", email=EVE, code="000000", password=PASSWORD)
    await auth("confirm", email=EVE, code="123456", password=PASSWORD)
    await auth("sign-in", "a wrong password", email=EVE, password="a wrong one 3")
    await auth("sign-in", "nobody", email="nobody@example.com", password=PASSWORD)
    await auth("sign-in", email=EVE, password=PASSWORD)
    await auth("forgot", email=EVE)
    await auth("forgot", "nobody", email="nobody@example.com")
    await auth("reset", "a wrong code", email=EVE, code="000000", password=NEW_PASSWORD)
    await auth("reset", "a weak password", email=EVE, code="654321", password="short")
    await auth("reset", email=EVE, code="654321", password=NEW_PASSWORD)
    await auth("sign-in", "the new password", email=EVE, password=NEW_PASSWORD)
    tape.world.cognito.invite("invited@example.com", PASSWORD)
    invited = await auth("sign-in", "invited", email="invited@example.com", password=PASSWORD)
    answer = {"email": "invited@example.com", "session": invited.get("session", "")}
    await auth("new-password", "a weak password", **answer, password="short")
    await auth("new-password", **answer, password=NEW_PASSWORD)
    for number in range(10):
        await tape.world.ask(
            "account", "POST", "/api/auth/sign-in", OURS, IP, json={"email": EVE, "password": f"wrong {number}"}
        )
    body = {"email": EVE, "password": PASSWORD}
    await tape.ask("eve", "POST", "/api/auth/sign-in", OURS, json=body, ip=IP, note="too often")


async def a_session(tape: Tape) -> None:
    somebody = await tape.world.somebody("eve")

    async def ask(method: str, path: str, note: str = "", headers: Any = None, /, **body: Any) -> Any:
        return await tape.ask("eve", method, path, headers or somebody.headers, note=note, **sent(body))

    await ask("GET", "/api/auth/session")
    await ask("GET", "/api/account")
    await ask("PATCH", "/api/account", name="Evelyn")
    await ask("POST", "/api/auth/change-password", "a wrong one", current="a wrong one", new=NEW_PASSWORD)
    await ask("POST", "/api/auth/change-password", "a weak one", current=PASSWORD, new="short")
    await ask("POST", "/api/auth/change-password", current=PASSWORD, new=NEW_PASSWORD)
    await ask("GET", "/api/account", "the session that has changed it")
    somebody = await tape.world.signed_in(somebody.person)
    found = await ask("POST", "/api/auth/totp/setup")
    secret = str(found.get("secret"))
    code = totp_code(secret, tape.world.clock.now())
    wrong = "000000" if code != "000000" else "000001"
    await ask("POST", "/api/auth/totp/enable", "a wrong code", code=wrong)
    await ask("POST", "/api/auth/totp/enable", code=totp_code(secret, tape.world.clock.now()))
    signing = {"email": somebody.session.email, "password": NEW_PASSWORD}
    challenge = await ask("POST", "/api/auth/sign-in", "with a second factor", OURS, **signing)
    answer = {"email": somebody.session.email, "session": challenge.get("session", "")}
    await ask("POST", "/api/auth/totp", "a wrong code", OURS, **answer, code=wrong)
    await ask("POST", "/api/auth/totp", "", OURS, **answer, code=totp_code(secret, tape.world.clock.now()))
    await ask("POST", "/api/auth/totp/disable", "a wrong password", password=PASSWORD)
    await ask("POST", "/api/auth/totp/disable", password=NEW_PASSWORD)
    tape.world.cognito.extra_claims = {"exp": int(tape.world.clock.now()) - 60}
    late = tape.world.cognito.issue(somebody.person)
    tape.world.cognito.extra_claims = {}
    expired = {**OURS, "cookie": f"__Host-mc_id={late.id_token}; __Host-mc_refresh={late.refresh_token}"}
    await ask("GET", "/api/account", "renewed", expired)
    await ask("GET", "/api/account", "not renewed", {**OURS, "cookie": f"__Host-mc_id={late.id_token}"})
    await ask("POST", "/api/auth/sign-out")
    await ask("POST", "/api/auth/sign-out-everywhere")


async def keys(tape: Tape) -> None:
    """A key from its beginning to its end."""
    scene = await with_scene(tape)

    async def ask(method: str, path: str, note: str = "", /, **body: Any) -> Any:
        return await tape.ask("ada", method, path, scene.ada.headers, note=note, **sent(body))

    whole = {"budget": "5.00", "requests_per_minute": 10, "tokens_per_minute": 1000, "models": ["m-1"]}
    made = await ask("POST", "/api/keys", name="desk", ips=["203.0.113.0/24"], expires_at=1_900_000_000, **whole)
    path = f"/api/keys/{made['id']}"
    secret = bearer(made["secret"])
    await tape.ask("the new key", "GET", "/v1/models", secret)
    tape.replies(whole_chat())
    body = {"model": "m-1", "messages": MESSAGES, "max_tokens": 5}
    await tape.ask("the new key", "POST", "/v1/chat/completions", secret, json=body)
    await ask("GET", "/api/keys")
    await ask("PATCH", path, name="another desk", budget=None)
    await ask("PATCH", path, "off", disabled=True)
    await tape.world.ask("account", "GET", "/v1/balance", secret)
    await minutes(2)
    await tape.ask("the disabled key", "GET", "/v1/models", secret)
    await ask("PATCH", path, "on", disabled=False)
    await minutes(2)
    await tape.ask("the enabled key", "GET", "/v1/models", secret)
    rotated = await ask("POST", f"{path}/rotate", overlap_s=60)
    await tape.ask("the old secret", "GET", "/v1/models", secret)
    new = bearer(str(rotated.get("secret") or rotated.get("new", {}).get("secret")))
    await tape.ask("the new secret", "GET", "/v1/models", new)
    await minutes(3)
    await tape.ask("the old secret, later", "GET", "/v1/models", secret)
    await ask("POST", f"{path}/rotate", "at once", overlap_s=0)
    await ask("DELETE", path)
    await ask("DELETE", path, "again")
    await minutes(2)
    await tape.ask("the deleted key", "GET", "/v1/models", new)
    session = await tape.ask("ada", "POST", "/api/keys/session", scene.ada.headers, json={})
    await tape.ask("the playground's key", "GET", "/v1/models", bearer(str(session.get("secret"))))
    await ask("GET", "/api/keys", "at the end")


async def usage(tape: Tape) -> None:
    scene = await with_scene(tape)
    for number in range(5):
        tape.replies(whole_chat())
        body = {"model": "m-1", "messages": MESSAGES, "stream": number % 2 == 1}
        await tape.ask("key", "POST", "/v1/chat/completions", bearer(scene.key), json=body, note=f"call {number}")
        await minutes(60)
    for who in (scene.ada, scene.bob):
        name = who.session.name
        fresh = await tape.world.signed_in(who.person)
        for path in (
            "/api/usage",
            "/api/usage?limit=2",
            f"/api/usage?key_id={scene.ids['key_id']}&model=m-1",
            "/api/usage?ended=complete",
            "/api/usage?model=nothing",
            "/api/usage/summary",
            "/api/usage/summary?group=model",
            "/api/usage/summary?group=key",
            "/api/usage/summary?group=day&tz_offset_min=120",
            f"/api/usage/{scene.ids['request_id']}",
            "/api/usage.csv",
            "/api/usage.csv?model=m-1&from=1800000000",
            "/api/balance",
            "/api/credits",
            "/api/credits?limit=1",
        ):
            found = await tape.ask(name, "GET", path, fresh.headers)
            cursor = found.get("next_cursor") if isinstance(found, dict) else None
            if cursor:
                await tape.ask(name, "GET", f"{path}&cursor={cursor}", fresh.headers)
    fresh = await tape.world.signed_in(scene.ada.person)
    for query in (
        "limit=0",
        "limit=x",
        "cursor=x",
        "from=x",
        "from=5&to=5",
        "group=nothing",
        "ended=maybe",
        "tz_offset_min=900",
    ):
        for path in ("/api/usage", "/api/usage/summary", "/api/usage.csv", "/api/credits"):
            await tape.ask("ada", "GET", f"{path}?{query}", fresh.headers)


async def orders(tape: Tape) -> None:
    """Orders and their ends, with the workflow's part."""
    scene = await with_scene(tape)

    async def ask(who: Somebody, method: str, path: str, note: str = "", /, **body: Any) -> Any:
        return await tape.ask(who.session.name, method, path, who.headers, note=note, **sent(body))

    ada, root, second = scene.ada, scene.root, scene.second
    await ask(ada, "GET", "/api/orders/options")
    first = f"/api/orders/{scene.ids['order_id']}"
    await ask(ada, "GET", first)
    await ask(ada, "POST", "/api/orders", "the same again", **ORDER)
    await ask(ada, "POST", "/api/orders", "another one of that name", **{**ORDER, "amount": "99.00"})
    for note, change in {
        "too little": {"amount": "1.00"},
        "too much": {"amount": "100000.00"},
        "no number": {"amount": "many"},
        "another currency": {"currency": "XXX"},
        "another method": {"method": "cash"},
        "a number of three decimals": {"amount": "10.001"},
    }.items():
        await ask(ada, "POST", "/api/orders", note, **{**ORDER, "client_token": "token-of-a-refusal", **change})
    receipt = {"content_type": "image/png", "bytes": len(PNG), "filename": "proof.png"}
    made = await ask(ada, "POST", f"{first}/receipt", **receipt)
    await ask(ada, "POST", f"{first}/receipt/done", "nothing has arrived")
    url = str(made.get("upload", made).get("url"))
    assert await tape.world.objects.upload(url, PNG, "image/png") == 200, made
    await ask(ada, "POST", f"{first}/receipt/done")
    await ask(ada, "POST", f"{first}/receipt", "another type", **{**receipt, "content_type": "text/html"})
    await ask(ada, "POST", f"{first}/receipt", "too large", **{**receipt, "bytes": 10**9})
    tokens = ("second", "third", "fourth", "fifth")
    made = [await ask(ada, "POST", "/api/orders", **{**ORDER, "client_token": f"the-{name}-token"}) for name in tokens]
    ids = [each["id"] for each in made if "id" in each]
    early = f"/api/admin/orders/{ids[0]}/approve"
    await ask(root, "POST", early, "too early", amount="100.00", account_id=ada.account_id)
    admins = f"/api/admin/orders/{scene.ids['order_id']}"
    await tape.settled()
    await ask(root, "GET", "/api/admin/orders")
    await ask(root, "GET", "/api/admin/orders?status=in_review&limit=1")
    await ask(root, "GET", admins)
    approval = {"amount": "100.00", "account_id": ada.account_id}
    await ask(root, "POST", f"{admins}/approve", "another amount", **{**approval, "amount": "1.00"})
    await ask(root, "POST", f"{admins}/approve", "another account", **{**approval, "account_id": scene.bob.account_id})
    await ask(root, "POST", f"{admins}/approve", **approval)
    await tape.settled()
    await ask(second, "POST", f"{admins}/approve", "again, by another", **approval)
    await ask(second, "POST", f"{admins}/reject", "too late", reason="late")
    await ask(ada, "POST", f"{first}/cancel", "too late")
    await ask(root, "POST", f"/api/admin/orders/{ids[0]}/reject", reason="nothing arrived")
    await ask(ada, "POST", f"/api/orders/{ids[1]}/cancel")
    await tape.settled()
    await ask(ada, "GET", "/api/orders")
    await ask(ada, "GET", "/api/orders?limit=1")
    await ask(root, "POST", "/api/orders", "an administrator's own", **{**ORDER, "client_token": "the-roots-own-token"})
    own = await ask(root, "GET", "/api/orders")
    await tape.settled()
    path = f"/api/admin/orders/{own['data'][0]['id']}"
    await ask(root, "POST", f"{path}/approve", "their own", amount="100.00", account_id=root.account_id)
    await ask(root, "POST", f"{path}/reject", "their own", reason="mine")
    await minutes(70)
    await tape.settled()
    fresh = await tape.world.signed_in(root.person)
    await tape.ask("Root", "GET", "/api/orders", fresh.headers, note="expired")
    fresh = await tape.world.signed_in(ada.person)
    for path in ("/api/orders", "/api/balance", "/api/credits"):
        await tape.ask("Ada", "GET", path, fresh.headers, note="at the end")
    fresh = await tape.world.signed_in(root.person)
    await tape.ask("Root", "GET", "/api/admin/audit", fresh.headers)


async def administration(tape: Tape) -> None:
    """Accounts, adjustments with four eyes, prices, providers, revenue, reconciliation, the audit log."""
    scene = await with_scene(tape)

    async def ask(who: Somebody, method: str, path: str, note: str = "", /, **body: Any) -> Any:
        return await tape.ask(who.session.name, method, f"/api/admin/{path}", who.headers, note=note, **sent(body))

    root, second = scene.root, scene.second
    tape.world.admin.people.people = [(each.session.email, each.person.user_id) for each in (scene.ada, scene.bob)]
    account = f"accounts/{scene.ada.account_id}"
    for path in ("accounts", "accounts?query=ada", "accounts?limit=1", account):
        await ask(root, "GET", path)
    await ask(root, "POST", f"{account}/test-credit", "which it has", reason="asked by phone")
    await tape.world.ledger.create_account("acct_" + "0" * 24, "Operator", AccountLimits())
    await ask(root, "POST", f"accounts/acct_{'0' * 24}/test-credit", "without a person", reason="asked by phone")
    await ask(root, "POST", f"{account}/suspend", reason="fraud")
    await ask(root, "POST", f"{account}/suspend", "again", reason="fraud")
    tape.replies(whole_chat())
    body = {"model": "m-1", "messages": MESSAGES}
    await tape.ask("suspended", "POST", "/v1/chat/completions", bearer(scene.key), json=body)
    await ask(root, "POST", f"{account}/resume", reason="a mistake")
    await ask(root, "POST", f"{account}/resume", "again", reason="a mistake")
    _freeze(tape, scene.bob.account_id)
    for step in ("suspend", "resume"):
        await ask(root, "POST", f"accounts/{scene.bob.account_id}/{step}", "frozen", reason="looked into")
    await _adjustments(tape, scene, account)
    prices = {"input": "1.10", "cached_input": "0.25", "output": "2.00"}
    change = {"prices": prices, "base_version": 7, "reason": "dearer"}
    for path in ("models", "models/m-1", "models/e-1"):
        await ask(root, "GET", path)
    await ask(root, "POST", "models/m-1/prices", "a dry run", **change, dry_run=True)
    await ask(root, "POST", "models/m-1/prices?dry_run=true", "a dry run by query", **change)
    await ask(root, "POST", "models/m-1/prices", "tenfold", **{**change, "prices": {**prices, "output": "200.00"}})
    await ask(root, "POST", "models/m-1/prices", "another version", **{**change, "base_version": 6})
    await ask(root, "POST", "models/m-1/prices", **change)
    await ask(
        root, "POST", "models/m-1/prices", "an unknown kind", **{**change, "prices": {"x": "1"}, "base_version": 8}
    )
    await ask(root, "GET", "models/m-1", "its versions")
    for path in (
        "models/m-1/disable",
        "models/m-1/disable",
        "models/m-1/enable",
        "providers/one/disable",
        "providers/one/enable",
    ):
        await ask(root, "POST", path, reason="because")
    await ask(root, "POST", "providers/two/disable", "no reason")
    await ask(root, "POST", "providers/one/disable", "the last one")
    await minutes(2)
    await tape.ask("key", "POST", "/v1/chat/completions", bearer(scene.key), json=body, note="every provider is off")
    await tape.ask("key", "GET", "/v1/models", bearer(scene.key), note="every provider is off")
    for path in (
        "providers",
        "revenue",
        "revenue?group=day",
        "revenue?group=model",
        "revenue?group=account",
        "revenue?group=x",
        "reconciliation",
    ):
        await ask(root, "GET", path)
    await ask(second, "POST", "reconciliation", accounts_max=10)
    await ask(second, "GET", "reconciliation")
    for path in (
        "audit",
        "audit?limit=3",
        "audit?actor=root@example.com",
        "audit?action=model.price",
        "audit?cursor=x",
    ):
        await ask(root, "GET", path)


def _freeze(tape: Tape, account_id: str) -> None:
    """As the ledger does with an account whose books are wrong."""
    update = {
        "TableName": "balances",
        "Key": {"account_id": {"S": account_id}},
        "UpdateExpression": "SET #status = :frozen",
        "ExpressionAttributeNames": {"#status": "st"},
        "ExpressionAttributeValues": {":frozen": {"S": "frozen"}},
    }
    tape.world.memory.execute("UpdateItem", update)


async def _adjustments(tape: Tape, scene: Scene, account: str) -> None:
    async def ask(who: Somebody, method: str, path: str, note: str = "", /, **body: Any) -> Any:
        return await tape.ask(who.session.name, method, f"/api/admin/{path}", who.headers, note=note, **sent(body))

    root, second = scene.root, scene.second
    small = {"amount": "5.00", "reason": "goodwill", "client_token": "a-small-adjustment"}
    await ask(root, "POST", f"{account}/adjust", **small)
    await ask(root, "POST", f"{account}/adjust", "again", **small)
    await ask(root, "POST", f"{account}/adjust", "another of that name", **{**small, "amount": "6.00"})
    await ask(
        root,
        "POST",
        f"{account}/adjust",
        "more than there is",
        **{**small, "amount": "-90.00", "client_token": "too-much-taken"},
    )
    await ask(
        root, "POST", f"{account}/adjust", "taken", **{**small, "amount": "-1.00", "client_token": "taken-back-again"}
    )
    mine = f"accounts/{root.account_id}/adjust"
    await ask(root, "POST", mine, "their own", **small)
    waiting = f"adjustments/{scene.ids['adjustment_id']}"
    await ask(root, "GET", "adjustments")
    await ask(root, "GET", "adjustments?status=applied")
    await ask(root, "GET", waiting)
    await ask(root, "POST", f"{waiting}/approve", "their own")
    await ask(second, "POST", f"{waiting}/approve")
    await ask(second, "POST", f"{waiting}/reject", "too late", reason="late")
    large = await ask(
        root, "POST", f"{account}/adjust", "a large one", **{**small, "amount": "500.00", "client_token": "a-large-one"}
    )
    identity = large.get("adjustment", {}).get("id")
    await ask(second, "POST", f"adjustments/{identity}/reject", reason="too much")
    await ask(root, "GET", "adjustments", "at the end")
    await tape.ask("Ada", "GET", "/api/credits", scene.ada.headers)
    await tape.ask("Ada", "GET", "/api/balance", scene.ada.headers)


async def outages(tape: Tape) -> None:
    """The database, the identity provider, the payload bucket and the code itself fail."""
    scene = await with_scene(tape)
    tape.pace_s = 10
    world, chat = tape.world, {"model": "m-1", "messages": MESSAGES}
    world.driver.failure = StoreUnavailable("down")
    tape.replies(whole_chat())
    await tape.ask("key", "POST", "/v1/chat/completions", bearer(scene.key), json=chat, note="no database")
    await tape.ask("key", "POST", "/v1/chat/completions", bearer(scene.bobs_key), json=chat, note="no database")
    for path in ("/api/keys", "/api/balance", "/api/usage", "/api/orders", "/api/account", "/api/usage.csv"):
        await tape.ask("ada", "GET", path, scene.ada.headers, note="no database")
    for path in ("accounts", "models", "orders", "adjustments", "audit"):
        await tape.ask("root", "GET", f"/api/admin/{path}", scene.root.headers, note="no database")
    await tape.ask("ada", "POST", "/api/keys", scene.ada.headers, json={"name": "x"}, note="no database")
    world.driver.failure = None
    world.objects.down = True
    body = {"bytes": 8, "content_type": "image/png"}
    await tape.ask("key", "POST", "/v1/uploads", bearer(scene.key), json=body, note="no bucket")
    part = {"type": "image_url", "image_url": {"url": scene.upload}}
    picture = {"model": "m-1", "messages": [{"role": "user", "content": [part]}]}
    await tape.ask("key", "POST", "/v1/chat/completions", bearer(scene.key), json=picture, note="no bucket")
    receipt = {"content_type": "image/png", "bytes": 8, "filename": "proof.png"}
    path = f"/api/orders/{scene.ids['order_id']}/receipt"
    await tape.ask("ada", "POST", path, scene.ada.headers, json=receipt, note="no bucket")
    world.objects.down = False
    world.workflow.down = True
    order = {**ORDER, "client_token": "without-a-workflow"}
    await tape.ask("ada", "POST", "/api/orders", scene.ada.headers, json=order, note="no workflow")
    world.workflow.down = False
    world.cognito.failure = IdentityUnavailable("down")
    signing = {"email": scene.ada.session.email, "password": PASSWORD}
    await tape.ask("ada", "POST", "/api/auth/sign-in", OURS, json=signing, note="no identity provider")
    await tape.ask("ada", "POST", "/api/auth/forgot", OURS, json={"email": EVE}, note="no identity provider")
    world.cognito.failure = None
    world.driver.failure = RuntimeError("a bug")  # type: ignore[assignment]
    await tape.ask("ada", "GET", "/api/keys", scene.ada.headers, note="a bug")
    await tape.ask("key", "POST", "/v1/chat/completions", bearer(scene.bobs_key), json=chat, note="a bug")


async def uploads(tape: Tape) -> None:
    scene = await with_scene(tape)
    for note, body in {
        "a picture": {"bytes": len(PNG), "content_type": "image/png"},
        "sound": {"bytes": 1000, "content_type": "audio/mpeg"},
        "another type": {"bytes": 8, "content_type": "text/html"},
        "too large": {"bytes": 10**12, "content_type": "image/png"},
    }.items():
        await tape.ask("key", "POST", "/v1/uploads", bearer(scene.key), json=body, note=note)


async def pages(tape: Tape) -> None:
    for path in (
        "/", "/models", "/models/m-1", "/models/nothing", "/docs", "/status", "/sign-in", "/sign-up", "/verify",
        "/forgot", "/reset", "/console", "/console/keys", "/console/nothing", "/admin", "/admin/orders", "/nowhere",
        "/favicon.svg", "/robots.txt", "/openapi.json", "/api/site", "/api/models", "/assets/nothing.js",
    ):  # fmt: skip
        for accept in ("text/html", "application/json"):
            headers = {"accept": accept}
            await tape.ask("a browser" if accept == "text/html" else "a program", "GET", path, headers)
        etag = tape.world.answers[-1].response.headers.get("etag")
        if etag:
            await tape.ask("again", "GET", path, {"accept": "text/html", "if-none-match": etag})
    for path in ("/v1/nothing", "/v1", "/api/nothing", "/api/admin/nothing", "/v1/models/", "/v1/chat/completions/"):
        await tape.ask("a program", "GET", path, {})
    for method in ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        await tape.ask("a program", method, "/v1/nothing", {})
    tape.world.models.failure = StoreUnavailable("down")
    await minutes(10)
    for path in ("/", "/models", "/status", "/api/models"):
        await tape.ask("a browser", "GET", path, {"accept": "text/html"}, note="no catalog")


async def models(tape: Tape) -> None:
    scene = await with_scene(tape)
    for path in ("/v1/models", "/v1/models/m-1", "/v1/models/m-1-latest", "/v1/models/dall-e-3", "/v1/models/nothing"):
        await tape.ask("key", "GET", path, bearer(scene.key))
    await tape.ask("anybody", "GET", "/api/models", {})
