"""What is recorded of a segment's membership over time, as rules about it read it.

History begins with a segment's first evaluation: it found its members there, and nothing is known from before. Each
evaluation describes the data of a run, and so counts from the instant that the run computed as of at the latest.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pyroaring import BitMap
from sqlalchemy import select

from app.domain.rules.match import Change
from app.errors import NotFound
from app.store.models.segments import MembershipChange

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.store.models.segments import Segment

JUST_BEFORE = timedelta(microseconds=1)


def stored_history(
    rooms: Rooms, ctx: ShopContext, as_of: datetime, find: Callable[[Session, ShopContext, str], Segment | None]
) -> Callable[[str], Sequence[Change]]:
    """The evaluations of the segment that a reference names, oldest first. The callable raises NotFound."""

    def history(reference: str) -> Sequence[Change]:
        with rooms.store.reading(ctx) as session:
            segment = find(session, ctx, reference)
            if segment is None:
                raise NotFound(f"There is no segment {reference}.", field="rule")
            query = (
                select(MembershipChange.at, MembershipChange.entered, MembershipChange.left)
                .where(MembershipChange.shop_id == ctx.shop_id, MembershipChange.segment_id == segment.id)
                .order_by(MembershipChange.id)
            )
            return [
                # An evaluation is stored minutes after the instant that its data are of.
                Change(min(at, as_of - JUST_BEFORE), BitMap.deserialize(entered), BitMap.deserialize(left))
                for at, entered, left in session.execute(query)
            ]

    return history
