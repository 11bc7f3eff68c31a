"""Scoring: customers in blocks, so that memory depends on the block and not on the shop, several side by side."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ml.associations import Sequences, best_reason
from ml.cross_sell import CrossSell, NewModel, Scope, score_cross_sell
from ml.history import Bools, Floats, History, Ints, moments
from ml.lifetime_value import order_chance
from ml.repurchase import Repurchase, score_repurchase
from ml.shop import ACTIVE_DAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from ml.pair_model import Predictor
    from ml.shop import Shop

PURCHASES_PER_BLOCK = 100_000
SUREST = 1e-9  # nothing is impossible or certain, and log-odds of every answer are finite
Counts = tuple[int, int]  # repurchase pairs, cross-sell pairs
Names = tuple[list[str], list[str]]
Part = tuple[pd.DataFrame, Counts, Names]


@dataclass(frozen=True)
class Models:
    """What was learned: the shop's facts now, and a model of each kind."""

    shop: Shop
    again: Predictor
    new: NewModel


@dataclass(frozen=True)
class Scorer:
    """h: everyone. allowed: products that repurchase may name. wanted: customer numbers, if not all."""

    h: History
    models: Models
    scope: Scope
    allowed: Bools
    sequences: Sequences
    mode: str
    wanted: npt.NDArray[Any] | None

    def run(
        self, sink: Callable[[pd.DataFrame], None], workers: int, progress: Callable[[str], None]
    ) -> tuple[Counts, Names]:
        """Score everybody; the parts reach the sink in order. Returns how many pairs and the inputs' names."""
        listed = self.scope.listed_at(self.h)
        prior = "prior" in (self.models.again.basis, self.models.new.predictor.basis)
        # Where nothing was calibrated, hold on to logic: who orders nothing buys no product.
        chance = order_chance(self.h, self.models.shop.horizon) if prior else None
        again = new = 0
        names: Names = ([], [])
        for part, found, named in _in_order(lambda at: self._part(at, listed, chance), self._borders(), workers):
            if len(part):
                sink(part)
            again, new = again + found[0], new + found[1]
            names = (names[0] or named[0], names[1] or named[1])
            progress(f"{again} repurchase and {new} cross-sell pairs scored")
        return (again, new), names

    def _borders(self) -> list[tuple[int, int]]:
        """Blocks of customers with about PURCHASES_PER_BLOCK purchases each: first code, code after the last."""
        if self.h.n_customers == 0:
            return []
        ends = np.searchsorted(self.h.customer, np.arange(1, self.h.n_customers + 1))
        wanted = np.arange(PURCHASES_PER_BLOCK, len(self.h.day), PURCHASES_PER_BLOCK)
        cuts = np.unique(np.searchsorted(ends, wanted) + 1)
        return list(pairwise([0, *cuts[cuts < self.h.n_customers].tolist(), self.h.n_customers]))

    def _part(self, at: tuple[int, int], listed: Ints, chance: Floats | None) -> Part:
        h, models = self.h.between(*at), self.models
        ceiling = None if chance is None else chance[at[0] : at[1]]
        again, names = score_repurchase(
            h, models.shop, models.again, self.allowed, ceiling if models.again.basis == "prior" else None
        )
        of_new = ceiling if models.new.predictor.basis == "prior" else None
        new, new_names = score_cross_sell(h, models.shop, models.new, self.scope, listed, of_new)
        pairs = _pairs(h, again, new, best_reason(h, self.sequences, new.customer, new.product))
        keep = np.ones(len(pairs), dtype=bool)
        if self.mode == "all_pairs":
            keep &= np.isin(pairs["customer_no"], h.customer_no[h.active(ACTIVE_DAYS)])
        if self.wanted is not None:
            keep &= np.isin(pairs["customer_no"], self.wanted)
        if not keep.all():
            pairs = pairs.loc[keep].reset_index(drop=True)
        bought_before = int((pairs["kind"] == "repurchase").sum())
        return pairs, (bought_before, len(pairs) - bought_before), (names, new_names)

    def nothing(self) -> pd.DataFrame:
        """The table of pairs without a row."""
        no, none = np.zeros(0, dtype=np.int64), np.zeros(0)
        again = Repurchase(no, no, none, none, none, none, self.models.again.basis)
        return _pairs(self.h, again, CrossSell(no, no, none, self.models.new.predictor.basis), (none, no))


def inside(chance: Floats) -> Floats:
    """Probabilities strictly between 0 and 1."""
    kept: Floats = np.clip(chance, SUREST, 1 - SUREST)
    return kept


def _in_order(
    function: Callable[[tuple[int, int]], Part], items: list[tuple[int, int]], workers: int
) -> Iterator[Part]:
    """Results in the order of the items; never more under way or waiting than one per worker and one more."""
    if workers <= 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        running: deque[Future[Part]] = deque()
        for item in items:
            running.append(pool.submit(function, item))
            if len(running) > workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def _pairs(h: History, again: Repurchase, new: CrossSell, reason: tuple[Floats, Ints]) -> pd.DataFrame:
    """Both kinds as one table, sorted by customer and product; every column is made in its final order."""
    lift, because = reason
    n_again, n_new = len(again.customer), len(new.customer)
    customer, product = np.concatenate([again.customer, new.customer]), np.concatenate([again.product, new.product])
    order = np.lexsort((product, customer))
    is_new = order >= n_again

    def words(first: str, second: str) -> Any:
        picked = pa.array([first, second], pa.large_string()).take(pa.array(is_new.astype(np.int8)))
        return picked.to_pandas()

    def expected(day: Floats) -> pd.DatetimeIndex:
        moment = np.full(n_again + n_new, np.datetime64("NaT"), dtype="datetime64[us]")
        moment[:n_again] = moments(day).tz_localize(None).to_numpy(dtype="datetime64[us]")
        return pd.DatetimeIndex(moment[order], copy=False).tz_localize("UTC")

    number = np.full(n_again + n_new, -1, dtype=np.int64)
    number[n_again:] = because
    number = number[order]
    because_no = h.product_no[np.maximum(number, 0)] if len(h.product_no) else np.zeros(len(number), dtype=np.int32)
    columns = {
        "customer_no": h.customer_no[customer[order]],
        "product_no": h.product_no[product[order]],
        "kind": words("repurchase", "cross_sell"),
        "probability": inside(np.concatenate([again.probability, new.probability])[order]),
        "lift": np.concatenate([np.full(n_again, np.nan), lift])[order],
        "because_product_no": pd.arrays.IntegerArray(because_no, number < 0),
        "expected_at": expected(again.expected),
        "expected_low": expected(again.low),
        "expected_high": expected(again.high),
        "basis": words(again.basis, new.basis),
    }
    return pd.DataFrame(columns, copy=False)
