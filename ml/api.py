"""The one door into prediction: order lines in; pairs, associations, customer values, base rates, card out.

Pure: the moment, the horizon and the seed are arguments. The same rows give the same result in whatever order
they come, and rows at or after `as_of` change nothing but their own count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from ml.affinity import Affinities
from ml.associations import associations, count_sequences
from ml.base_rates import base_rates
from ml.cross_sell import Scope, fit_cross_sell, segment_candidates
from ml.evidence import ScoreCounts
from ml.history import Bools, History, Ints, history_of, moments
from ml.levels import no_types, type_level
from ml.lifetime_value import customer_values
from ml.lines import purchases
from ml.pair_model import sample, windows
from ml.repurchase import fit_repurchase
from ml.scoring import Counts, Models, Names, Scorer, inside
from ml.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import numpy.typing as npt

Mode = Literal["segments", "best", "all_pairs"]
MAX_HORIZON = 90
FEW_PRODUCTS = 300
MAX_TEACHERS = 250_000


def _silent(_message: str) -> None:
    """Progress goes nowhere unless someone asks."""


@dataclass(frozen=True)
class Predictions:
    """What one run found; times are UTC, missing values null.

    pairs: customer_no, product_no, kind (repurchase | cross_sell), probability, lift and because_product_no
        (cross-sell), expected_at, expected_low, expected_high (repurchase; 80% interval, the past if overdue),
        basis (model | baseline | prior); sorted by customer and product, each pair once.
    associations: a, b, customers_a, customers_b, customers_ab, lift, lift_shrunk, p_value, q_value.
    customers: customer_no, p_order_30d, p_order_60d, p_order_90d, orders_12m, value_12m, next_order_at,
        next_order_low, next_order_high.
    base_rates: product_no, kind, base_rate, positives, eligible, on the last complete window.
    card: windows, sizes, metrics of model and baselines on the latest complete window, calibration, basis; how many
        lines came in, how many were left_out (by reason) and changed_lines (by what was done, such as merged).
    type_pairs: customer_no, product_type, kind, probability, lift, because_product_type, basis: the same for any
        product of a type, in mode "segments", of types with two products or more.
    type_base_rates: product_type in place of product_no.
    """

    pairs: pd.DataFrame
    associations: pd.DataFrame
    customers: pd.DataFrame
    base_rates: pd.DataFrame
    type_pairs: pd.DataFrame
    type_base_rates: pd.DataFrame
    card: dict[str, Any]


def predict(
    lines: pd.DataFrame,
    products: pd.DataFrame | None,
    customers: pd.DataFrame | None,
    as_of: pd.Timestamp,
    horizon_days: int,
    candidates: Collection[int] | None,
    seed: int,
    *,
    mode: Mode = "segments",
    progress: Callable[[str], None] = _silent,
    workers: int = 1,
    sink: Callable[[pd.DataFrame], None] | None = None,
    type_sink: Callable[[pd.DataFrame], None] | None = None,
) -> Predictions:
    """Predict what each customer buys within [as_of, as_of + horizon_days).

    lines: one row per order line that counts: customer_no (int32), order_id, ordered_at (UTC), product_no
        (int32), quantity, unit_price (float), optionally product_type and discount. What is no purchase is left
        out and counted by reason, as `ml.lines` says: lines at or after as_of, returns, broken ones.
    products: optionally product_no, product_type, and active (bool). With `active`, products that are inactive, or
        not in the table any more, are not offered as new; who bought them may still buy them again.
    customers: optionally customer_no; if given, only these customers are in the result. Everyone teaches.
    horizon_days: 1 to 90.
    candidates: product numbers to offer; None stands for the 100 with most buyers in the last 90 days
        ("segments") or every product that was sold ("best", "all_pairs").
    mode: "segments": every pair bought before, every customer active in the last 365 days on each candidate,
        and each such customer's 50 best of the whole catalogue. "best": among the candidates, every pair bought
        before and each customer's 50 best new ones. "all_pairs": active customers x candidates.
    workers: threads that score customers side by side; the result is the same.
    sink: takes the pairs some ten thousand customers at a time, in order, each part with the same columns; then
        the result's own pairs are empty, and memory does not grow with them.
    type_sink: the same for pairs of product types.

    Never fails for want of data: without enough complete windows the result rests on closed forms, and `basis`
    says so. Raises ValueError for missing columns or a horizon out of range.
    """
    if not 1 <= horizon_days <= MAX_HORIZON:
        raise ValueError(f"horizon_days is {horizon_days}, must be 1 to {MAX_HORIZON}")
    named = None if candidates is None else np.unique(np.array(list(candidates), dtype=np.int64))
    # One thread each: sums come out the same on every machine, and on shared cores spinning BLAS threads cost ten
    # times what they save on the many small steps. The limit ends with the call.
    with threadpool_limits(limits=1):
        bought = purchases(lines, as_of)
        h = history_of(bought, products, as_of, named)
        of_lines = bought.card(len(h.day))
        del lines, bought  # a giant shop's lines take a gigabyte, and what follows needs the room
        progress(f"{len(h.order_day)} orders of {h.n_customers} customers, {h.n_products} products")
        wanted = None if customers is None else customers["customer_no"].to_numpy()
        run = Run(h, float(horizon_days), seed, mode, progress, workers)
        found = run.everything(products, named, wanted, sink, type_sink)
        found.card.update(of_lines)
        return found


@dataclass(frozen=True)
class Run:
    """One prediction: whose shop, how far ahead, from which seed, whom to tell how it goes, and on how many threads."""

    h: History
    horizon: float
    seed: int
    mode: Mode
    progress: Callable[[str], None]
    workers: int = 1

    def everything(
        self,
        products: pd.DataFrame | None,
        named: Ints | None,
        wanted: npt.NDArray[Any] | None,
        sink: Callable[[pd.DataFrame], None] | None,
        type_sink: Callable[[pd.DataFrame], None] | None,
    ) -> Predictions:
        """Learn, score, and put together what `predict` returns."""
        h = self.h
        scorer, again_card, new_card = self.scorer(products, named, wanted)
        found = associations(h, scorer.sequences)
        self.progress(f"{len(found)} associations")
        values, values_card = customer_values(h)
        for name in (column for column in values.columns if column.startswith("p_order_")):
            values[name] = inside(values[name].to_numpy())
        pairs, counts, names, scores = self._score(scorer, sink)
        again_card["features"], new_card["features"] = names
        again_card["scores"], new_card["scores"] = scores.of("repurchase"), scores.of("cross_sell")
        if wanted is not None:
            values = values.loc[np.isin(values["customer_no"], wanted)].reset_index(drop=True)
        card = _card(h, int(self.horizon), self.seed, again_card, new_card, values_card)
        card["sizes"]["pairs"], card["sizes"]["associations"] = sum(counts), len(found)
        type_pairs, type_rates, card["types"] = self._types(scorer, type_sink)
        return Predictions(pairs, found, values, base_rates(h, self.horizon), type_pairs, type_rates, card)

    def scorer(
        self, products: pd.DataFrame | None, named: Ints | None, wanted: npt.NDArray[Any] | None
    ) -> tuple[Scorer, dict[str, Any], dict[str, Any]]:
        """Learn both models: what scores everybody, and what the card says of repurchase and of cross-sell.

        named: sorted product numbers to offer; wanted: customer numbers, if not all.
        """
        h = self.h
        codes = None if named is None else np.searchsorted(h.product_no, named)
        scope = _scope(h, products, codes, self.mode)
        narrow = codes is not None and self.mode != "segments"
        limited = _codes_mask(h, codes) if narrow and codes is not None else np.ones(h.n_products, dtype=bool)
        models, again_card, new_card = self._learn(h, scope, limited)
        return Scorer(h, models, scope, limited, count_sequences(h), self.mode, wanted), again_card, new_card

    def _score(
        self, scorer: Scorer, sink: Callable[[pd.DataFrame], None] | None
    ) -> tuple[pd.DataFrame, Counts, Names, ScoreCounts]:
        parts: list[pd.DataFrame] = []
        scores = ScoreCounts(sink or parts.append)
        counts, names = scorer.run(scores.add, self.workers, self.progress)
        if not parts:
            parts.append(scorer.nothing())
        return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0], counts, names, scores

    def _types(
        self, products: Scorer, sink: Callable[[pd.DataFrame], None] | None
    ) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
        """Pairs and base rates of product types, and their part of the card.

        By a line alone: a type has many more buyers than a product, and trees cost more than they bring there.
        """
        level = type_level(self.h, products.scope.allowed) if self.mode == "segments" else None
        if level is None:
            return *no_types(), {"types": 0, "pairs": 0}
        h = level.h
        self.progress(f"{int(level.allowed.sum())} product types")
        models, again_card, new_card = self._learn(h, level.scope, level.allowed, with_trees=False)
        scorer = Scorer(h, models, level.scope, level.allowed, count_sequences(h), self.mode, products.wanted)
        pairs, counts, _names, _scores = self._score(scorer, level.named(sink) if sink else None)
        card: dict[str, Any] = {"types": int(level.allowed.sum()), "pairs": sum(counts)}
        for kind, part in (("repurchase", again_card), ("cross_sell", new_card)):
            card[kind] = {name: value for name, value in part.items() if name != "products"}
        return level.by_name(pairs), level.rates_by_name(base_rates(h, self.horizon)), card

    def _learn(
        self, h: History, scope: Scope, limited: Bools, *, with_trees: bool = True
    ) -> tuple[Models, dict[str, Any], dict[str, Any]]:
        affinities = Affinities(scope.marked_at)
        # A giant shop's customers say nothing together that a quarter of a million of them don't.
        teachers = h if h.n_customers <= MAX_TEACHERS else h.of(sample(h.n_customers, MAX_TEACHERS, self.seed))
        again, again_card = fit_repurchase(
            teachers, self.horizon, limited, self.seed, affinities, with_trees=with_trees
        )
        self.progress(f"repurchase learned ({again.basis})")
        new, new_card = fit_cross_sell(teachers, self.horizon, scope, self.seed, affinities)
        self.progress(f"cross-sell learned ({new.predictor.basis})")
        shop = Shop(teachers, affinities.at(teachers), self.horizon)
        return Models(shop, again, new), again_card, new_card


def _codes_mask(h: History, codes: Ints) -> Bools:
    mask = np.zeros(h.n_products, dtype=bool)
    mask[codes] = True
    return mask


def _scope(h: History, products: pd.DataFrame | None, codes: Ints | None, mode: Mode) -> Scope:
    allowed = np.ones(h.n_products, dtype=bool)
    if products is not None and "active" in products.columns:
        active = products["active"].astype(bool)
        # Who is in the lines but not in the table has vanished from the shop.
        allowed &= np.isin(h.product_no, products.loc[active, "product_no"].to_numpy())
        allowed &= ~np.isin(h.product_no, products.loc[~active, "product_no"].to_numpy())
    if mode == "segments":
        listed = None if codes is None else codes[allowed[codes]]
        return Scope(listed, allowed, retrieve=True, keep_listed=True)
    if codes is not None:
        allowed &= _codes_mask(h, codes)
    everything = np.flatnonzero(allowed)
    if mode == "all_pairs":
        return Scope(everything, allowed, retrieve=False, keep_listed=True)
    few = len(everything) <= FEW_PRODUCTS
    return Scope(everything if few else everything[:0], allowed, retrieve=not few, keep_listed=False)


def _card(
    h: History, horizon_days: int, seed: int, again: dict[str, Any], new: dict[str, Any], values: dict[str, Any]
) -> dict[str, Any]:
    """The run in words and numbers that survive JSON."""
    plan = windows(h.begins, h.until, float(horizon_days))

    def moment(day: float) -> str:
        return str(moments(np.array([day]))[0].isoformat())

    for part in (again, new):
        for row in part.get("products", []):
            row["product_no"] = int(h.product_no[row.pop("product")])
    candidates = segment_candidates(h, np.ones(h.n_products, dtype=bool))
    return {
        "as_of": moment(h.until),
        "horizon_days": horizon_days,
        "seed": seed,
        "windows": {
            "history_begins": moment(h.begins),
            "latest": None if plan.latest is None else moment(plan.latest),
            "training": [moment(day) for day in plan.training],
        },
        "sizes": {
            "customers": h.n_customers,
            "products": h.n_products,
            "orders": len(h.order_day),
            "purchases": len(h.day),
            "repurchase_pairs": len(h.pair_starts),
        },
        "segment_candidates": [int(number) for number in h.product_no[candidates]],
        "repurchase": again,
        "cross_sell": new,
        "customers": values,
    }
