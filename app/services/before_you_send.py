"""Before you send: whom a campaign would have targeted in the last twelve months, and what they then bought.

From the back-test's members at every fourth week, predicted with nothing but what was known that week. What is shown
are purchases of those who would have been targeted. Nobody was mailed, so none of them was caused by an e-mail.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from app.errors import Conflict
from app.services import backtests, campaigns
from app.services.campaigns_audience import KIND_OF_CATEGORY, audience_of, products
from app.services.predictions import backtest_state
from app.services.promises import spreads
from app.services.published import open_run, published
from app.services.reachable import reachable
from ml.promises import promise

if TYPE_CHECKING:
    from app.domain.campaigns import TimingRules
    from app.domain.context import ShopContext
    from app.services.campaigns_audience import Audience
    from app.services.rooms import Rooms

LOOKED_BACK = timedelta(days=365)
MOST_PRODUCTS = 10
AGAIN, NEW = KIND_OF_CATEGORY["repurchase"], KIND_OF_CATEGORY["cross_sell"]


@dataclass(frozen=True)
class TargetedWeek:
    """One past week.

    targeted: customers who would have been mailed; expected, low, high: buyers of what would have been recommended
    within the horizon, as predicted then, with an interval that holds in four of five; bought: those who did.
    """

    at: datetime
    ends: datetime
    targeted: int
    expected: float
    low: int
    high: int
    bought: int


@dataclass(frozen=True)
class TargetedProduct:
    """A product of the mix, over all weeks."""

    product_no: int
    title: str
    targeted: int
    expected: float
    bought: int


@dataclass(frozen=True)
class LookBack:
    """Had the campaign been active.

    state: ready | working | too_short | none | failed, as of the back-test itself. first_at: when the first week is
    possible. members_of_today: the audience is a segment of the merchant's own, whose members of then aren't known.
    share: of the customers that were looked at; counts are multiplied to all. reachable_share: of the customers
    targeted in the last week, those who can be mailed today; None if nobody was.
    """

    state: str
    first_at: datetime | None
    as_of: datetime | None
    planned: int
    members_of_today: bool
    share: float
    reachable_share: float | None
    weeks: list[TargetedWeek]
    products: list[TargetedProduct]
    other_products: int


def look_back(rooms: Rooms, ctx: ShopContext, campaign_id: str) -> LookBack:
    """Answer for any campaign from what is kept. Raises NotFound; Conflict for a draft without an audience."""
    with rooms.store.reading(ctx) as session:
        row = campaigns.find(session, ctx, campaign_id)
        timing = campaigns.timing_of(row)
        audience = audience_of(session, ctx, row.segment_id) if row.audience_type == "segment" else None
        if row.audience_type is None or (row.audience_type == "segment" and audience is None):
            raise Conflict("Choose whom the campaign considers first.", field="audience.type")
        able = reachable(session, ctx)
        spread = spreads(session, ctx, rooms.clock.now())
    kept = backtests.latest(rooms, ctx)
    since = rooms.clock.now() - LOOKED_BACK
    moments = [one for one in kept.moments if datetime.fromisoformat(one["at"]) >= since]
    chosen = _targeted(_considered(rooms, ctx, audience, backtests.members(rooms, ctx, moments)), timing)
    share = min((one["sample_share"] for one in moments), default=1.0)
    newest = pd.Timestamp(moments[-1]["at"]) if moments else None
    last = chosen.loc[chosen["at"] == newest, "customer_no"].tolist() if moments else []
    mixed = _mix(rooms, ctx, chosen)
    return LookBack(
        state=backtest_state(kept),
        first_at=kept.first_at,
        as_of=kept.as_of,
        planned=kept.planned,
        members_of_today=audience is not None and audience.kind is None,
        share=share,
        reachable_share=sum(number in able for number in last) / len(last) if last else None,
        weeks=[
            _week(one["at"], one["ends"], chosen.loc[chosen["at"] == pd.Timestamp(one["at"])], share, spread)
            for one in moments
        ],
        products=mixed[:MOST_PRODUCTS],
        other_products=max(0, len(mixed) - MOST_PRODUCTS),
    )


def _considered(rooms: Rooms, ctx: ShopContext, audience: Audience | None, members: pd.DataFrame) -> pd.DataFrame:
    """The pairs that the campaign looks at."""
    if members.empty or audience is None:
        return members
    if audience.kind is None:
        return members.loc[members["customer_no"].isin(np.array(list(audience.members), dtype=np.int64))]
    mine = members.loc[members["kind"] == audience.kind]
    if audience.product_no is not None:
        return mine.loc[mine["product_no"] == audience.product_no]
    run = published(rooms, ctx)
    if run is None:
        return mine.iloc[:0]
    with open_run(rooms, ctx, run) as connection:
        query = "SELECT product_no FROM products WHERE product_type = $type"
        numbers = [row[0] for row in connection.execute(query, {"type": audience.product_type}).fetchall()]
    return mine.loc[mine["product_no"].isin(numbers)]


def _targeted(considered: pd.DataFrame, timing: TimingRules) -> pd.DataFrame:
    """One row per customer and week: the best product for who has waited long enough, and is not mailed too often.

    Repurchase before cross-sell, then the likelier; lifts of then are not kept.
    """
    if considered.empty:
        return pd.DataFrame(columns=["at", "customer_no", "product_no", "kind", "chance", "bought", "sample_share"])
    ready = considered.loc[considered["quiet_days"] >= timing.wait_days]
    order = ready.assign(new=ready["kind"] == NEW).sort_values(
        ["at", "new", "chance", "product_no"], ascending=[True, True, False, True], kind="stable"
    )
    best = order.drop_duplicates(["at", "customer_no"])
    if timing.frequency == "once":
        return best.drop_duplicates("customer_no")
    gap = pd.Timedelta(days=timing.every_days if timing.frequency == "every" else 0)
    last: dict[int, pd.Timestamp] = {}
    kept = []
    for at, week in best.groupby("at", sort=True):
        moment = pd.Timestamp(str(at))
        free = [number not in last or moment - last[number] >= gap for number in week["customer_no"]]
        kept.append(week.loc[free])
        last.update(dict.fromkeys(kept[-1]["customer_no"], moment))
    return pd.concat(kept)


def _week(at: str, ends: str, rows: pd.DataFrame, share: float, spread: dict[str, float]) -> TargetedWeek:
    chance = rows["chance"].to_numpy(dtype=float)
    error = spread[AGAIN] if (rows["kind"] == AGAIN).mean() >= 0.5 else spread[NEW]  # noqa: PLR2004 - the greater part
    said = promise(len(rows), float(chance.sum()), float((chance * (1 - chance)).sum()), error)
    return TargetedWeek(
        at=datetime.fromisoformat(at),
        ends=datetime.fromisoformat(ends),
        targeted=round(len(rows) / share),
        expected=said.expected / share,
        low=int(said.low / share),
        high=int(np.ceil(said.high / share)),
        bought=round(int(rows["bought"].sum()) / share),
    )


def _mix(rooms: Rooms, ctx: ShopContext, chosen: pd.DataFrame) -> list[TargetedProduct]:
    """Products by how many would have got them, most first."""
    run = published(rooms, ctx)
    if chosen.empty or run is None:
        return []
    weighed = chosen.assign(one=1 / chosen["sample_share"])
    for name in ("chance", "bought"):
        weighed[name] = weighed[name].astype(float) * weighed["one"]
    sums = weighed.groupby("product_no")[["one", "chance", "bought"]].sum().sort_values("one", ascending=False)
    with open_run(rooms, ctx, run) as connection:
        titles = products(connection, ctx, [int(number) for number in sums.index[:MOST_PRODUCTS]])
    found = []
    for number, targeted, expected, bought in zip(
        sums.index.tolist(), *(sums[name].tolist() for name in sums), strict=True
    ):
        title = titles[number].title if number in titles else f"Product {number}"
        found.append(TargetedProduct(number, title, round(targeted), expected, round(bought)))
    return found
