"""How long a customer waits before buying the same product again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.history import Floats, History, Ints, contains, group_ends, group_starts, sums, tally

PRIOR_GAPS = 2.0  # the product's typical gap counts as much as two gaps of the customer's own
SHORTEST_GAP = 1.0  # days; two orders on one day are one shopping trip
LONGEST_STRETCH = 4.0
STOCKING = 0.5  # half of a bigger last purchase is stocking up, half is using more
NORMAL_80 = 1.2816
DEFAULT_SPREAD = 0.6  # of the logarithm of gaps, until a shop shows its own
MIN_GAPS = 5


@dataclass(frozen=True)
class Gaps:
    """One value per pair of the history, in days; products no one ever bought twice have NaN gaps.

    product: typical gap of the pair's product. shrunk: the customer's own mean gap, pulled to the product's.
    expected: shrunk, stretched by the last quantity. spread: standard deviation of log gaps.
    """

    product: Floats
    shrunk: Floats
    expected: Floats
    quantity_ratio: Floats
    spread: float


def group_median(group: Ints, values: Floats, n_groups: int) -> Floats:
    """Lower median of the values of each group, NaN for groups without any."""
    order = np.lexsort((values, group))
    starts = group_starts(group[order])
    sizes = group_ends(starts, len(order)) - starts
    median = np.full(n_groups, np.nan)
    median[group[order][starts]] = values[order][starts + (sizes - 1) // 2]
    return median


@dataclass(frozen=True)
class ProductGaps:
    """What a shop's customers together say.

    typical, quantity: per product, its gap in days (NaN if never bought twice) and its usual quantity.
    spread: standard deviation of log gaps, pooled over the shop.
    """

    typical: Floats
    quantity: Floats
    spread: float


def _own_mean(h: History) -> Floats:
    own: Floats = np.maximum((h.pair_last - h.pair_first) / np.maximum(h.pair_count - 1, 1), SHORTEST_GAP)
    return own


def product_gaps(h: History) -> ProductGaps:
    """The usual gap and quantity of every product."""
    again = h.pair_count > 1
    own_mean = _own_mean(h)
    product, category = h.pair_product[again], h.category[h.pair_product[again]]
    of_product = group_median(product, own_mean[again], h.n_products)
    n_gaps = tally(product, h.n_products)
    of_category = group_median(category, own_mean[again], int(h.category.max(initial=0)) + 1)[h.category]
    # A product with one or two repeats borrows from its type.
    weight = n_gaps / (n_gaps + PRIOR_GAPS)
    typical = np.where(n_gaps > 0, weight * np.nan_to_num(of_product) + (1 - weight) * of_category, np.nan)
    return ProductGaps(typical, group_median(h.product, h.quantity, h.n_products), _spread(h))


def pair_gaps(h: History, of_products: ProductGaps | None = None) -> Gaps:
    """Estimate every pair's gap from its own purchases and its product's.

    of_products: learned from more customers than `h` holds; default from `h`.
    """
    usual = of_products or product_gaps(h)
    typical = usual.typical[h.pair_product]
    own_total = h.pair_last - h.pair_first
    shrunk = (PRIOR_GAPS * typical + own_total) / (PRIOR_GAPS + h.pair_count - 1)
    shrunk = np.maximum(shrunk, SHORTEST_GAP)
    ratio = _quantity_ratio(h, usual.quantity)
    stretch = np.clip(ratio, 1 / LONGEST_STRETCH, LONGEST_STRETCH) ** STOCKING
    return Gaps(typical, shrunk, shrunk * stretch, ratio, usual.spread)


def _quantity_ratio(h: History, of_product: Floats) -> Floats:
    """Last quantity over the customer's usual one, which is pulled to the product's."""
    last = h.quantity[h.pair_starts + h.pair_count.astype(np.int64) - 1]
    usual = of_product[h.pair_product]
    own = sums(h.quantity, h.pair_starts)
    return last / ((PRIOR_GAPS * usual + own) / (PRIOR_GAPS + h.pair_count))


def _spread(h: History) -> float:
    """Standard deviation of log gaps around their pair's mean, pooled over the shop."""
    gap = np.diff(h.day, prepend=np.nan)
    pair = np.repeat(np.arange(len(h.pair_starts)), h.pair_count.astype(np.int64))
    inner = np.ones(len(gap), dtype=bool)
    inner[h.pair_starts] = False
    logs, pair = np.log(np.maximum(gap[inner], SHORTEST_GAP)), pair[inner]
    size = tally(pair, len(h.pair_starts))
    mean = tally(pair, len(h.pair_starts), logs) / np.maximum(size, 1)
    freedom = int((size[size > 1] - 1).sum())
    if freedom < MIN_GAPS:
        return DEFAULT_SPREAD
    squares = ((logs - mean[pair]) ** 2)[size[pair] > 1].sum()
    return float(max(np.sqrt(squares / freedom), 1e-3))


def expected_purchase(h: History, gaps: Gaps) -> tuple[Floats, Floats, Floats]:
    """When each pair's next purchase is expected, with the borders of an 80% interval (days since 1970).

    The moment may lie before `until`: the customer is then overdue. NaN for products never bought twice.
    """
    wide = np.exp(NORMAL_80 * gaps.spread)
    return (
        h.pair_last + gaps.expected,
        h.pair_last + gaps.expected / wide,
        h.pair_last + gaps.expected * wide,
    )


def repeat_rates(h: History, horizon: float) -> Floats:
    """Per product: share of owners at `until` - horizon who bought it again since, pulled to the shop's share."""
    earlier = h.before(h.until - horizon)
    again = contains(h.bought_between(earlier.until, h.until), earlier.pair_keys)
    owners = tally(earlier.pair_product, h.n_products)
    buyers = tally(earlier.pair_product, h.n_products, again)
    overall = (buyers.sum() + 1) / (owners.sum() + 10)
    prior = 10.0
    shrunk: Floats = (buyers + prior * overall) / (owners + prior)
    return shrunk
