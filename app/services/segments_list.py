"""The segments list: stored figures only, filtered, sorted, paged. As many queries for a thousand as for ten."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import defer

from app.errors import Invalid
from app.services import segments_days
from app.services.published import published
from app.services.segments_world import small_number
from app.store.models.segments import Membership, Segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

CATEGORIES = ("cross_sell", "repurchase", "custom", "retain", "behavioral", "demographics")
SET_ASIDE = frozenset({"empty", "off", "merged"})  # nothing to look at, or seen under another name
CHANGE_OVER = timedelta(days=30)
POINTS = 30
Row = Any
"""A row of `LISTED`."""


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
    then = (rooms.clock.now() - CHANGE_OVER).astimezone(ctx.zone).date()
    with rooms.store.reading(ctx) as session:
        found = _listed(session, ctx)
        matching = [row for row in found if _matches(row, search, source, include_empty=include_empty)]
        chosen = [row for row in matching if (not category or row.category in category) and row.category not in exclude]
        by_change = segments_days.sizes_on(session, ctx, then) if sort == "change" else {}
        ordered = _sorted(chosen, sort, by_change, descending=order == "desc")
        numbers = [row.id for row in ordered[start : start + limit]]
        before = by_change if sort == "change" else segments_days.sizes_on(session, ctx, then, numbers)
        sizes = segments_days.last_sizes(session, ctx, numbers, POINTS)
        items = [_row(segment, membership, before, sizes) for segment, membership in _shown(session, ctx, numbers)]
    run = published(rooms, ctx)
    counts = Counter(row.category for row in matching)
    return {
        "items": items,
        "next": str(start + limit) if start + limit < len(chosen) else None,
        "total": len(chosen),
        "categories": [{"category": name, "count": counts[name]} for name in CATEGORIES],
        "currency": ctx.currency,
        "timezone": ctx.timezone,
        "evaluated_at": max((row.evaluated_at for row in found if row.evaluated_at), default=None),
        "state": "ready" if run else "before_analysis",
    }


def _start(cursor: str | None) -> int:
    if cursor is None:
        return 0
    start = small_number(cursor)
    if start is None:
        raise Invalid("The cursor is not one of this list.", field="cursor")
    return start


LISTED = (
    Segment.id,
    Segment.name,
    Segment.definition,
    Segment.category,
    Segment.source,
    Segment.state,
    Segment.size,
    Segment.reachable,
    Segment.net_share,
    Segment.expected_buyers,
    Segment.evaluated_at,
)
"""What filters and sorts: plain columns, so that a thousand segments are read without their figures and members."""


def _listed(session: Session, ctx: ShopContext) -> Sequence[Row]:
    query = (
        select(*LISTED)
        .where(Segment.shop_id == ctx.shop_id, Segment.deleted_at.is_(None), Segment.state != "retired")
        .order_by(Segment.id)
    )
    return session.execute(query).all()


def _shown(session: Session, ctx: ShopContext, numbers: list[int]) -> list[tuple[Segment, Membership | None]]:
    """The rows of the page, in the order of `numbers`, with the figures that were stored with each."""
    query = (
        select(Segment, Membership)
        .outerjoin(Membership, (Membership.shop_id == Segment.shop_id) & (Membership.id == Segment.membership_id))
        .where(Segment.shop_id == ctx.shop_id, Segment.id.in_(numbers))
        .options(defer(Membership.members), defer(Membership.leaves), defer(Segment.rule_text))
    )
    found = {segment.id: (segment, membership) for segment, membership in session.execute(query)}
    return [found[number] for number in numbers]


def _row(
    segment: Segment, membership: Membership | None, before: dict[int, int], sizes: dict[int, list[int]]
) -> dict[str, Any]:
    figures = membership.statistics if membership else {}
    size, old = membership.size if membership else 0, before.get(segment.id)
    return {
        "id": f"seg_{segment.id}",
        "key": segment.key,
        "name": segment.name,
        "category": segment.category,
        "source": segment.source,
        "state": segment.state,
        "reason": segment.reason,
        "definition": segment.definition,
        "size": size,
        "reachable": figures.get("reachable", 0),
        "change_30d": None if old is None else size - old,
        "net_sales_minor": figures.get("net_sales_minor", 0),
        "net_share": figures.get("net_share", 0.0),
        "expected": figures.get("expected"),
        "product": figures.get("product"),
        "evaluated_at": membership.evaluated_at if membership else None,
        "sizes": sizes.get(segment.id, []),
    }


def _matches(row: Row, search: str, source: list[str], *, include_empty: bool) -> bool:
    if source and row.source not in source:
        return False
    if not include_empty and row.state in SET_ASIDE:
        return False
    # Not the database's LIKE: SQLite's knows no case beyond ASCII.
    words = search.casefold().split()
    return not words or all(word in f"{row.name} {row.definition}".casefold() for word in words)


def _sorted(rows: list[Row], by: str, before: dict[int, int], *, descending: bool) -> list[Row]:
    """Rows without the value come last whichever way, and the number breaks ties."""

    def value(row: Row) -> Any:
        if by == "change":
            return row.size - before[row.id] if row.id in before else None
        return row.name.casefold() if by == "name" else getattr(row, by)

    known = [row for row in rows if value(row) is not None]
    unknown = [row for row in rows if value(row) is None]
    known.sort(key=value, reverse=descending)
    return known + unknown
