"""Scores of repurchase pairs that need no training: what stands in for the model, and what it has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.gaps import Gaps, pair_gaps
from ml.history import Bools, Floats, History, tally

PRIOR_DAYS = 60.0  # a product's own repeat rate weighs as much as this many days of watching a pair
SHORTEST_EXPOSURE = 1.0
HALF_LIVES = (30.0, 60.0, 120.0)
LONGEST_WAIT = 3650.0


@dataclass(frozen=True)
class PairScores:
    """Closed-form chances of every pair, in the order of the history's pairs.

    poisson_gamma: a customer buys a product at a steady rate, drawn from a gamma distribution around the
    product's own repeat rate; the chance of at least one purchase in the horizon. Needs no more than one
    order. Source: Bhagat et al. (2018), "Buy It Again", KDD.
    ceiling: what the product's repeats allow. Where many watched for long and no one came back, it is ~0.
    """

    poisson_gamma: Floats
    ceiling: Floats


@dataclass(frozen=True)
class RepeatRates:
    """Per product: repeats a day of one owner, and whether anybody ever came back for it."""

    rate: Floats
    repeated: Bools


def repeat_rate(h: History) -> RepeatRates:
    """How fast owners come back for each product."""
    by_product = tally(h.pair_product, h.n_products, h.pair_count - 1)
    exposure = tally(h.pair_product, h.n_products, _watched(h))
    # Before anything was seen, one repeat in a year of watching.
    shop_rate = (by_product.sum() + 1) / (exposure.sum() + 365.0)
    return RepeatRates((by_product + 0.5) / (exposure + 0.5 / shop_rate), by_product > 0)


def _watched(h: History) -> Floats:
    watched: Floats = np.maximum(h.until - h.pair_first, SHORTEST_EXPOSURE)
    return watched


def closed_form(h: History, horizon: float, rates: RepeatRates | None = None) -> PairScores:
    """Chance of every pair within the horizon (days), without training.

    rates: learned from more customers than `h` holds; default from `h`.
    """
    known = rates or repeat_rate(h)
    alpha = PRIOR_DAYS * known.rate[h.pair_product] + h.pair_count - 1
    chance = 1 - (1 + horizon / (PRIOR_DAYS + _watched(h))) ** -alpha
    ceiling = np.where(known.repeated, 1.0, 1 - np.exp(-horizon * known.rate))[h.pair_product]
    return PairScores(np.minimum(chance, ceiling), ceiling)


def rules(h: History, gaps: Gaps | None = None, buyers: Floats | None = None) -> dict[str, Floats]:
    """One-line rules, a score per pair each: higher is likelier.

    frequency: orders with the product. recency: days since, negated. decayed_frequency: orders, each worth half
    as much per half-life of age; the half-life is tuned by whoever picks the best of them, and the plain name is
    the mix that wins most often (120 days and half of 30). due_rule: how near the wait is to the pair's usual
    gap. best_sellers: the product's buyers, whoever the customer is.

    gaps, buyers: of pairs and of products, if learned from more customers than `h` holds; default from `h`.
    """
    expected = (gaps or pair_gaps(h)).expected
    due = np.abs(h.until - h.pair_last - np.nan_to_num(expected, nan=LONGEST_WAIT))
    decayed = {life: h.decayed_counts(life) for life in HALF_LIVES}
    return {
        "decayed_frequency": decayed[120.0] + 0.5 * decayed[30.0],
        **{f"decayed_frequency_{life:.0f}d": score for life, score in decayed.items()},
        "frequency": h.pair_count,
        "recency": h.pair_last - h.until,
        "due_rule": -due,
        "best_sellers": (tally(h.pair_product, h.n_products) if buyers is None else buyers)[h.pair_product],
    }
