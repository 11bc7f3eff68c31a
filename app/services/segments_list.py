"""The segments list: stored figures only, filtered, sorted, paged."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.orm import defer

from app.errors import Invalid
from app.services.published import published
from app.services.segments_world import small_number
from app.store.models.segments import Membership, MembershipChange, Segment

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

CATEGORIES = ("cross_sell", "repurchase", "custom", "retain", "behavioral", "demographics")
SET_ASIDE = frozenset({"empty", "off", "merged"})  # nothing to look at, or seen under another name
CHANGE_OVER = timedelta(days=30)
POINTS = 30
Row = dict[str, Any]


def page(
    rooms: Rooms,
    ctx: ShopContext,
    *,
    category: list[str],
    exclude: list[str],
    search: str,
    source: list[str],
    include_empty: bool,
    sort: str,
    order: str,
    cursor: str | None,
    limit: int,
) -> dict[str, Any]:
    """A page of the list: shape of the API's `SegmentList`. Raises Invalid for a broken cursor."""
    start = _start(cursor)
    with rooms.store.reading(ctx) as session:
        rows = [_row(segment, membership) for segment, membership in _listed(session, ctx)]
        before = _sizes_before(rooms, ctx, session)
        for row in rows:
            old = before.get(row["number"])
            row["change_30d"] = None if old is None else row["size"] - old
        matching = [row for row in rows if _matches(row, search, source, include_empty=include_empty)]
        chosen = [
            row for row in matching if (not category or row["category"] in category) and row["category"] not in exclude
        ]
        _sort(chosen, sort, descending=order == "desc")
        items = chosen[start : start + limit]
        sizes = _sparklines(session, ctx, [row["number"] for row in items])
    run = published(rooms, ctx)
    for row in items:
        row["sizes"] = sizes.get(row["number"], [])
    return {
        "items": items,
        "next": str(start + limit) if start + limit < len(chosen) else None,
        "total": len(chosen),
        "categories": [
            {"category": name, "count": sum(row["category"] == name for row in matching)} for name in CATEGORIES
        ],
        "currency": ctx.currency,
        "timezone": ctx.timezone,
        "evaluated_at": max((row["evaluated_at"] for row in rows if row["evaluated_at"]), default=None),
        "state": "ready" if run else "before_analysis",
    }


def _start(cursor: str | None) -> int:
    if cursor is None:
        return 0
    start = small_number(cursor)
    if start is None:
        raise Invalid("The cursor is not one of this list.", field="cursor")
    return start


def _listed(session: Session, ctx: ShopContext) -> list[tuple[Segment, Membership | None]]:
    query = (
        select(Segment, Membership)
        .outerjoin(Membership, (Membership.shop_id == Segment.shop_id) & (Membership.id == Segment.membership_id))
        .where(Segment.shop_id == ctx.shop_id, Segment.deleted_at.is_(None), Segment.state != "retired")
        .options(defer(Membership.members), defer(Membership.leaves))
    )
    return [(segment, membership) for segment, membership in session.execute(query)]


def _row(segment: Segment, membership: Membership | None) -> Row:
    figures = membership.statistics if membership else {}
    return {
        "number": segment.id,
        "id": f"seg_{segment.id}",
        "key": segment.key,
        "name": segment.name,
        "category": segment.category,
        "source": segment.source,
        "state": segment.state,
        "reason": segment.reason,
        "definition": segment.definition,
        "size": membership.size if membership else 0,
        "reachable": figures.get("reachable", 0),
        "net_sales_minor": figures.get("net_sales_minor", 0),
        "net_share": figures.get("net_share", 0.0),
        "expected": figures.get("expected"),
        "product": figures.get("product"),
        "evaluated_at": membership.evaluated_at if membership else None,
    }


def _matches(row: Row, search: str, source: list[str], *, include_empty: bool) -> bool:
    if source and row["source"] not in source:
        return False
    if not include_empty and row["state"] in SET_ASIDE:
        return False
    words = search.casefold().split()
    text = f"{row['name']} {row['definition']}".casefold()
    return all(word in text for word in words)


def _sort(rows: list[Row], by: str, *, descending: bool) -> None:
    """Sort in place; rows without the value come last whichever way, and the number breaks ties."""

    def value(row: Row) -> Any:
        if by == "expected_buyers":
            return row["expected"]["buyers"] if row["expected"] else None
        if by == "change":
            return row["change_30d"]
        return row[by].casefold() if by == "name" else row[by]

    rows.sort(key=lambda row: row["number"])
    known = [row for row in rows if value(row) is not None]
    unknown = [row for row in rows if value(row) is None]
    known.sort(key=value, reverse=descending)
    rows[:] = known + unknown


def _sizes_before(rooms: Rooms, ctx: ShopContext, session: Session) -> dict[int, int]:
    newest = (
        select(func.max(MembershipChange.id))
        .where(MembershipChange.shop_id == ctx.shop_id, MembershipChange.at <= rooms.clock.now() - CHANGE_OVER)
        .group_by(MembershipChange.segment_id)
    )
    query = select(MembershipChange.segment_id, MembershipChange.size).where(
        MembershipChange.shop_id == ctx.shop_id, MembershipChange.id.in_(newest)
    )
    return {int(segment): int(size) for segment, size in session.execute(query)}


def _sparklines(session: Session, ctx: ShopContext, segments: list[int]) -> dict[int, list[int]]:
    ranked = (
        select(
            MembershipChange.segment_id,
            MembershipChange.id,
            MembershipChange.size,
            func.row_number()
            .over(partition_by=MembershipChange.segment_id, order_by=MembershipChange.id.desc())
            .label("rank"),
        )
        .where(MembershipChange.shop_id == ctx.shop_id, MembershipChange.segment_id.in_(segments))
        .subquery()
    )
    found: dict[int, list[int]] = {}
    query = select(ranked.c.segment_id, ranked.c.size).where(ranked.c.rank <= POINTS).order_by(ranked.c.id)
    for segment, size in session.execute(query):
        found.setdefault(segment, []).append(size)
    return found
