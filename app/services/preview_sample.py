"""The best members of an audience, found from the top down: whoever is worse is never looked at.

What a customer would get is never better than the best pair they have. So pairs are taken in the order of
`domain.arbitration.rank`, their customers are judged as a tick judges them, and the search ends where enough of those
judged are ahead of the next pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyroaring import BitMap

from app.domain.arbitration import rank
from app.errors import NotFound
from app.services.automatic_segments_products import FLOOR, TIMES_BASE_RATE
from app.services.plan_sends_best import LIKELY, PAIRS
from app.services.plan_sends_candidates import assess
from app.services.plan_sends_facts import numbers
from app.services.plan_sends_verdicts import runners
from app.services.published import open_run

if TYPE_CHECKING:
    from datetime import datetime

    from app.domain.arbitration import Candidate
    from app.domain.context import ShopContext
    from app.services.plan_sends_verdicts import Runner
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms
    from app.store.models.campaigns import Campaign

AT_FIRST = 64  # pairs; mostly enough for ten members
TIMES = 8  # as many at the next try

# In the order of `rank`, for one campaign; the pairs are those that `plan_sends_picks` would look at.
BEST = f"""
WITH listed AS ({PAIRS} {{joined}} WHERE {{which}})
SELECT l.customer_no, l.product_no, l.kind,
       CASE WHEN l.kind = 0 THEN l.probability WHEN a.a IS NULL THEN l.lift
            ELSE coalesce(nullif(a.lift_shrunk, 'nan'::DOUBLE), 0.0) END AS first,
       CASE WHEN l.kind = 0 THEN l.overdue ELSE l.probability END AS second
FROM listed l LEFT JOIN associations a ON a.a = l.because AND a.b = l.product_no AND a.lift_shrunk IS NOT NULL
ORDER BY l.kind, first DESC, second DESC, l.product_no, l.customer_no LIMIT {{most}}"""


def sample(
    rooms: Rooms,
    ctx: ShopContext,
    run: PublishedRun,
    campaign: Campaign,
    customer_no: int | None,
    count: int,
) -> list[Candidate]:
    """The best `count` candidates of the audience, whoever is wanted first; consent or cap play no part in looking.

    Raises NotFound for somebody who is no member.
    """
    with rooms.store.reading(ctx) as session:
        now = rooms.store.db_now(session)
        runner = runners(session, ctx, [campaign])[campaign.id]
    found: dict[int, Candidate] = {}
    seen, most = BitMap(), AT_FIRST
    wanted = BitMap() if customer_no is None else BitMap([customer_no])
    while True:
        pairs = _best_pairs(rooms, ctx, run, runner, now, most)
        new = (BitMap([int(pair[-1]) for pair in pairs]) | wanted) - seen
        seen |= new
        verdicts = assess(rooms, ctx, run, [campaign], now, only=new).verdicts[campaign.id]
        found |= {who: one.candidate for who, one in verdicts.items() if one.candidate is not None}
        if customer_no is not None and customer_no not in found:
            raise NotFound("This customer is no member of the audience.")
        order = sorted(_place(one) for one in found.values())
        if len(pairs) < most or (len(order) >= count and order[count - 1] <= pairs[-1]):
            break
        most *= TIMES
    best = sorted(found.values(), key=_place)
    best.sort(key=lambda candidate: candidate.customer_no != customer_no)  # stable: the rest keeps its order
    return best[:count]


def _place(candidate: Candidate) -> tuple[float, ...]:
    """Where a candidate stands among those of one campaign, as `_best_pairs` gives it."""
    group, first, second, _, _, product = rank(candidate)
    return group, first, second, product, candidate.customer_no


def _best_pairs(
    rooms: Rooms, ctx: ShopContext, run: PublishedRun, runner: Runner, tick: datetime, most: int
) -> list[tuple[float, ...]]:
    """The first pairs of the audience, each as kind, less the first and the second figure, product and customer."""
    given: dict[str, Any] = {}
    joined = "LEFT JOIN base_rates b ON b.product_no = p.product_no AND b.kind = p.kind" if runner.any_product else ""
    if runner.product_no is not None:
        which, given = "p.product_no = $product AND p.kind = $kind", {"product": runner.product_no, "kind": runner.kind}
    elif runner.product_type is not None:
        which = "p.kind = $kind AND p.product_no IN (SELECT product_no FROM products WHERE product_type = $type)"
        given = {"type": runner.product_type, "kind": runner.kind}
    else:
        which = f"p.probability >= {LIKELY}"
        given = {"again": FLOOR["buy_again"], "new": FLOOR["buy_new"], "times": TIMES_BASE_RATE}
    with open_run(rooms, ctx, run) as connection:
        if runner.members is not None:
            connection.register("members", pa.table({"customer_no": pa.array(numbers(runner.members))}))
            which += " AND p.customer_no IN (SELECT customer_no FROM members)"
        query = BEST.format(tick=tick.isoformat(), joined=joined, which=which, most=most)
        rows = connection.execute(query, given).fetchnumpy()
    first, second = (-np.asarray(rows[name], dtype=float) for name in ("first", "second"))
    columns = (rows["kind"], first, second, rows["product_no"], rows["customer_no"])
    return list(zip(*(np.asarray(column).tolist() for column in columns), strict=True))
