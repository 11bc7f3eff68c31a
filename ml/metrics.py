"""How good a ranking or a probability is: precision, lift and calibration, pooled and product by product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from ml.history import Bools, Floats, Ints, group_ends, group_starts

MIN_POSITIVES = 10
TOP_SHARE, WIDER_SHARE = 0.05, 0.10
BINS = 10
ECE_BINS = 15
BEST = 10
RECALL_CUSTOMERS = 500
CONFIDENCE = 0.95


@dataclass(frozen=True)
class ProductScores:
    """One row per product with at least MIN_POSITIVES buyers.

    recall_top10: share of the product's buyers that are among the best 10% of the customers it was scored for.
    """

    product: Ints
    pairs: Ints
    positives: Ints
    average_precision: Floats
    auc: Floats
    lift_top5: Floats
    lift_top10: Floats
    recall_top10: Floats


class _Ranking:
    """Labels by falling score, in blocks of equal score: one sorting serves every measure."""

    def __init__(self, label: Bools, score: Floats) -> None:
        order = np.argsort(-score, kind="stable")
        hits, ranked = label[order].astype(np.float64), score[order]
        # How many pairs, and how many buyers among them, up to the end of each block.
        self.seen = np.append(group_starts(ranked)[1:], len(ranked)).astype(np.float64)
        self.found = np.cumsum(hits)[self.seen.astype(np.int64) - 1] if len(ranked) else np.zeros(0)
        self.pairs, self.positives = len(ranked), float(hits.sum())

    def average_precision(self) -> float:
        if self.positives == 0:
            return float("nan")
        gained = np.diff(self.found, prepend=0.0)
        return float((gained * self.found / self.seen).sum() / self.positives)

    def auc(self) -> float:
        negatives = self.pairs - self.positives
        if self.positives == 0 or negatives == 0:
            return float("nan")
        gained = np.diff(self.found, prepend=0.0)
        others = np.diff(self.seen, prepend=0.0) - gained
        return float((others * (self.found - gained / 2)).sum() / self.positives / negatives)

    def hits_at(self, share: float) -> tuple[float, int]:
        """Buyers among the best `share` of pairs, and how many pairs that is; ties at the border in proportion."""
        top = max(1, round(share * self.pairs))
        block = int(np.searchsorted(self.seen, top))
        seen, found = (self.seen[block - 1], self.found[block - 1]) if block else (0.0, 0.0)
        rate = (self.found[block] - found) / (self.seen[block] - seen)
        return float(found + (top - seen) * rate), top

    def lift_at(self, share: float) -> float:
        hits, top = self.hits_at(share)
        return hits / top / (self.positives / self.pairs) if self.positives else float("nan")


def average_precision(label: Bools, score: Floats) -> float:
    """Mean precision at each positive, ranked by falling score; ties count as one block. NaN if no positive."""
    return _Ranking(label, score).average_precision()


def area_under_curve(label: Bools, score: Floats) -> float:
    """P(a buyer scores higher than another pair), ties counting half. NaN without both kinds."""
    return _Ranking(label, score).auc()


def lift_at_top(label: Bools, score: Floats, share: float = TOP_SHARE) -> float:
    """Precision in the best `share` of pairs over the base rate; ties at the border count in proportion."""
    return _Ranking(label, score).lift_at(share)


def by_product(product: Ints, label: Bools, score: Floats, minimum: int = MIN_POSITIVES) -> ProductScores:
    """How well each product with at least `minimum` positives ranks its customers."""
    enough = np.bincount(product[label], minlength=int(product.max(initial=0)) + 1) >= max(minimum, 1)
    rows_of = np.flatnonzero(enough[product])
    order = rows_of[np.argsort(product[rows_of], kind="stable")]
    starts = group_starts(product[order])
    kept, found = [], []
    for start, end in zip(starts, group_ends(starts, len(order)), strict=True):
        rows = order[start:end]
        one = _Ranking(label[rows], score[rows])
        hits, _top = one.hits_at(WIDER_SHARE)
        kept.append((int(product[rows[0]]), len(rows), int(one.positives)))
        lifts = (one.lift_at(TOP_SHARE), one.lift_at(WIDER_SHARE))
        found.append((one.average_precision(), one.auc(), *lifts, hits / one.positives))
    shape = np.array(kept, dtype=np.int64).reshape(-1, 3)
    quality = np.array(found, dtype=np.float64).reshape(-1, 5)
    return ProductScores(*shape.T, *quality.T)


def customer_recall(customer: Ints, product: Ints, label: Bools, score: Floats, best: int = BEST) -> float | None:
    """Mean over customers who bought: the share of what they bought that is among their `best` scores.

    Of many customers some are drawn; ties go to the smaller product code. None if nobody bought.
    """
    buyers = np.unique(customer[label])
    if len(buyers) > RECALL_CUSTOMERS:
        buyers = np.sort(np.random.default_rng(0).choice(buyers, RECALL_CUSTOMERS, replace=False))
    chosen = np.zeros(int(customer.max(initial=0)) + 1, dtype=bool)
    chosen[buyers] = True
    bought = chosen[customer]
    who, what, hit, value = customer[bought], product[bought], label[bought], score[bought]
    if len(who) == 0:
        return None
    order = np.lexsort((what, -value, who))
    starts = group_starts(who[order])
    rank = np.arange(len(order)) - np.repeat(starts, group_ends(starts, len(order)) - starts)
    hits = hit[order].astype(np.float64)
    caught = np.add.reduceat(hits * (rank < best), starts) / np.add.reduceat(hits, starts)
    return float(caught.mean())


def calibration_table(label: Bools, probability: Floats, bins: int = BINS) -> list[dict[str, float]]:
    """Mean probability against the observed share in bins of equal size, lowest first.

    low, high: 95% interval of the observed share as if pairs were independent.
    Source: Wilson (1927), "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    order = np.argsort(probability, kind="stable")
    table = []
    for rows in np.array_split(order, bins):
        if len(rows):
            bought = int(label[rows].sum())
            low, high = binomtest(bought, len(rows)).proportion_ci(CONFIDENCE, method="wilson")
            share, chance = bought / len(rows), float(probability[rows].mean())
            table.append(
                {
                    "pairs": float(len(rows)), "predicted": chance, "observed": share,
                    "low": float(low), "high": float(high),
                }
            )  # fmt: skip
    return table


def calibration_error(label: Bools, probability: Floats, bins: int = ECE_BINS) -> float:
    """Expected calibration error: mean |predicted - observed| over bins of equal size. NaN without pairs."""
    order = np.argsort(probability, kind="stable")
    parts = [rows for rows in np.array_split(order, bins) if len(rows)]
    if not parts:
        return float("nan")
    gaps = [abs(float(probability[rows].sum()) - float(label[rows].sum())) for rows in parts]
    return float(sum(gaps) / len(label))


def probability_quality(label: Bools, probability: Floats) -> dict[str, float | None]:
    """How true probabilities are: squared error, calibration error, buyers expected. None without pairs."""
    if len(label) == 0:
        return {"brier": None, "ece": None, "expected": None}
    return {
        "brier": float(np.mean((probability - label) ** 2)),
        "ece": calibration_error(label, probability),
        "expected": float(probability.sum()),
    }


def summary(product: Ints, label: Bools, score: Floats) -> dict[str, Any]:
    """Means over products; None where nothing can be measured."""
    scores = by_product(product, label, score)
    columns = ("average_precision", "auc", "lift_top5", "lift_top10", "recall_top10")
    return {
        "products": len(scores.product),
        **{name: _mean(getattr(scores, name)) for name in columns},
    }


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def product_rows(product: Ints, label: Bools, score: Floats, probability: Floats | None = None) -> list[dict[str, Any]]:
    """The same product by product; `product` holds whatever number the caller gives.

    probability: also says how many buyers each product was expected to have.
    """
    scores = by_product(product, label, score)
    expected = np.bincount(product, probability) if probability is not None and len(product) else None
    rows = []
    for place, number in enumerate(scores.product.tolist()):
        row: dict[str, Any] = {
            "product": number,
            "pairs": int(scores.pairs[place]),
            "positives": int(scores.positives[place]),
        }
        for name in ("average_precision", "auc", "lift_top5", "lift_top10", "recall_top10"):
            value = float(getattr(scores, name)[place])
            row[name] = None if np.isnan(value) else value
        row["expected"] = None if expected is None else float(expected[number])
        rows.append(row)
    return rows
