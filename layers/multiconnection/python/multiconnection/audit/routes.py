"""/api/admin/audit: the audit log."""

from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query

from multiconnection.identity.browser import LIMIT, AdminDep, CursorQuery, LimitQuery
from multiconnection.web.context import service
from multiconnection.web.openapi import AnswerModel, Page, Time

from .log import AuditEntry, AuditFilter, AuditTrail

AuditDep = Annotated[AuditTrail, service("audit")]
ActorQuery = Annotated[str | None, Query(min_length=1, max_length=254, description="An e-mail address")]
ActionQuery = Annotated[
    str | None, Query(min_length=1, max_length=254, description='An action or its beginning, such as "order"')
]

router = APIRouter(prefix="/api/admin/audit", tags=["Admin"])


class AuditEntryAnswer(AnswerModel):
    """One action; `before` and `after` are what it changed."""

    object: Literal["audit_entry"] = "audit_entry"
    id: str
    at: Time
    actor: str
    action: str
    subject: str
    before: dict[str, Any]
    after: dict[str, Any]
    reason: str | None
    request_id: str | None

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        return cls(
            id=entry.entry_id,
            at=entry.at_s,
            actor=entry.actor,
            action=entry.action,
            subject=entry.subject,
            before=dict(entry.before),
            after=dict(entry.after),
            reason=entry.reason or None,
            request_id=entry.request_id or None,
        )


@router.get("", summary="Actions of administrators and operators")
async def list_audit(
    audit: AuditDep,
    admin: AdminDep,
    limit: LimitQuery = LIMIT,
    cursor: CursorQuery = None,
    actor: ActorQuery = None,
    action: ActionQuery = None,
) -> Page[AuditEntryAnswer]:
    """Newest first. An empty page may have a next one."""
    page = await audit.page(cursor, AuditFilter(actor, action), limit)
    return Page(data=[AuditEntryAnswer.of(entry) for entry in page.entries], next_cursor=page.after)
