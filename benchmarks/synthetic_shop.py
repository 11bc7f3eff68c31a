"""A synthetic shop of any size: Zipf products, seasons, repeat rhythms, planted associations; equal by seed.

A customer joins, orders at a pace of their own until they leave, and fills each order with what is due again, with
what an earlier purchase leads to, and with finds, mostly from the two or three product types that they like.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

LIKED_TYPES = 3
ZIPF = 0.9
ORDERS_EACH = 11.0  # that a customer would place; about five of them lie within two years
MOST_ORDERS = 80
NEVER = 1e6
LINES_EACH = 2.45
YEAR = 365.0
LEADS_TO = 0.25  # chance that the order after one with A has its partner B


@dataclass(frozen=True)
class SyntheticShop:
    """lines: columns as `ml.api.predict` takes them. products: product_no and product_type. planted: (A, B) pairs."""

    lines: pd.DataFrame
    products: pd.DataFrame
    planted: set[tuple[int, int]]
    until: pd.Timestamp


@dataclass(frozen=True)
class _Catalogue:
    kind: Ints  # product type of each product
    popularity: Floats
    gap: Floats  # days until a product is used up; NEVER for what is bought once
    peak: Floats  # day of the year at which it sells best
    partner: Ints  # what it leads to, or -1
    by_type: list[Ints]


def synthetic_shop(
    customers: int, products: int = 5_000, types: int = 60, pairs: int = 200, days: int = 730, seed: int = 7
) -> SyntheticShop:
    """Build the shop: about ORDERS_EACH orders per customer and LINES_EACH lines per order, over `days`."""
    rng = np.random.default_rng(seed)
    catalogue = _catalogue(rng, products, types, pairs)
    count, day, owner = _orders(rng, customers, days)
    order, product = _baskets(rng, catalogue, count, day, owner)
    quantity = 1.0 + (rng.random(len(product)) < 0.15)  # noqa: PLR2004 - one line in seven is for two
    price = np.round(np.exp(rng.normal(3.0, 0.6, products)), 2)
    until = pd.Timestamp("2026-06-01", tz="UTC")
    begins = until - pd.Timedelta(days=days)
    lines = pd.DataFrame(
        {
            "customer_no": owner[order].astype(np.int32),
            "order_id": order,
            "ordered_at": begins + pd.to_timedelta(np.round(day[order] * 86_400), unit="s"),
            "product_no": product.astype(np.int32),
            "quantity": quantity,
            "unit_price": price[product],
        }
    )
    table = pd.DataFrame({"product_no": np.arange(products, dtype=np.int32)})
    table["product_type"] = np.array([f"type {k:02d}" for k in range(types)])[catalogue.kind]
    planted = {(int(a), int(catalogue.partner[a])) for a in np.flatnonzero(catalogue.partner >= 0)}
    return SyntheticShop(lines, table, planted, until)


def _catalogue(rng: np.random.Generator, products: int, types: int, pairs: int) -> _Catalogue:
    kind = rng.integers(0, types, products)
    popularity = 1 / np.arange(1, products + 1) ** ZIPF
    gap = np.where(rng.random(products) < 0.5, rng.gamma(6.0, 9.0, products), NEVER)  # noqa: PLR2004 - half are used up
    members = rng.permutation(np.arange(products // 100, products // 2))[: 2 * pairs]
    partner = np.full(products, -1)
    partner[members[::2]] = members[1::2]
    by_type = [np.flatnonzero(kind == one) for one in range(types)]
    return _Catalogue(kind, popularity, gap, rng.uniform(0, YEAR, products), partner, by_type)


def _orders(rng: np.random.Generator, customers: int, days: int) -> tuple[Ints, Floats, Ints]:
    """Orders per customer, and day and customer of each order, by customer and time."""
    pace = np.exp(rng.normal(np.log(60.0), 0.6, customers))  # days between orders
    count = np.minimum(1 + rng.negative_binomial(0.7, 0.7 / (ORDERS_EACH + 0.7), customers), MOST_ORDERS)
    owner = np.repeat(np.arange(customers), count)
    gap = rng.gamma(2.0, 0.5, len(owner)) * pace[owner]
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    gap[first] = rng.uniform(0, days, customers)  # the day of joining
    total = np.cumsum(gap)
    day = total - (total[first] - gap[first])[owner]
    kept = day < days
    owner, day = owner[kept], day[kept]
    return np.bincount(owner, minlength=customers), day, owner


def _baskets(
    rng: np.random.Generator, catalogue: _Catalogue, count: Ints, day: Floats, owner: Ints
) -> tuple[Ints, Ints]:
    """Order and product of each line."""
    liked = rng.integers(0, len(catalogue.by_type), (len(count), LIKED_TYPES))
    size = 1 + rng.poisson(LINES_EACH - 1, len(owner))
    order = np.repeat(np.arange(len(owner)), size)
    product = _finds(rng, catalogue, liked[owner[order]], day[order])
    line_first = np.concatenate([[0], np.cumsum(size)[:-1]])
    order_first = np.concatenate([[0], np.cumsum(count)[:-1]])
    place = np.arange(len(owner)) - order_first[owner]
    own_first = line_first[np.minimum(order_first, len(owner) - 1)]
    # Order by order, for all customers at once: what is due depends on what the orders before really held.
    for turn in range(1, int(place.max(initial=0)) + 1):
        lines = _lines_of(place, line_first, size, turn)
        mine = order[lines]
        start, end = own_first[owner[mine]], line_first[mine]
        earlier = start + (rng.random(len(lines)) * (end - start)).astype(np.int64)
        wait, gap = day[mine] - day[order[earlier]], catalogue.gap[product[earlier]]
        due = rng.random(len(lines)) < 0.8 * np.exp(-(np.log((wait + 1) / (gap + 1)) ** 2) / 0.5)
        product[lines[due]] = product[earlier[due]]
        before = line_first[mine - 1] + (rng.random(len(lines)) * size[mine - 1]).astype(np.int64)
        partner = catalogue.partner[product[before]]
        led = ~due & (partner >= 0) & (rng.random(len(lines)) < LEADS_TO)
        product[lines[led]] = partner[led]
    return order, product


def _lines_of(place: Ints, line_first: Ints, size: Ints, turn: int) -> Ints:
    """The lines of everybody's order number `turn`."""
    orders = np.flatnonzero(place == turn)
    many = size[orders]
    offset = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    lines: Ints = np.repeat(line_first[orders], many) + offset
    return lines


def _finds(rng: np.random.Generator, catalogue: _Catalogue, liked: Ints, day: Floats) -> Ints:
    """A product for every line by popularity, two in three from a liked type; out of season half are drawn again."""
    share = catalogue.popularity / catalogue.popularity.sum()
    product = rng.choice(len(share), len(day), p=share)
    one_of = liked[np.arange(len(day)), rng.integers(0, LIKED_TYPES, len(day))]
    wanted = np.where(rng.random(len(day)) < 2 / 3, one_of, -1)
    for one, members in enumerate(catalogue.by_type):
        rows = np.flatnonzero(wanted == one)
        if len(members) and len(rows):
            weight = catalogue.popularity[members]
            product[rows] = rng.choice(members, len(rows), p=weight / weight.sum())
    distance = np.abs((day % YEAR) - catalogue.peak[product])
    off_season = np.minimum(distance, YEAR - distance) > YEAR / 4
    again = off_season & (rng.random(len(day)) < 0.5)  # noqa: PLR2004 - half
    product[again] = rng.choice(len(share), int(again.sum()), p=share)
    return product
