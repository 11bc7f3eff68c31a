"""What the predictions of past weeks came to: every fourth week, by a model frozen at that week.

A moment is the beginning of a Monday, counted in fours from a fixed one, so that it stays the same moment for every
later run and what was found for it can be kept. At each moment one table of pairs is made. It is scored by a model
that learned from the moments before, and, once the next moment has come, it teaches the models of later moments.

The model is the served one made light: logistic regression without trees, fewer rows, windows of four weeks stretched
to the horizon, and no ceilings where a product was never bought twice. What a product's type is called today counts
for the past, too; nothing else does.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from ml import cross_sell, repurchase
from ml.affinity import Affinities, Affinity, learn
from ml.base_rates import base_rates
from ml.calibration import IDENTITY
from ml.cross_sell import Scope
from ml.evidence import calibrated, measured, served_card
from ml.history import History, build_history, contains, scattered, tally
from ml.history import moments as moments_of
from ml.lines import LINE_COLUMNS, days
from ml.metrics import summary
from ml.pair_model import CLOSED_FORM, Examples, Fitted, Predictor, choose, closed_form_share, fit, sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from ml.history import Bools, Floats, Ints

VERSION = 2
"""Raised when the same history would give other figures: what was kept is then made anew."""
WEEKS_APART = 4
FIRST_MONDAY = pd.Timestamp("1970-01-05")
MIN_HISTORY_DAYS = 120
MIN_LEARNED_DAYS = 30  # a table of pairs from an earlier time knows too little to teach
WINDOWS = 4  # the last to calibrate, three before it to learn from first
MAX_CUSTOMERS = 10_000
MAX_PURCHASES = 2_000_000
MIN_OWNERS = 25  # buyers of a product before it can have a segment of its own
AFFINE_PRODUCTS = 500
CHOICE_ROWS = 50_000
COMPARED_PRODUCTS = 100
LEARNED_ROWS = 20_000
EVERYTHING = 2**31


@dataclass(frozen=True)
class Schedule:
    """moments: what a back-test covers, oldest first. first_at: when the first result is, or was, possible."""

    moments: list[pd.Timestamp]
    first_at: pd.Timestamp


def schedule(begins: pd.Timestamp, until: pd.Timestamp, zone: tzinfo, horizon_days: int) -> Schedule:
    """Every fourth Monday with at least 120 days of history before it and a complete horizon by `until`.

    begins: the first order; until: history is complete up to here. Mondays begin in the shop's `zone`; moments are UTC.
    """
    earliest = begins + pd.Timedelta(days=MIN_HISTORY_DAYS)
    grid = _grid(earliest, max(until, earliest) + pd.Timedelta(weeks=2 * WEEKS_APART), zone)
    horizon = pd.Timedelta(days=horizon_days)
    return Schedule([moment for moment in grid if moment + horizon <= until], grid[0] + horizon)


def _grid(start: pd.Timestamp, end: pd.Timestamp, zone: tzinfo) -> list[pd.Timestamp]:
    """The moments in [start, end], in UTC."""
    weeks = (start.tz_convert(zone).tz_localize(None) - FIRST_MONDAY) / pd.Timedelta(weeks=WEEKS_APART)
    local = pd.date_range(
        FIRST_MONDAY + int(np.floor(weeks)) * pd.Timedelta(weeks=WEEKS_APART),
        end.tz_convert(zone).tz_localize(None),
        freq=f"{WEEKS_APART}W-MON",
    )
    # Where midnight does not exist that day, the day begins with the hour after.
    moments = local.tz_localize(zone, ambiguous=True, nonexistent="shift_forward").tz_convert("UTC")
    return [moment for moment in moments if start <= moment <= end]


def drawn(lines: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """The lines of few enough customers to look at, and which share of the customers that is.

    Who is drawn hangs on the customer's number alone: a shop that grows keeps its sample until that halves.
    """
    number = lines["customer_no"].to_numpy(dtype=np.int64, na_value=0)
    parts = 1
    while parts * MAX_CUSTOMERS < lines["customer_no"].nunique() or parts * MAX_PURCHASES < len(lines):
        parts *= 2
    return (lines if parts == 1 else lines.loc[scattered(number) % parts == 0]), 1 / parts


def fingerprints(lines: pd.DataFrame, moments: list[pd.Timestamp], horizon_days: int) -> list[str]:
    """Per moment: a name of all that its outcome rests on, the lines up to the end of its horizon.

    Equal names mean equal outcomes, in whatever order the lines come.
    """
    columns = [name for name in (*LINE_COLUMNS, "discount") if name in lines.columns]
    row = pd.util.hash_pandas_object(lines[columns], index=False).to_numpy()
    day = days(lines["ordered_at"])
    names = []
    for end in (days(moments) + horizon_days).tolist():
        seen = row[day < end]
        total = int(seen.sum(dtype=np.uint64))  # a sum does not know the order, and wraps around
        names.append(f"{VERSION}-{horizon_days}-{len(columns)}-{len(seen)}-{total:016x}")
    return names


@dataclass(frozen=True)
class Outcome:
    """One moment, measured; counts are of the customers that were drawn.

    result: at, ends (ISO, UTC), customers, and per kind: basis, served, training_pairs, pairs, positives, base_rate,
        metrics (every scorer on the COMPARED_PRODUCTS products with most pairs; "model" also where a rule was
        served), calibration (all pairs). JSON, finite.
    products: kind, product_no, eligible, expected, actual (buyers among the eligible), threshold, and of those at or
        over it: members, members_expected, members_bought.
    members: kind, product_no, customer_no, chance (float32), bought (within the horizon), and quiet_days (float32,
        since the customer's last order) of every pair at or over its threshold.
    """

    result: dict[str, Any]
    products: pd.DataFrame
    members: pd.DataFrame


@dataclass(frozen=True)
class Bar:
    """A customer is in a product's segment from max(floor of the kind, times x the product's base rate) on."""

    floors: dict[str, float]
    times: float


def backtest(
    lines: pd.DataFrame,
    products: pd.DataFrame | None,
    moments: list[pd.Timestamp],
    zone: tzinfo,
    horizon_days: int,
    seed: int,
    bar: Bar,
) -> Iterator[Outcome]:
    """Measure each of these moments of a `schedule`, oldest first, as soon as it is done.

    lines, products: as for `ml.api.predict`. bar: who would have been in a product's segment.
    Lines at or after a moment change nothing but what it is measured by.
    """
    if not moments:
        return
    end = max(moments) + pd.Timedelta(days=horizon_days)
    with threadpool_limits(limits=1):
        numbered, arrived = _numbered(lines, end)
        h = _by_arrival(build_history(numbered, products, end))
    begins = moment_of(h.begins)
    grid = _grid(begins + pd.Timedelta(days=MIN_LEARNED_DAYS), end, zone)
    lessons: dict[pd.Timestamp, _Lesson] = {}
    for moment in sorted(moments):
        place = grid.index(moment)
        earlier = grid[max(0, place - WINDOWS) : place]
        with threadpool_limits(limits=1):
            for at in earlier:
                if at not in lessons:
                    lessons[at] = _lesson(_table(h, at, _next(grid, at, end), horizon_days), seed)
            test = _table(h, moment, _next(grid, moment, end), horizon_days)
            outcome = _measure(moment, [lessons[at] for at in reversed(earlier)], test, horizon_days, seed, bar)
            # Whole tables are large: once measured, only what later moments may learn from is kept.
            lessons = {at: lesson for at, lesson in lessons.items() if at in earlier} | {moment: _lesson(test, seed)}
        outcome.members["customer_no"] = arrived[outcome.members["customer_no"]].astype(np.int32)
        yield outcome


def moment_of(day: float) -> pd.Timestamp:
    """A day since 1970 as a UTC moment."""
    moment: pd.Timestamp = moments_of(np.array([day]))[0]
    return moment


def _next(grid: list[pd.Timestamp], at: pd.Timestamp, end: pd.Timestamp) -> pd.Timestamp:
    return min((later for later in grid if later > at), default=end)


def _numbered(lines: pd.DataFrame, end: pd.Timestamp) -> tuple[pd.DataFrame, Ints]:
    """With customers numbered by arrival, so that what comes later renumbers nobody; and who arrived as which."""
    past = lines.loc[(days(lines["ordered_at"]) < days([end])[0]) & lines["customer_no"].notna().to_numpy()]
    first = past.groupby("customer_no")["ordered_at"].min().reset_index()
    first = first.sort_values(["ordered_at", "customer_no"], ignore_index=True)
    number = pd.Series(np.arange(len(first), dtype=np.int32), index=first["customer_no"])
    numbered: pd.DataFrame = past.assign(customer_no=number.reindex(past["customer_no"]).to_numpy())
    return numbered, first["customer_no"].to_numpy(np.int64)


class _Arrivals(History):
    """A history whose customers are numbered by arrival: an earlier one does not know how many will come."""

    def before(self, day: float) -> History:
        """The same shop as it stood at `day`."""
        known = super().before(day)
        there = int(known.order_customer.max(initial=-1)) + 1
        return _by_arrival(replace(known, customer_no=self.customer_no[:there]))


def _by_arrival(h: History) -> _Arrivals:
    return _Arrivals(**{field.name: getattr(h, field.name) for field in fields(h)})


@dataclass(frozen=True)
class _Table:
    """All pairs at one moment, by kind: labelled by the horizon after it, and by the days up to the next moment."""

    known: History
    days_to_next: float
    pairs: dict[str, Examples]
    by_next: dict[str, Bools]


@dataclass(frozen=True)
class _Lesson:
    """Some of a table's pairs as a later moment knows them: to choose and calibrate by, and to learn from."""

    days: float
    judged: dict[str, Examples]
    learned: dict[str, Examples]


def _lesson(table: _Table, seed: int) -> _Lesson:
    judged, learned = {}, {}
    for kind, pairs in table.pairs.items():
        whole = replace(pairs, label=table.by_next[kind])
        judged[kind] = whole.take(sample(len(whole.label), CHOICE_ROWS, seed))
        # First purchases are rare: all of them teach. Repeats are not.
        few = whole.thinned(LEARNED_ROWS, seed) if kind == "cross_sell" else None
        learned[kind] = few or whole.take(sample(len(whole.label), LEARNED_ROWS, seed))
    return _Lesson(table.days_to_next, judged, learned)


class _OneAffinity(Affinities):
    """The affinity of a single moment, on fewer products than the served one."""

    def __init__(self, affinity: Affinity) -> None:
        self._affinity = affinity

    def at(self, h: History) -> Affinity:  # noqa: ARG002 - there is only one
        """The affinity."""
        return self._affinity


def _table(h: _Arrivals, at: pd.Timestamp, following: pd.Timestamp, horizon: float) -> _Table:
    start, after = days([at, following])
    known = h.before(start)
    scope = Scope(None, np.ones(h.n_products, dtype=bool), retrieve=False, keep_listed=True)
    affinities = _OneAffinity(learn(known, scope.marked_at(known), AFFINE_PRODUCTS))
    owned = tally(known.pair_product, h.n_products) >= MIN_OWNERS
    pairs = {"repurchase": repurchase.examples(h, start, horizon, owned, EVERYTHING, 0, affinities)}
    found = cross_sell.examples(h, start, horizon, scope, EVERYTHING, None, 0, affinities)
    if found is not None:
        pairs["cross_sell"] = found[0]
    bought = h.bought_between(start, after)
    by_next = {kind: contains(bought, h.key(part.customer, part.product)) for kind, part in pairs.items()}
    return _Table(known, after - start, pairs, by_next)


def _measure(
    moment: pd.Timestamp, lessons: list[_Lesson], test: _Table, horizon: float, seed: int, bar: Bar
) -> Outcome:
    """lessons: of the moments before, latest first."""
    rates = base_rates(test.known, horizon)
    kinds, frames, members = {}, [], [_no_members()]
    for kind, pairs in test.pairs.items():
        if len(pairs.label) == 0:
            continue
        latest = lessons[0].judged.get(kind) if lessons else None
        learned = [lesson.learned[kind] for lesson in lessons if kind in lesson.learned]
        fitted = fit(learned[1:], learned[0], seed, with_trees=False) if latest is not None else None
        chosen, card = choose(fitted, latest, learned[1] if len(learned) > 1 else None, IDENTITY)
        stretch = horizon / lessons[0].days if lessons else 1.0
        kinds[kind], chance = _judge(pairs, latest, fitted, chosen, stretch)
        kinds[kind] |= {"basis": card["basis"], "training_pairs": sum(len(part.label) for part in learned[1:])}
        threshold = _thresholds(kind, test.known, rates, bar)
        frames.append(_by_product(kind, test.known, pairs, chance, threshold))
        members.append(_members(kind, test.known, pairs, chance, threshold))
    result = {
        "at": moment.isoformat(),
        "ends": (moment + pd.Timedelta(days=horizon)).isoformat(),
        "customers": test.known.n_customers,
        "kinds": kinds,
    }
    by_product = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    return Outcome(result, by_product, pd.concat(members[1:] or members, ignore_index=True))


def _judge(
    test: Examples, latest: Examples | None, fitted: Fitted | None, chosen: Predictor, stretch: float
) -> tuple[dict[str, Any], Floats]:
    """How every scorer met the horizon, and the served probabilities.

    stretch: horizon over the days of the windows that calibrate. A purchase is as likely on each day, so that
    P(within the horizon) = 1 - (1 - P(within the window)) ** stretch.
    """
    scores, earlier = dict(test.closed), dict(latest.closed) if latest is not None else {}
    if fitted is not None and latest is not None:
        # Also where a rule was chosen: then one sees whether that was right.
        share = closed_form_share(fitted.served, latest)
        model = chosen if chosen.model is not None else Predictor("model", fitted.served, CLOSED_FORM, IDENTITY, share)
        scores["model"], earlier["model"] = model.score(test.features, test.closed), model.unseen(latest)
    chances = {
        name: None if chance is None else 1 - (1 - chance) ** stretch
        for name, chance in calibrated(latest, earlier, scores).items()
    }
    served = "model" if chosen.model is not None else chosen.rule
    chance = chosen.probability(test.features, test.closed)
    if chosen.basis != "prior":
        chance = 1 - (1 - chance) ** stretch
    chances[served] = chance
    found = served_card(test, scores[served], chance, out_of_time=True)
    del found["products"]
    found |= {"served": served, "pairs": len(test.label), "positives": int(test.label.sum())}
    return found | {"metrics": _compared(test, scores, chances)}, chance


def _compared(test: Examples, scores: dict[str, Floats], chances: dict[str, Floats | None]) -> dict[str, Any]:
    """Every scorer on the products with most pairs; all of them would cost more than all that came before."""
    most = np.argsort(-np.bincount(test.product), kind="stable")[:COMPARED_PRODUCTS]
    rows = np.flatnonzero(np.isin(test.product, most))
    part = replace(test, features=test.features[:, :0]).take(rows)
    scores = {name: score[rows] for name, score in scores.items()}
    ranked = {name: summary(part.product, part.label, score) for name, score in scores.items()}
    return measured(part, ranked, scores, {n: None if c is None else c[rows] for n, c in chances.items()})


def _thresholds(kind: str, known: History, rates: pd.DataFrame, bar: Bar) -> Floats:
    """From which probability on each product's segment takes a customer."""
    rate = np.zeros(known.n_products)
    mine = rates.loc[rates["kind"] == kind]
    rate[np.searchsorted(known.product_no, mine["product_no"])] = mine["base_rate"].fillna(0.0)
    threshold: Floats = np.maximum(bar.floors[kind], bar.times * rate)
    return threshold


def _no_members() -> pd.DataFrame:
    kinds = {"kind": object, "product_no": np.int32, "customer_no": np.int64, "chance": np.float32, "bought": bool,
             "quiet_days": np.float32}  # fmt: skip
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def _members(kind: str, known: History, pairs: Examples, chance: Floats, threshold: Floats) -> pd.DataFrame:
    """Every pair whose customer the product's segment would have held; customers by arrival."""
    kept = np.flatnonzero(chance >= threshold[pairs.product])
    customer, product = pairs.customer[kept], pairs.product[kept]
    latest = np.full(known.n_customers, -np.inf)
    np.maximum.at(latest, known.order_customer, known.order_day)
    return pd.DataFrame(
        {
            "kind": np.full(len(kept), kind, dtype=object),
            "product_no": known.product_no[product].astype(np.int32),
            "customer_no": known.customer_no[customer].astype(np.int64),
            "chance": chance[kept].astype(np.float32),
            "bought": pairs.label[kept].astype(bool),
            "quiet_days": (known.until - latest[customer]).astype(np.float32),
        }
    )


def _by_product(kind: str, known: History, pairs: Examples, chance: Floats, threshold: Floats) -> pd.DataFrame:
    """Expected and actual buyers of each product, and of the customers whom its segment would have held."""
    member = chance >= threshold[pairs.product]

    def per_product(weight: Floats | Bools | None = None) -> Floats:
        return tally(pairs.product, known.n_products, weight)

    table = pd.DataFrame(
        {
            "kind": kind,
            "product_no": known.product_no,
            "eligible": per_product().astype(np.int32),
            "expected": per_product(chance),
            "actual": per_product(pairs.label).astype(np.int32),
            "threshold": threshold,
            "members": per_product(member).astype(np.int32),
            "members_expected": per_product(chance * member),
            "members_bought": per_product(member & pairs.label).astype(np.int32),
        }
    )
    return table.loc[table["eligible"] > 0].reset_index(drop=True)
