"""People of the local user pool: who is there from the start, and the pool itself as template.yaml declares it."""

import contextlib
from collections.abc import Mapping
from typing import Any

from local.template import Template
from local.template_values import TemplateError, reference

ADMIN_GROUP = "admin"


def ensure_people(template: Template, cognito: Any, prefix: str) -> dict[str, str]:
    """Logical id → id, of the template's one user pool and its one client. May be repeated at any time."""
    (pool_name, pool), (client_name, properties) = (
        _only(template, kind) for kind in ("AWS::Cognito::UserPool", "AWS::Cognito::UserPoolClient")
    )
    if reference(properties.get("UserPoolId"), client_name) != pool_name:
        raise TemplateError(f"{client_name}: not a client of {pool_name}")
    pool_id, client_id = ensure_pool(cognito, prefix, dict(pool), dict(properties))
    return {pool_name: pool_id, client_name: client_id}


def ensure_user(cognito: Any, pool_id: str, email: str, password: str, *, name: str = "", admin: bool = False) -> str:
    """Confirmed, with exactly this password; made if missing. Returns the user id. May be repeated."""
    # Where there is one of an earlier run, what matters of it is set below.
    with contextlib.suppress(cognito.exceptions.UsernameExistsException):
        cognito.admin_create_user(
            UserPoolId=pool_id,
            Username=email,
            MessageAction="SUPPRESS",
            UserAttributes=_attributes({"email": email, "email_verified": "true", "name": name or email}),
        )
    cognito.admin_set_user_password(UserPoolId=pool_id, Username=email, Password=password, Permanent=True)
    if admin:
        cognito.admin_add_user_to_group(UserPoolId=pool_id, Username=email, GroupName=ADMIN_GROUP)
    found = cognito.admin_get_user(UserPoolId=pool_id, Username=email)
    return next(str(each["Value"]) for each in found["UserAttributes"] if each["Name"] == "sub")


def ensure_pool(cognito: Any, name: str, pool: dict[str, Any], client: dict[str, Any]) -> tuple[str, str]:
    """(pool id, client id) of the pool of this name; `pool` and `client` are the template's properties of both."""
    pool_id = _pool_named(cognito, name) or _new_pool(cognito, name, pool)
    client_id = _client_named(cognito, pool_id, name, has_secret=bool(client.get("GenerateSecret")))
    if client_id is None:
        properties = {key: value for key, value in client.items() if key not in ("UserPoolId", "ClientName")}
        made = cognito.create_user_pool_client(UserPoolId=pool_id, ClientName=name, **properties)
        client_id = str(made["UserPoolClient"]["ClientId"])
    return pool_id, client_id


def _only(template: Template, kind: str) -> tuple[str, Mapping[str, Any]]:
    found = list(template.of_type(kind))
    if len(found) != 1:
        raise TemplateError(f"{len(found)} resources of type {kind}, where one is expected")
    return found[0]


def _pool_named(cognito: Any, name: str) -> str | None:
    pools = cognito.list_user_pools(MaxResults=60)["UserPools"]
    return next((str(pool["Id"]) for pool in pools if pool["Name"] == name), None)


def _client_named(cognito: Any, pool_id: str, name: str, *, has_secret: bool) -> str | None:
    """One of an earlier template that differs in this is of no use any more: CloudFormation replaces it too."""
    clients = cognito.list_user_pool_clients(UserPoolId=pool_id, MaxResults=60)["UserPoolClients"]
    for client_id in [str(each["ClientId"]) for each in clients if each["ClientName"] == name]:
        found = cognito.describe_user_pool_client(UserPoolId=pool_id, ClientId=client_id)["UserPoolClient"]
        if bool(found.get("ClientSecret")) == has_secret:
            return client_id
        cognito.delete_user_pool_client(UserPoolId=pool_id, ClientId=client_id)
    return None


def _new_pool(cognito: Any, name: str, pool: dict[str, Any]) -> str:
    """With its admin group. What CloudFormation names otherwise than the API is given as the API wants it."""
    mfa = pool.get("MfaConfiguration", "OFF")
    # Whose mails these are does not matter here: all of them end on the mail page.
    own = ("UserPoolName", "EnabledMfas", "MfaConfiguration", "DeletionProtection", "EmailConfiguration")
    properties = {key: value for key, value in pool.items() if key not in own}
    pool_id = str(cognito.create_user_pool(PoolName=name, **properties)["UserPool"]["Id"])
    if mfa != "OFF":
        cognito.set_user_pool_mfa_config(
            UserPoolId=pool_id, SoftwareTokenMfaConfiguration={"Enabled": True}, MfaConfiguration=mfa
        )
    cognito.create_group(UserPoolId=pool_id, GroupName=ADMIN_GROUP)
    return pool_id


def _attributes(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in values.items()]
