"""/api/admin/audit: the audit log."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from multiconnection.identity.browser import LIMIT, AdminDep, CursorQuery, LimitQuery, list_object
from multiconnection.web.context import service

from .log import AuditEntry, AuditFilter, AuditTrail

AuditDep = Annotated[AuditTrail, service("audit")]

router = APIRouter()
TextQuery = Annotated[str | None, Query(min_length=1, max_length=254)]


@router.get("/api/admin/audit")
async def list_audit(
    audit: AuditDep,
    admin: AdminDep,
    limit: LimitQuery = LIMIT,
    cursor: CursorQuery = None,
    actor: TextQuery = None,
    action: TextQuery = None,
) -> dict[str, Any]:
    """Newest first. `action` is an action or its beginning. An empty page may have a next one."""
    page = await audit.page(cursor, AuditFilter(actor, action), limit)
    return list_object([entry_object(entry) for entry in page.entries], page.after)


def entry_object(entry: AuditEntry) -> dict[str, Any]:
    return {
        "object": "audit_entry",
        "id": entry.entry_id,
        "at": entry.at_s,
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "before": dict(entry.before),
        "after": dict(entry.after),
        "reason": entry.reason or None,
        "request_id": entry.request_id or None,
    }
