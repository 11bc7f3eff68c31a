"""What would have been predicted at past moments, from what was known then and nothing later.

A lean sibling of `ml.api.predict`: the same features, windows, calibration and choice of a rule, but a line alone
instead of a line and trees, fewer rows to learn from, and only pairs that could belong to a segment. Moments are
one horizon apart, so that what is learned from at one of them serves the later ones, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from ml import cross_sell, repurchase
from ml.affinity import Affinities
from ml.base_rates import base_rates
from ml.calibration import IDENTITY
from ml.cross_sell import NewModel, Scope
from ml.history import History, build_history, contains, moments
from ml.lifetime_value import order_chance
from ml.pair_model import Examples, Predictor, choose, fit, windows
from ml.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from ml.history import Floats, Ints

WINDOWS = 3  # of examples: two to learn from, and the latest, which calibrates
ROWS_PER_WINDOW = 60_000  # to learn from
MOST_PAIRS, MOST_CUSTOMERS = 75_000, 2_500  # to calibrate on, per window
MAX_ITEMS = 500
CUSTOMERS_AT_ONCE = 5_000
COLUMNS = ["customer_no", "product_no", "kind", "probability"]


@dataclass(frozen=True)
class Retrospect:
    """One past moment.

    pairs: customer_no, product_no, kind (repurchase | cross_sell), probability of a purchase in the horizon after
        the moment; only those at or above the floor of their kind.
    base_rates: as `ml.base_rates` has them at the moment.
    basis: per kind, model | baseline | prior.
    """

    moment: pd.Timestamp
    pairs: pd.DataFrame
    base_rates: pd.DataFrame
    basis: dict[str, str]


def retrospects(
    lines: pd.DataFrame,
    products: pd.DataFrame | None,
    until: pd.Timestamp,
    horizon_days: int,
    wanted: Collection[int],
    floors: Mapping[str, float],
    seed: int,
) -> Iterator[Retrospect]:
    """Look back at moments so many horizons before `until`, e.g. {1, 2, 3}; yields the oldest first.

    lines, products: as `ml.api.predict` takes them; `active` is ignored, as it says nothing about the past.
    floors: per kind, the lowest probability that is of interest.

    A moment that has no complete window before it is left out, as nothing could be calibrated there. Each is yielded
    as soon as it is done, so that a caller who is stopped can go on with the rest.
    """
    h = build_history(lines, products, until)
    seen = _Seen(float(horizon_days), floors, seed)
    for back in range(max(wanted, default=0) + WINDOWS, 0, -1):
        if h.until - back * float(horizon_days) <= h.begins:
            continue
        with threadpool_limits(limits=1):  # as in ml.api: the same sums everywhere, and no spinning threads
            found = seen.look(_Moment.of(h, back, float(horizon_days), score=back in wanted))
        if found is not None:
            yield found


@dataclass(frozen=True)
class _Moment:
    """A past moment. labelled: what was bought in the horizon after it, too, by those and of that known at it.

    Customers and products that came later have no codes: their number alone would tell of the future.
    """

    back: int
    labelled: History
    known: History
    affinities: Affinities
    scope: Scope
    trainable: int
    score: bool

    @classmethod
    def of(cls, h: History, back: int, horizon: float, *, score: bool) -> _Moment:
        """The moment `back` horizons before the end of a history."""
        moment = h.until - back * horizon
        labelled = _of_those_known(h, moment, horizon)
        known = labelled.before(moment)
        scope = Scope(None, np.ones(known.n_products, dtype=bool), retrieve=False, keep_listed=True)
        plan = windows(known.begins, moment, horizon, WINDOWS - 1)
        possible = score and plan.latest is not None
        affinities = Affinities(scope.marked_at, MAX_ITEMS)
        return cls(back, labelled, known, affinities, scope, len(plan.training), possible)


class _Seen:
    """Walks from the oldest moment to the newest, and keeps what later ones learn from."""

    def __init__(self, horizon: float, floors: Mapping[str, float], seed: int) -> None:
        self._horizon, self._floors, self._seed = horizon, floors, seed
        self._again: dict[int, Examples] = {}
        self._new: dict[int, Examples] = {}

    def look(self, m: _Moment) -> Retrospect | None:
        """Predict as of one moment, if asked and possible, and keep its pairs as examples for later ones."""
        found = self._score(m) if m.score else None
        if m.back > 1:
            self._learn(m)
        return found

    def _learn(self, m: _Moment) -> None:
        known, allowed = m.known, m.scope.allowed
        again = repurchase.examples(
            m.labelled, known.until, self._horizon, allowed, MOST_PAIRS, self._seed, m.affinities
        )
        self._again[m.back] = _numbered(known, again)
        new = cross_sell.examples(
            m.labelled, known.until, self._horizon, m.scope, MOST_CUSTOMERS, None, self._seed, m.affinities
        )
        if new is not None:
            self._new[m.back] = _numbered(known, new[0])
        for kept in (self._again, self._new):
            kept.pop(m.back + WINDOWS, None)  # no later moment looks so far back

    def _predictor(self, kept: dict[int, Examples], m: _Moment) -> Predictor:
        """What would have been served: learned from the windows that were complete at this moment."""
        latest = kept.get(m.back + 1)
        training = [kept[place] for place in range(m.back + 2, m.back + 2 + m.trainable) if place in kept]
        thinned = [part.thinned(ROWS_PER_WINDOW, self._seed) for part in training]
        learned = latest.thinned(ROWS_PER_WINDOW, self._seed) if latest is not None else None
        fitted = fit(thinned, learned, self._seed, with_trees=False)
        return choose(fitted, latest, training[0] if training else None, IDENTITY)[0]

    def _score(self, m: _Moment) -> Retrospect:
        """Every pair bought before, and every customer active then with every product that sold best then."""
        known, allowed = m.known, m.scope.allowed
        again, new = self._predictor(self._again, m), self._predictor(self._new, m)
        shop, listed = Shop(known, m.affinities.at(known), self._horizon), m.scope.listed_at(known)
        # Where nothing was calibrated, hold on to logic, as ml.scoring does: who orders nothing buys no product.
        orders = order_chance(known, self._horizon) if "prior" in (again.basis, new.basis) else None
        tables = [pd.DataFrame(columns=COLUMNS)]
        for start in range(0, known.n_customers, CUSTOMERS_AT_ONCE):
            h = known.between(start, start + CUSTOMERS_AT_ONCE)
            most = None if orders is None else orders[start : start + CUSTOMERS_AT_ONCE]
            old, _ = repurchase.score_repurchase(h, shop, again, allowed, most if again.basis == "prior" else None)
            fresh, _ = cross_sell.score_cross_sell(
                h, shop, NewModel(new, new.curve), m.scope, listed, most if new.basis == "prior" else None
            )
            tables += [
                self._table(h, "repurchase", old.customer, old.product, old.probability),
                self._table(h, "cross_sell", fresh.customer, fresh.product, fresh.probability),
            ]
        pairs = pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)
        return Retrospect(
            moments(np.array([known.until]))[0],
            pairs.sort_values(["customer_no", "product_no"], ignore_index=True),
            base_rates(known, self._horizon),
            {"repurchase": again.basis, "cross_sell": new.basis},
        )

    def _table(self, h: History, kind: str, customer: Ints, product: Ints, chance: Floats) -> pd.DataFrame:
        """Pairs as rows, those below the floor left out."""
        kept = chance >= self._floors[kind]
        return pd.DataFrame(
            {
                "customer_no": h.customer_no[customer[kept]],
                "product_no": h.product_no[product[kept]],
                "kind": pd.Series(kind, index=range(int(kept.sum())), dtype=str),
                "probability": chance[kept],
            }
        )


def _of_those_known(h: History, moment: float, horizon: float) -> History:
    """The history up to `horizon` after a moment, of the customers and products that had a purchase before it."""
    earlier, end = h.day < moment, moment + horizon
    customers, products = np.unique(h.customer[earlier]), np.unique(h.product[earlier])
    rows = (h.day < end) & contains(customers, h.customer) & contains(products, h.product)
    orders = (h.order_day < end) & contains(customers, h.order_customer)
    renumber = np.cumsum(orders) - 1
    types, category = np.unique(h.category[products], return_inverse=True)
    return History(
        until=min(end, h.until),
        customer_no=h.customer_no[customers],
        product_no=h.product_no[products],
        category=category.astype(np.int64),
        type_name=h.type_name[types],
        customer=np.searchsorted(customers, h.customer[rows]),
        product=np.searchsorted(products, h.product[rows]),
        order=renumber[h.order[rows]],
        day=h.day[rows],
        quantity=h.quantity[rows],
        value=h.value[rows],
        discount=h.discount[rows],
        order_customer=np.searchsorted(customers, h.order_customer[orders]),
        order_day=h.order_day[orders],
        order_value=h.order_value[orders],
        order_items=h.order_items[orders],
    )


def _numbered(h: History, part: Examples) -> Examples:
    """Examples under the shop's own numbers, which are the same at every moment: halves of customers stay apart."""
    customer, product = h.customer_no[part.customer], h.product_no[part.product]
    return replace(part, customer=customer.astype(np.int64), product=product.astype(np.int64))
