"""The simulator: what a campaign will do in the next weeks beside all others, before anything is sent.

Many seeded futures (ml.simulation) from where the shop stands now; every figure is the mean of them with the interval
that nine in ten lie in. Nothing is written, and nothing is drawn from a stream that decides about real messages.
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np
import orjson
import structlog
from scipy.stats import norm
from sqlalchemy import func, select

from app.domain.campaigns import Frequency, TimingRules
from app.errors import Conflict, Invalid, Unavailable
from app.services import campaigns, simulate_discounts, simulate_input, simulate_limits
from app.services.campaigns_audience import KIND_OF_CATEGORY, newest_history
from app.services.kept import Kept
from app.services.lifts import LABEL, MEASURED_LABEL, lifts
from app.services.plan_sends_facts import SUBSCRIBED_FOR
from app.services.published import latest_history, published
from app.store.models.campaigns import Campaign, PlanTick
from app.store.models.discounts import DiscountPlan
from ml.simulation import Futures, Rules, Setting, simulate
from ml.streams import stream

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.lifts import Lift
    from app.services.published import PublishedRun
    from app.services.rooms import Rooms
    from app.services.simulate_input import Start
    from ml.history import Floats, Ints
    from ml.simulation_codes import Terms

log = structlog.get_logger()

DOMAIN = "simulator"  # no other code draws from it
SEED = 20_260_501
DEFAULT_DAYS, MOST_DAYS = 30, 90
DRAWS = 100
COVERAGE = 0.9
TICK_DAYS = 1 / 96  # a quarter of an hour: decisions are made all through the day
PARTLY_LABEL = "expected orders (a lift is measured for some of these e-mails only)"
WEEK = 7
MOST_KEPT = 64


@dataclass(frozen=True)
class WhatIf:
    """Settings to try instead of the campaign's own; None: as the campaign has it. Nothing of it is saved.

    discount_percent: of the price; discount_amount_minor: off each order; discount_ceiling_minor: at most so much off.
    """

    days: int = DEFAULT_DAYS
    frequency: Frequency | None = None
    every_days: int | None = None
    wait_days: int | None = None
    repeats: int | None = None
    holdout_percent: int | None = None
    discount_percent: float | None = None
    discount_amount_minor: int | None = None
    discount_ceiling_minor: int | None = None


@dataclass(frozen=True)
class Interval:
    """Mean of the futures, and the whole numbers between which nine in ten of them lie."""

    expected: float
    low: int
    high: int


@dataclass(frozen=True)
class Stretch:
    """A day, or a week (the last one may be shorter): `days` of them from day `first` on."""

    first: int
    days: int
    starts_at: datetime
    emails: Interval
    all_emails: Interval


@dataclass(frozen=True)
class UsedLift:
    """What e-mails of a kind are taken to add to the orders that come anyway, as a share.

    low, high: nine in ten futures have a lift between them. campaigns: how many measured ones say so; 0: the stated
    prior.
    """

    kind: str
    lift: float
    low: float
    high: float
    campaigns: int


@dataclass(frozen=True)
class Simulation:
    """What the futures say of the campaign.

    weeks, by_day: e-mails of this campaign, and of all campaigns together. reached: customers mailed at least once.
    held_out: messages withheld for measurement. capped_days, beaten_days, limited_days: days of customers on which the
    campaign could have mailed but for the weekly cap, for another campaign's better message, or for how much may be
    sent a day (a domain that warms up, one without DKIM, the shop's limit an hour). withdrawn: messages whose customers
    bought while they waited for the campaign's hours. orders: of what was recommended, within 30 days of the
    e-mail, by those mailed; baseline: those that would come anyway; added: what the reminders bring by `lifts`, one
    for each kind of e-mail that the campaign may send (labelled `added_label`), and discounts that were shown to bring
    orders. discount_minor: taken off, None if there is no discount to reckon with. discount_from: `tried` settings, off
    every one of `orders`; or the campaign's `plan`, off the first order of each customer before their code ends. codes,
    codes_minor: codes given by the plan, and what they are worth together. others: how many other campaigns compete.
    share: of the customers looked at.
    """

    as_of: datetime
    predicted_at: datetime
    days: int
    draws: int
    share: float
    customers: int
    others: int
    timing: TimingRules
    holdout_percent: int
    emails: Interval
    all_emails: Interval
    reached: Interval
    all_reached: Interval
    held_out: Interval
    weeks: list[Stretch]
    by_day: list[Stretch]
    capped_days: Interval
    beaten_days: Interval
    limited_days: Interval
    withdrawn: Interval
    orders: Interval
    all_orders: Interval
    baseline: Interval
    added: Interval
    added_label: str
    lifts: list[UsedLift]
    discount_minor: Interval | None
    discount_from: Literal["tried", "plan"] | None
    codes: Interval | None
    codes_minor: Interval | None


_kept: Kept[Simulation] = Kept(MOST_KEPT)


@dataclass(frozen=True)
class _Asked:
    """A question, and what was read to answer it. rows: the campaign that it is about, then those active beside it."""

    rows: list[Campaign]
    timing: TimingRules
    what_if: WhatIf
    at: datetime
    known: dict[str, Lift]
    tick_days: float
    refreshed: bool
    seed: int


def look_ahead(
    rooms: Rooms,
    ctx: ShopContext,
    campaign_id: str,
    what_if: WhatIf | None = None,
    *,
    tick_days: float = TICK_DAYS,
    seed: int = SEED,
    refreshed: bool = True,
) -> Simulation:
    """Simulate a draft, active or paused campaign as if it were active from now on; equal questions answer equally.

    tick_days, refreshed: between two decisions, and whether predictions are renewed as time passes, for who runs
    them more rarely than an installation does.
    Raises NotFound; Invalid for settings that are never allowed or a draft without audience; Conflict if all is
    there but predictions, Unavailable.
    """
    what_if = what_if or WhatIf()
    if not 1 <= what_if.days <= MOST_DAYS:
        raise Invalid(f"Between 1 and {MOST_DAYS} days.", field="days")
    with rooms.store.reading(ctx) as session:
        row = campaigns.find(session, ctx, campaign_id)
        active = session.scalars(
            select(Campaign).where(Campaign.shop_id == ctx.shop_id, Campaign.state == "active", Campaign.id != row.id)
        ).all()
        at = rooms.store.db_now(session)
        known = lifts(session, ctx)
        plan = _plan(session, ctx, row)
        of_limits = simulate_limits.key(rooms, session, ctx, [row, *active])
        history = latest_history(session, ctx)
        tick = session.execute(select(func.max(PlanTick.tick)).where(PlanTick.shop_id == ctx.shop_id)).scalar_one()
    if row.audience_type is None:
        raise Conflict("Choose whom the campaign considers first.", field="audience.type")
    run = published(rooms, ctx)
    if run is None:
        raise Unavailable("There are no predictions yet. They come with the first import.")
    timing = _timing(campaigns.timing_of(row), what_if)
    standing = [(one.id, one.updated_at, one.segment_id) for one in [row, *active]]
    asked = [asdict(timing), asdict(what_if), standing, tick_days, seed, refreshed]
    content = orjson.dumps([*asked, {kind: asdict(one) for kind, one in known.items()}, plan, of_limits], default=str)
    name = hashlib.sha256(content).hexdigest()
    key = (ctx.shop_id, name, run.snapshot_id, history.id if history else None, tick, f"{at:%Y%m%d%H}")
    question = _Asked([row, *active], timing, what_if, at, known, tick_days, refreshed, seed)
    return _kept.get(key, lambda: _answer(rooms, ctx, run, question))


def _plan(session: Session, ctx: ShopContext, row: Campaign) -> list[object]:
    """What an answer depends on of the campaign's discount, beside the messages themselves."""
    found = session.get(DiscountPlan, {"shop_id": ctx.shop_id, "campaign_id": row.id})
    return [row.discount_mode, found and [found.updated_at, found.policy]]


def _answer(rooms: Rooms, ctx: ShopContext, run: PublishedRun, asked: _Asked) -> Simulation:
    row, what_if, at, days = asked.rows[0], asked.what_if, asked.at, asked.what_if.days
    draw_start, draw_futures = (stream(DOMAIN, ctx.shop_id, asked.seed, part) for part in range(2))
    timings = {row.id: asked.timing}
    with rooms.store.reading(ctx) as session:
        allowed = simulate_limits.allowed(rooms, session, ctx, asked.rows, at)
    found = simulate_input.start(rooms, ctx, run, asked.rows, timings, at, days, draw_start, allowed.late)
    mine = found.campaign_ids.index(row.id)
    if what_if.holdout_percent is not None:
        found.rules[mine] = _held(found, mine, what_if.holdout_percent)
    found.pairs.cost[:] = _cost(found, what_if)
    kinds = [asked.known[KIND_OF_CATEGORY[name]] for name in ("cross_sell", "repurchase")]
    setting = Setting(
        days, DRAWS, asked.tick_days, found.cap_days, (kinds[0].share, kinds[1].share),
        (kinds[0].error, kinds[1].error), found.spread, asked.refreshed, float(SUBSCRIBED_FOR.days),
    )  # fmt: skip
    futures = simulate(
        found.crowd, found.pairs, found.slots, found.offers, found.rules, setting, draw_futures,
        None if _has_discount(what_if) else _terms(rooms, ctx, row, found, at, days),
        simulate_limits.limits(found, at, days, allowed),
    )  # fmt: skip
    log.info("campaign_simulated", shop_id=ctx.shop_id, campaign=row.id, share=found.share)
    return _said(found, futures, mine, run, asked)


def _terms(rooms: Rooms, ctx: ShopContext, row: Campaign, found: Start, at: datetime, days: int) -> Terms | None:
    history = newest_history(rooms, ctx)
    if history is None:
        return None
    with rooms.store.reading(ctx) as session, closing(history[1]) as connection:
        return simulate_discounts.terms(session, connection, ctx, row, found, at, days)


def _held(found: Start, mine: int, percent: int) -> Rules:
    return replace(found.rules[mine], holdout=simulate_input.held_out(percent, found.shop_holdout))


def _timing(own: TimingRules, what_if: WhatIf) -> TimingRules:
    fields = ("frequency", "every_days", "wait_days", "repeats")
    wanted = {name: getattr(what_if, name) for name in fields if getattr(what_if, name) is not None}
    timing = TimingRules(**{**asdict(own), **wanted})
    for problem in timing.problems():
        raise Invalid(problem.message, field=problem.field)
    return timing


def _has_discount(what_if: WhatIf) -> bool:
    return bool(what_if.discount_percent or what_if.discount_amount_minor)


def _cost(found: Start, what_if: WhatIf) -> Floats:
    percent, amount = what_if.discount_percent or 0.0, what_if.discount_amount_minor or 0
    return simulate_input.cost(found, percent, amount, what_if.discount_ceiling_minor)


@dataclass(frozen=True)
class _Scale:
    """From the customers looked at to all of them."""

    share: float
    customers: int
    rng: np.random.Generator

    def interval(
        self, draws: Ints | Floats, of_customers: Floats | None = None, part: float = 1.0, *, signed: bool = False
    ) -> Interval:
        """draws: (D,). of_customers: (n,) mean of each customer, what other customers would have given differs by.

        part: which part of the customers' figure this is, for a week of a month. signed: it may be below zero.
        Draws are multiplied as they are, so that chance counts as if it were shared: somewhat too wide, never narrow.
        """
        values = np.asarray(draws, dtype=float) / self.share
        if self.share < 1 and of_customers is not None and len(of_customers) > 1:
            looked_at = len(of_customers)
            between = self.customers * (self.customers / looked_at - 1) * float(of_customers.var())
            values = values + self.rng.normal(0, max(between * part, 0.0) ** 0.5, len(values))
        low, high = np.quantile(values, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
        least = -np.inf if signed else 0
        low, high = int(max(least, np.floor(low))), int(max(least, np.ceil(high)))
        return Interval(float(np.mean(np.asarray(draws, dtype=float))) / self.share, low, high)


def _said(found: Start, futures: Futures, mine: int, run: PublishedRun, asked: _Asked) -> Simulation:
    what_if, at = asked.what_if, asked.at
    percent = asked.rows[0].holdout_percent if what_if.holdout_percent is None else what_if.holdout_percent
    scale = _Scale(found.share, found.customers, stream(DOMAIN, SEED, 2))
    each = futures.per_customer
    emails = futures.emails.sum(axis=2)
    orders = scale.interval(futures.orders[:, mine], each["orders"][mine])
    used = [_used(kind, asked.known[kind]) for kind in found.kinds[mine]]
    tried, by_plan = _has_discount(what_if), futures.codes is not None
    return Simulation(
        as_of=at,
        predicted_at=run.as_of,
        days=what_if.days,
        draws=DRAWS,
        share=found.share,
        customers=found.customers,
        others=len(found.rules) - 1,
        timing=asked.timing,
        holdout_percent=percent,
        emails=scale.interval(emails[:, mine], each["emails"][mine]),
        all_emails=scale.interval(emails.sum(axis=1), each["emails"].sum(axis=0)),
        reached=scale.interval(futures.reached[:, mine], each["reached"][mine]),
        all_reached=scale.interval(futures.reached_any, np.minimum(each["reached"].sum(axis=0), 1.0)),
        held_out=scale.interval(futures.held_out[:, mine]),
        weeks=_stretches(futures, each["emails"], mine, scale, what_if.days, WEEK, at),
        by_day=_stretches(futures, each["emails"], mine, scale, what_if.days, 1, at),
        capped_days=scale.interval(futures.capped[:, mine]),
        beaten_days=scale.interval(futures.beaten[:, mine]),
        limited_days=scale.interval(futures.limited[:, mine]),
        withdrawn=scale.interval(futures.withdrawn[:, mine]),
        orders=orders,
        all_orders=scale.interval(futures.orders.sum(axis=1), each["orders"].sum(axis=0)),
        baseline=scale.interval(futures.orders[:, mine] - futures.added[:, mine], each["orders"][mine]),
        added=scale.interval(futures.added[:, mine], signed=True),
        added_label=_label(used),
        lifts=used,
        discount_minor=scale.interval(futures.cost[:, mine], each["cost"][mine]) if tried or by_plan else None,
        discount_from="tried" if tried else "plan" if by_plan else None,
        codes=scale.interval(futures.codes) if futures.codes is not None else None,
        codes_minor=scale.interval(futures.codes_minor) if futures.codes_minor is not None else None,
    )


def _used(kind: str, lift: Lift) -> UsedLift:
    around = lift.error * float(norm.ppf((1 + COVERAGE) / 2))
    return UsedLift(kind, lift.share, lift.share - around, lift.share + around, lift.campaigns)


def _label(used: list[UsedLift]) -> str:
    if not any(one.campaigns for one in used):
        return LABEL
    return MEASURED_LABEL if all(one.campaigns for one in used) else PARTLY_LABEL


def _stretches(
    futures: Futures, of_customers: Floats, mine: int, scale: _Scale, days: int, length: int, at: datetime
) -> list[Stretch]:
    all_emails = futures.emails.sum(axis=1)
    total = max(float(all_emails.sum()), 1.0)
    found = []
    for first in range(0, days, length):
        part = slice(first, min(first + length, days))
        own, all_ = futures.emails[:, mine, part].sum(axis=1), all_emails[:, part].sum(axis=1)
        share = float(all_.sum()) / total
        found.append(
            Stretch(
                first=first,
                days=part.stop - part.start,
                starts_at=at + timedelta(days=first),
                emails=scale.interval(own, of_customers[mine], share),
                all_emails=scale.interval(all_, of_customers.sum(axis=0), share),
            )
        )
    return found
