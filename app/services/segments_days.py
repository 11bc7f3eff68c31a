"""What a segment's days were: its size at each day's end, and who came and went over the day as a whole.

Evaluations may run every few minutes; lists and charts ask for days. A customer who leaves and comes back on one
day did neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pyroaring import BitMap
from sqlalchemy import func, select, update

from app.store.models.segments import Segment, SegmentDay

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext

NOBODY = BitMap()


class Evaluation(NamedTuple):
    """Whom one evaluation of a segment found.

    before: the members until now; at a segment's first evaluation the same as `members`, because nobody entered.
    """

    segment_id: int
    members: BitMap
    before: BitMap


def record(session: Session, ctx: ShopContext, day: date, evaluations: Sequence[Evaluation]) -> None:
    """Add evaluations to their day, each of another segment."""
    numbers = {one.segment_id for one in evaluations}
    mine = SegmentDay.shop_id == ctx.shop_id
    known = select(SegmentDay).where(mine, SegmentDay.segment_id.in_(numbers), SegmentDay.day == day)
    rows = {row.segment_id: row for row in session.scalars(known)}
    if fresh := numbers - rows.keys():
        earlier = (mine, SegmentDay.segment_id.in_(fresh), SegmentDay.entered.is_not(None))
        session.execute(update(SegmentDay).where(*earlier).values(entered=None, left=None))
    for one in evaluations:
        came, went = one.members - one.before, one.before - one.members
        row = rows.get(one.segment_id)
        if row is None:
            row = SegmentDay(shop_id=ctx.shop_id, segment_id=one.segment_id, day=day)
            session.add(row)
            entered, left = came, went
        else:
            so_far, gone = _read(row.entered), _read(row.left)
            entered, left = (so_far - went) | (came - gone), (gone - came) | (went - so_far)
        row.size, row.entered_count, row.left_count = len(one.members), len(entered), len(left)
        row.entered, row.left = entered.serialize(), left.serialize()


def _read(blob: bytes | None) -> BitMap:
    return NOBODY if blob is None else BitMap.deserialize(blob)


def since(session: Session, ctx: ShopContext, segment_id: int, first: date) -> list[SegmentDay]:
    """The recorded days from `first` on, oldest first, and the last one before, which `first` starts from."""
    mine = (SegmentDay.shop_id == ctx.shop_id) & (SegmentDay.segment_id == segment_id)
    earlier = select(func.max(SegmentDay.day)).where(mine, SegmentDay.day < first).scalar_subquery()
    query = select(SegmentDay).where(mine, SegmentDay.day >= func.coalesce(earlier, first)).order_by(SegmentDay.day)
    return list(session.scalars(query))


def sizes_on(session: Session, ctx: ShopContext, day: date, segments: Collection[int] | None = None) -> dict[int, int]:
    """The sizes at the end of a day, of those segments that existed by then; of all, or of some."""
    query = select(
        Segment.id,
        select(SegmentDay.size)
        .where(SegmentDay.shop_id == Segment.shop_id, SegmentDay.segment_id == Segment.id, SegmentDay.day <= day)
        .order_by(SegmentDay.day.desc())
        .limit(1)
        .scalar_subquery(),
    ).where(Segment.shop_id == ctx.shop_id)
    if segments is not None:
        query = query.where(Segment.id.in_(segments))
    return {number: size for number, size in session.execute(query) if size is not None}


def last_sizes(session: Session, ctx: ShopContext, segments: Collection[int], most: int) -> dict[int, list[int]]:
    """Each segment's size at the end of its last days, oldest first."""
    ranked = (
        select(
            SegmentDay.segment_id,
            SegmentDay.day,
            SegmentDay.size,
            func.row_number().over(partition_by=SegmentDay.segment_id, order_by=SegmentDay.day.desc()).label("rank"),
        )
        .where(SegmentDay.shop_id == ctx.shop_id, SegmentDay.segment_id.in_(segments))
        .subquery()
    )
    found: dict[int, list[int]] = {}
    query = select(ranked.c.segment_id, ranked.c.size).where(ranked.c.rank <= most).order_by(ranked.c.day)
    for segment, size in session.execute(query):
        found.setdefault(segment, []).append(size)
    return found
