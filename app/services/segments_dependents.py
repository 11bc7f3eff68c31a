"""What uses a segment: campaigns, syncs, scheduled downloads and other segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlalchemy import select

from app.services.segments_memberships import segment_references
from app.store.models.campaigns import Campaign
from app.store.models.connections import Sync
from app.store.models.exports import ExportSchedule
from app.store.models.segments import Segment

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext


@dataclass(frozen=True)
class Dependent:
    """Something that uses a segment."""

    kind: Literal["segment", "campaign", "sync", "download"]
    id: str
    name: str


def dependents(session: Session, ctx: ShopContext, segment: Segment) -> list[Dependent]:
    """All that uses a segment, by kind and name."""
    campaigns = session.execute(
        select(Campaign.id, Campaign.name).where(
            Campaign.shop_id == ctx.shop_id, Campaign.segment_id == segment.id, Campaign.deleted_at.is_(None)
        )
    )
    syncs = session.execute(
        select(Sync.id, Sync.target_name).where(Sync.shop_id == ctx.shop_id, Sync.segment_id == segment.id)
    )
    downloads = session.execute(
        select(ExportSchedule.id, ExportSchedule.format, ExportSchedule.every).where(
            ExportSchedule.shop_id == ctx.shop_id,
            ExportSchedule.segment_id == segment.id,
            ExportSchedule.state != "stopped",
        )
    )
    mine = {f"seg_{segment.id}"} | ({segment.key} if segment.key else set())
    users = [
        Dependent("segment", f"seg_{other.id}", other.name)
        for other, names in segment_references(session, ctx)
        if names & mine and other.id != segment.id
    ]
    found = [
        *(Dependent("campaign", f"cmp_{number}", name or "Draft without a name") for number, name in campaigns),
        *(Dependent("sync", str(number), name) for number, name in syncs),
        *(
            Dependent("download", f"sch_{number}", f"{file_format.capitalize()} file, every {every}")
            for number, file_format, every in downloads
        ),
        *users,
    ]
    return sorted(found, key=lambda user: (user.kind, user.name))


def users_of(session: Session, ctx: ShopContext, segment_id: int) -> set[int]:
    """The merchant's rule segments that use a segment, directly or through others."""
    keys = dict(session.execute(select(Segment.id, Segment.key).where(Segment.shop_id == ctx.shop_id)).all())
    users: dict[str, set[int]] = {}
    for user, names in segment_references(session, ctx):
        for name in names:
            users.setdefault(name, set()).add(user.id)
    found: set[int] = set()
    waiting = [segment_id]
    while waiting:
        number = waiting.pop()
        direct = users.get(f"seg_{number}", set()) | users.get(keys.get(number) or "", set())
        waiting.extend(direct - found)
        found |= direct
    return found - {segment_id}


def chain_above(session: Session, ctx: ShopContext, segment_id: int) -> int:
    """How many references the longest chain has that ends at a segment: 2 if one uses another that uses it."""
    users: dict[str, list[int]] = {}
    for user, names in segment_references(session, ctx):
        for name in names:
            users.setdefault(name, []).append(user.id)

    def longest(number: int, seen: frozenset[int]) -> int:
        above = [user for user in users.get(f"seg_{number}", []) if user not in seen]
        return max((1 + longest(user, seen | {user}) for user in above), default=0)

    return longest(segment_id, frozenset({segment_id}))
