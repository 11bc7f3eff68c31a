"""How two or three segments overlap: the size of every region, by bitmap algebra."""

from __future__ import annotations

from functools import reduce
from itertools import combinations
from operator import and_, or_
from typing import TYPE_CHECKING, Any

from pyroaring import BitMap

from app.errors import Invalid
from app.services.segments import found
from app.services.segments_world import known_reach, members_of

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

FEWEST, MOST = 2, 3


def overlap(rooms: Rooms, ctx: ShopContext, segment_ids: list[int]) -> dict[str, Any]:
    """Every region of two or three segments: shape of the API's `Overlap`.

    A region is who is in these segments and in none of the others, so that the regions' sizes add up to `together`.
    Raises Invalid for another number of segments or one named twice, NotFound.
    """
    if not FEWEST <= len(segment_ids) <= MOST or len(set(segment_ids)) < len(segment_ids):
        raise Invalid("Choose two or three different segments to compare.", field="ids")
    with rooms.store.reading(ctx) as session:
        chosen = [found(session, ctx, number) for number in segment_ids]
        stored = [members_of(session, ctx, segment) for segment in chosen]
    everybody = known_reach(rooms, ctx)
    members = [who & everybody.universe for who in stored]
    together = reduce(or_, members)
    regions = []
    for count in range(len(members), 0, -1):
        for inside in combinations(range(len(members)), count):
            who = reduce(and_, (members[k] for k in inside))
            who = who - reduce(or_, (members[k] for k in range(len(members)) if k not in inside), BitMap())
            regions.append(
                {
                    "segments": [f"seg_{segment_ids[k]}" for k in inside],
                    "size": len(who),
                    "reachable": len(who & everybody.reachable),
                }
            )
    return {
        "segments": [
            {
                "id": f"seg_{segment.id}",
                "name": segment.name,
                "size": len(who),
                "reachable": len(who & everybody.reachable),
                "evaluated_at": segment.evaluated_at,
            }
            for segment, who in zip(chosen, members, strict=True)
        ],
        "regions": regions,
        "together": len(together),
        "together_reachable": len(together & everybody.reachable),
        "timezone": ctx.timezone,
    }
