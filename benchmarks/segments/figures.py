"""What is measured of a shop's segments, each part in a process of its own so that memory is its own too.

    python -m benchmarks.segments.figures FOLDER PART     prints the part's figures as JSON

A figure is `name: milliseconds`, or seconds and gigabytes where its name says so.
"""

from __future__ import annotations

import dataclasses
import json
import random
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import inspect, select

from app.services import export_segment, refresh_shop, segment_details, segments, segments_list
from app.services.published import published
from app.services.segments_preview import preview
from app.store.counters import allocate
from app.store.models.segments import Membership, Segment
from benchmarks.segments.shop import FIRST_PRODUCT_ID, open_shop, some_changed_orders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

REPEATS = 40
MANY_SEGMENTS = 1_000
CHANGED_ORDERS = 1_000
EVERYBODY = {"v": 1, "match": {"attr": "orders.count", "op": "gte", "value": 0}}
Figures = dict[str, float]


@dataclasses.dataclass
class StandingClock:
    """A clock that shows the hour of the synthetic shop's history."""

    at: datetime

    def now(self) -> datetime:
        """The instant it was set to."""
        return self.at


def bought(product: int, days: int, op: str = "gte", times: int = 1) -> dict[str, Any]:
    """A condition on how often one product was ordered in so many days."""
    where = [{"attr": "product.id", "op": "is", "value": str(FIRST_PRODUCT_ID + product)}]
    return {"did": "ordered", "where": where, "count": {"op": op, "n": times}, "during": {"last": f"{days}d"}}


def usual_rule(draw: random.Random) -> dict[str, Any]:
    """A product that is neither the best seller nor rare, a country and a spend: what merchants ask most."""
    return {"all": [
        bought(draw.randrange(20, 2_000), draw.randrange(30, 400)),
        {"attr": "spend.net", "op": "gte", "value": draw.randrange(1_000, 200_000)},
        {"attr": "country", "op": "in", "value": ["US", draw.choice(["CA", "GB", "DE"])]},
    ]}  # fmt: skip


def popular_rule(draw: random.Random) -> dict[str, Any]:
    """The best-selling product of all."""
    return {"all": [
        bought(0, draw.randrange(300, 700), times=draw.choice([1, 2])),
        {"attr": "spend.net", "op": "gte", "value": draw.randrange(1_000, 200_000)},
    ]}  # fmt: skip


def nested_rule(draw: random.Random) -> dict[str, Any]:
    """Six conditions in groups, two of them about what did not happen."""
    return {"all": [
        {"any": [bought(draw.randrange(20, 300), draw.randrange(100, 700), times=2),
                 {"attr": "spend.net", "op": "gte", "value": draw.randrange(1_000, 200_000)}]},
        {"did": "ordered", "count": {"op": "eq", "n": 0}, "during": {"last": f"{draw.randrange(20, 90)}d"}},
        {"none": [bought(draw.randrange(1, 50), draw.randrange(100, 700)),
                  {"attr": "country", "op": "is", "value": draw.choice(["DE", "FR", "JP"])}]},
        {"predict": "lapse", "horizon": "60d", "op": "gte", "value": round(draw.random(), 4)},
    ]}  # fmt: skip


RULES = {"usual": usual_rule, "popular product": popular_rule, "six conditions, nested": nested_rule}


def full_refresh(rooms: Rooms, ctx: ShopContext) -> Figures:
    """Features, all segments with memberships and what changed; the predictions serve again."""
    seconds = _seconds(lambda: refresh_shop.refresh(rooms, ctx, force=False))
    with rooms.store.reading(ctx) as session:
        segments_made = session.query(Segment).filter_by(shop_id=ctx.shop_id).count()
    return {"full refresh, s": seconds, "full refresh, GB": _gigabytes(), "segments": segments_made}


def incremental_refresh(rooms: Rooms, ctx: ShopContext) -> Figures:
    """A thousand orders come in; the lake's part is told apart."""
    at = rooms.clock.now()
    lake = _seconds(lambda: some_changed_orders(ctx, rooms, CHANGED_ORDERS, at - timedelta(minutes=1)))
    seconds = _seconds(lambda: refresh_shop.refresh(rooms, ctx, force=False))
    return {"1,000 orders into the lake, s": lake, "incremental refresh, s": seconds,
            "incremental refresh, GB": _gigabytes()}  # fmt: skip


def previews(rooms: Rooms, ctx: ShopContext) -> Figures:
    """Exact counts of rules that nobody asked before, with a sample of ten and without."""
    found: Figures = {}
    for name, make in RULES.items():
        draw = random.Random(name)  # noqa: S311 - the same rules in every run
        for sample in (0, 10):
            rules = [{"v": 1, "match": make(draw)} for _ in range(REPEATS)]
            times = _times(lambda rule: preview(rooms, ctx, rule, sample), rules)  # noqa: B023 - called at once
            found[f"preview, {name}{', with a sample' if sample else ''}, p50"] = float(np.median(times))
            found[f"preview, {name}{', with a sample' if sample else ''}, p95"] = float(np.quantile(times, 0.95))
    found["previews, GB"] = _gigabytes()
    return found


def pages(rooms: Rooms, ctx: ShopContext) -> Figures:
    """The pages' data with a thousand segments."""
    make_many(rooms, ctx)
    with rooms.store.reading(ctx) as session:
        ready = select(Segment.id).where(Segment.shop_id == ctx.shop_id, Segment.state == "ready")
        some = list(session.scalars(ready.order_by(Segment.id)))[:REPEATS]
    query = {"category": [], "exclude": [], "search": "", "source": [], "include_empty": False, "limit": 50}
    sorts = [(sort, order) for sort in ("size", "name", "change", "net_share") for order in ("asc", "desc")] * 5
    draw = random.Random(3)  # noqa: S311 - the same pages in every run
    asked = {
        "segments list": _times(
            lambda by: segments_list.page(rooms, ctx, sort=by[0], order=by[1], cursor=None, **query), sorts
        ),
        "segment page": _times(lambda number: segment_details.details(rooms, ctx, number), some),
        "member page": _times(
            lambda number: segment_details.members(rooms, ctx, number, str(draw.randrange(900_000)), 50), some
        ),
    }
    return {f"{name}, p95": float(np.quantile(times, 0.95)) for name, times in asked.items()}


def make_many(rooms: Rooms, ctx: ShopContext) -> None:
    """Fill the shop up to a thousand segments; their members are those of the ones it has, in turn."""
    with rooms.store.session(ctx) as session:
        mine = select(Segment.membership_id).where(Segment.shop_id == ctx.shop_id, Segment.membership_id.is_not(None))
        known = [session.get_one(Membership, (ctx.shop_id, number)) for number in session.scalars(mine)]
        have = session.query(Segment).filter_by(shop_id=ctx.shop_id).count()
        for number in range(have, MANY_SEGMENTS):
            segment = segments.new_segment(session, ctx, f"Spent {number}", "rule", rooms.clock.now())
            segment.state, segment.version, segment.definition = "ready", 1, "Customers who spent something."
            segment.rule_text = json.dumps({"v": 1, "match": {"attr": "spend.net", "op": "gte", "value": number}})
            session.flush()
            copied = allocate(session, ctx.shop_id, "memberships")
            columns = [column.key for column in inspect(Membership).columns if column.key not in {"id", "segment_id"}]
            like = known[number % len(known)]
            kept = {name: getattr(like, name) for name in columns}
            session.add(Membership(**kept, id=copied, segment_id=segment.id))
            segment.membership_id = copied


def export(rooms: Rooms, ctx: ShopContext) -> Figures:
    """Everybody into Meta's format, hashed, from asking to the last byte."""
    number = segments.create(rooms, ctx, "Everybody", EVERYBODY)
    started = time.perf_counter()
    asked = export_segment.options("meta", hashed=True, include_unsubscribed=True)
    made = export_segment.create(rooms, ctx, number, asked, at_once=True)
    _, lines = export_segment.stream(rooms, ctx, number, made["id"])
    size = sum(map(len, lines))
    return {"export in Meta's format, s": time.perf_counter() - started, "export, GB of memory": _gigabytes(),
            "export, rows": made["rows"], "export, MB": size / 1e6}  # fmt: skip


PARTS = {"refresh": full_refresh, "incremental": incremental_refresh, "preview": previews, "pages": pages,
         "export": export}  # fmt: skip


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _times(ask: Callable[[Any], object], asked: Iterable[Any]) -> list[float]:
    """Milliseconds of each, after one that is not counted."""
    wanted = list(asked)
    ask(wanted[0])
    return [_seconds(lambda: ask(one)) * 1_000 for one in wanted[1:]]  # noqa: B023 - called at once


def _gigabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    """Measure one part of the shop below a folder."""
    folder, part = Path(sys.argv[1]), sys.argv[2]
    encore, ctx = open_shop(folder)
    run = published(encore.rooms, ctx)
    if run is None:
        raise SystemExit("the shop has no published run")
    rooms = dataclasses.replace(encore.rooms, clock=StandingClock(run.as_of + timedelta(minutes=5)))
    found = PARTS[part](rooms, ctx)
    (folder / f"{part}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
