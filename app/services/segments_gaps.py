"""How many days lie between the members' purchases: of a segment's product or product type, else between orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from app.errors import Unavailable
from app.services.automatic_segments_products import type_of
from app.services.kept import Kept
from app.services.published import open_run, published
from app.services.segments import found
from app.services.segments_statistics import numbers
from app.services.segments_world import members_of

if TYPE_CHECKING:
    from pyroaring import BitMap

    from app.domain.context import ShopContext
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms
    from app.store.models.segments import Segment

MOST_BINS = 12
WIDTHS = (1, 2, 3, 5, 7, 14, 30, 60, 90, 180, 365)
SHOWN = 0.95  # of the gaps have a bin of their own; the longest share the last
GAPS = """
SELECT gap, count(*) AS n FROM (
    SELECT day - lag(day) OVER (PARTITION BY customer_no ORDER BY day) AS gap FROM (
        SELECT DISTINCT customer_no, CAST(timezone($zone, {at}) AS DATE) AS day
        FROM {source} SEMI JOIN members USING (customer_no) WHERE counts AND {at} < $as_of AND {about}))
WHERE gap IS NOT NULL GROUP BY gap ORDER BY gap"""

_answers: Kept[dict[str, Any]] = Kept(256)


def gaps(rooms: Rooms, ctx: ShopContext, segment_id: int) -> dict[str, Any]:
    """The histogram of days between purchases on different store days: shape of the API's `Gaps`.

    Raises NotFound, Unavailable.
    """
    run = published(rooms, ctx)
    if run is None:
        raise Unavailable("Encore has not finished its first analysis of your shop; try again in a few minutes.")
    with rooms.store.reading(ctx) as session:
        segment = found(session, ctx, segment_id)
        members = members_of(session, ctx, segment)
    key = (str(run.dir), ctx.shop_id, segment.membership_id)
    return _answers.get(key, lambda: _histogram(rooms, ctx, run, segment, members))


def _histogram(rooms: Rooms, ctx: ShopContext, run: PublishedRun, segment: Segment, members: BitMap) -> dict[str, Any]:
    kind = type_of(segment.key, segment.rule_text)
    parameters: dict[str, Any] = {"zone": ctx.timezone, "as_of": run.as_of}
    source, at, about, of = "orders", "processed_at", "true", "orders"
    if segment.product_no is not None:
        source, at, about, of = "order_lines", "ordered_at", "product_no = $product", "product"
        parameters["product"] = segment.product_no
    elif kind is not None:
        about = "product_no IN (SELECT product_no FROM products WHERE product_type = $type)"
        source, at, of = "order_lines", "ordered_at", "type"
        parameters["type"] = kind
    with open_run(rooms, ctx, run) as connection:
        connection.register("members", {"customer_no": numbers(members).astype(np.int32)})
        found_gaps = connection.execute(GAPS.format(source=source, at=at, about=about), parameters).fetchnumpy()
    days, times = np.asarray(found_gaps["gap"], dtype=np.int64), np.asarray(found_gaps["n"], dtype=np.int64)
    return {
        "of": of,
        "product_type": kind,
        "bins": _bins(days, times),
        "gaps": int(times.sum()),
        "median_days": _quantile(days, times, 0.5),
        "as_of": run.as_of,
        "timezone": ctx.timezone,
    }


def _quantile(days: np.ndarray[Any, Any], times: np.ndarray[Any, Any], share: float) -> int | None:
    """The shortest gap that at least this share of all gaps does not exceed."""
    if not len(days):
        return None
    return int(days[np.searchsorted(np.cumsum(times), share * times.sum())])


def _bins(days: np.ndarray[Any, Any], times: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
    """Bins [low, high) of one width; the last is open, and there only if some gaps lie beyond."""
    reach = _quantile(days, times, SHOWN)
    if reach is None:
        return []
    width = next((width for width in WIDTHS if width * MOST_BINS > reach), WIDTHS[-1])
    closed = min(MOST_BINS, reach // width + 1)
    made = []
    for k in range(closed):
        inside = (days >= k * width) & (days < (k + 1) * width)
        made.append({"low": k * width, "high": (k + 1) * width, "count": int(times[inside].sum())})
    beyond = int(times[days >= closed * width].sum())
    return [*made, {"low": closed * width, "high": None, "count": beyond}] if beyond else made
