"""How good a ranking or a probability is: precision, lift and calibration, pooled and product by product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ml.history import Bools, Floats, Ints, group_ends, group_starts

MIN_POSITIVES = 10
TOP_SHARE = 0.05
BINS = 10


@dataclass(frozen=True)
class ProductScores:
    """One row per product with at least MIN_POSITIVES buyers."""

    product: Ints
    pairs: Ints
    positives: Ints
    average_precision: Floats
    lift_top5: Floats


def average_precision(label: Bools, score: Floats) -> float:
    """Mean precision at each positive, ranked by falling score; ties count as one block. NaN if no positive."""
    order = np.argsort(-score, kind="stable")
    hits, ranked = label[order].astype(np.float64), score[order]
    if hits.sum() == 0:
        return float("nan")
    ends = np.append(group_starts(ranked)[1:], len(ranked)) - 1
    true = np.cumsum(hits)[ends]
    gained = np.diff(np.concatenate([[0.0], true]))
    return float((gained * true / (ends + 1)).sum() / hits.sum())


def lift_at_top(label: Bools, score: Floats, share: float = TOP_SHARE) -> float:
    """Precision in the best `share` of pairs over the base rate; ties at the border count in proportion."""
    top = max(1, round(share * len(label)))
    border = np.partition(score, len(score) - top)[len(score) - top]
    above, at = score > border, score == border
    hits = label[above].sum() + (top - above.sum()) * label[at].mean()
    return float(hits / top / label.mean())


def by_product(product: Ints, label: Bools, score: Floats, minimum: int = MIN_POSITIVES) -> ProductScores:
    """Average precision and lift of each product with at least `minimum` positives."""
    order = np.argsort(product, kind="stable")
    starts = group_starts(product[order])
    ends = group_ends(starts, len(order))
    kept, found = [], []
    for start, end in zip(starts, ends, strict=True):
        rows = order[start:end]
        positives = int(label[rows].sum())
        if positives >= minimum:
            kept.append((int(product[rows[0]]), len(rows), positives))
            found.append((average_precision(label[rows], score[rows]), lift_at_top(label[rows], score[rows])))
    shape = np.array(kept, dtype=np.int64).reshape(-1, 3)
    quality = np.array(found, dtype=np.float64).reshape(-1, 2)
    return ProductScores(shape[:, 0], shape[:, 1], shape[:, 2], quality[:, 0], quality[:, 1])


def calibration_table(label: Bools, probability: Floats, bins: int = BINS) -> list[dict[str, float]]:
    """Mean probability against the observed share in bins of equal size, lowest first."""
    order = np.argsort(probability, kind="stable")
    return [
        {
            "pairs": float(len(rows)),
            "predicted": float(probability[rows].mean()),
            "observed": float(label[rows].mean()),
        }
        for rows in np.array_split(order, bins)
        if len(rows)
    ]


def calibration_error(label: Bools, probability: Floats, bins: int = 2 * BINS) -> float:
    """Expected calibration error: mean |predicted - observed| over bins of equal size. NaN without pairs."""
    table = calibration_table(label, probability, bins)
    if not table:
        return float("nan")
    weight = np.array([row["pairs"] for row in table])
    gap = np.array([abs(row["predicted"] - row["observed"]) for row in table])
    return float((weight * gap).sum() / weight.sum())


def summary(product: Ints, label: Bools, score: Floats) -> dict[str, Any]:
    """Macro means over products, and the pooled average precision; None where nothing can be measured."""
    scores = by_product(product, label, score)
    measured = len(scores.product) > 0
    return {
        "products": len(scores.product),
        "average_precision": float(scores.average_precision.mean()) if measured else None,
        "lift_top5": float(scores.lift_top5.mean()) if measured else None,
        "pooled_average_precision": average_precision(label, score) if bool(label.any()) else None,
    }


def product_rows(product: Ints, label: Bools, score: Floats) -> list[dict[str, Any]]:
    """The same product by product; `product` holds whatever number the caller gives."""
    scores = by_product(product, label, score)
    columns = (scores.product, scores.pairs, scores.positives, scores.average_precision, scores.lift_top5)
    return [
        {
            "product": int(p),
            "pairs": int(n),
            "positives": int(k),
            "average_precision": float(ap),
            "lift_top5": float(lift),
        }
        for p, n, k, ap, lift in zip(*columns, strict=True)
    ]
