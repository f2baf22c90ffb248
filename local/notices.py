"""Notices of the local stack: the template's topics, and a sender address of the local mail service."""

from typing import Any

from local.template import Template

_TOPIC = "AWS::SNS::Topic"


def ensure_topics(template: Template, sns: Any, prefix: str) -> dict[str, str]:
    """Logical id → ARN. Without subscriptions: local topics deliver no mail."""
    names = {logical_id: f"{prefix}-{logical_id.removesuffix('Topic')}" for logical_id, _ in template.of_type(_TOPIC)}
    return {logical_id: str(sns.create_topic(Name=name)["TopicArn"]) for logical_id, name in names.items()}


def ensure_sender(ses: Any, address: str) -> None:
    """Lets the address send. `ses` is a client of the service's second API."""
    known = {identity["IdentityName"] for identity in ses.list_email_identities()["EmailIdentities"]}
    if address not in known:
        ses.create_email_identity(EmailIdentity=address)
