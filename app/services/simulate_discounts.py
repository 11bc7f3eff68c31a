"""What a simulation needs of a campaign's managed discounts: the plan's bounds, what was learned, what is left."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from app.domain.discounts import period_of, window
from app.services.discounts import MANAGED, baskets, none_and_random, plan_of, policy_of, reserved
from app.store.models.discounts import DiscountPlan
from ml.simulation_codes import Terms

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.simulate_input import Start
    from app.store.models.campaigns import Campaign

SECONDS_A_DAY = 86_400.0


def terms(
    session: Session,
    connection: duckdb.DuckDBPyConnection,
    ctx: ShopContext,
    campaign: Campaign,
    start: Start,
    at: datetime,
    days: int,
) -> Terms | None:
    """What the campaign may give to the customers of a simulation; None if Encore manages no discount for it.

    connection: the newest history. Of a share of the customers the budget is the same share.
    """
    row = session.get(DiscountPlan, {"shop_id": ctx.shop_id, "campaign_id": campaign.id})
    if campaign.discount_mode != MANAGED or row is None or plan_of(row).problems(ctx.currency):
        return None
    plan, policy = plan_of(row), policy_of(row)
    known = baskets(connection, start.customer_nos.tolist())
    basket = np.array([max(known.get(int(one), 0), plan.min_basket_minor) for one in start.customer_nos])
    moments = [at + timedelta(days=day) for day in range(days)]
    names = [period_of(ctx, plan.budget_period, moment) for moment in moments]
    periods = list(dict.fromkeys(names))
    left = [max(plan.budget_minor - reserved(session, ctx, campaign.id, name), 0) * start.share for name in periods]
    ends = [window(ctx, plan.validity_days, moment)[1] - moment for moment in moments]
    none, random = none_and_random(plan, policy)
    return Terms(
        campaign=start.campaign_ids.index(campaign.id),
        amounts=np.array([0, *(min(amount, plan.ceiling_minor) for amount in plan.levels)], dtype=np.int64),
        policy=policy,
        none_share=none,
        explore_share=random,
        basket=basket.astype(np.int64),
        margin=basket.astype(np.int64) * plan.margin_percent // 100,
        left=np.array(left),
        period=np.array([periods.index(name) for name in names]),
        lasts=np.array([one.total_seconds() / SECONDS_A_DAY for one in ends]),
    )
