"""A shop's purchases as flat, sorted arrays, cut at a moment: what every predictor looks at.

Nothing here sees a row at or after the moment it is cut at, and nothing depends on the order in which rows
arrive: rows are put into one canonical order before anything is added up, so that sums agree to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.lines import MICROSECONDS_PER_DAY, Purchases, days, purchases

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]  # wide tables of model inputs, at half the memory
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def moments(day: Floats) -> pd.DatetimeIndex:
    """The UTC moments (microseconds) of `days`, NaN as NaT."""
    micros = np.where(np.isnan(day), 0.0, np.round(day * MICROSECONDS_PER_DAY)).astype(np.int64)
    index = pd.DatetimeIndex(micros.astype("datetime64[us]"), tz="UTC")
    return pd.DatetimeIndex(index.where(~np.isnan(day)))


def group_starts(*keys: npt.NDArray[Any]) -> Ints:
    """Where a new group begins in arrays that are sorted by these keys."""
    size = len(keys[0])
    if size == 0:
        return np.zeros(0, dtype=np.int64)
    changed = np.zeros(size, dtype=bool)
    changed[0] = True
    for key in keys:
        changed[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(changed)


def group_ends(starts: Ints, size: int) -> Ints:
    """Where each group ends (exclusive)."""
    return np.append(starts[1:], size)[: len(starts)].astype(np.int64)


def scattered(numbers: Ints) -> Ints:
    """Numbers whose last digits tell nothing of neighbours: a fixed draw (Knuth's multiplicative hashing)."""
    found: Ints = (numbers * 2654435761) >> 16
    return found


def tally(codes: Ints, size: int, weight: Floats | Bools | None = None) -> Floats:
    """Sum of weights (or count) per code in 0..size-1."""
    total: Floats = np.bincount(codes, weights=weight, minlength=size).astype(np.float64)
    return total


def sums(values: npt.NDArray[Any], starts: Ints) -> Floats:
    """Sum of each group; an empty array has no groups."""
    if len(starts) == 0:
        return np.zeros(0)
    total: Floats = np.add.reduceat(values.astype(np.float64), starts)
    return total


def contains(sorted_keys: Ints, keys: Ints) -> Bools:
    """Which of `keys` stand in `sorted_keys`."""
    if len(sorted_keys) == 0:
        return np.zeros(len(keys), dtype=bool)
    place = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    found: Bools = sorted_keys[place] == keys
    return found


@dataclass(frozen=True)
class History:
    """Purchases before `until`: one row per (customer, order, product), sorted by customer, product, time.

    customer, product, order are dense codes: into `customer_no`, `product_no`, and the order arrays, which
    are sorted by customer and time. category holds one code per product, into type_name, which has "" for products
    without a type. Times are days since 1970, UTC.
    """

    until: float
    customer_no: npt.NDArray[np.int32]
    product_no: npt.NDArray[np.int32]
    category: Ints
    type_name: npt.NDArray[np.str_]
    customer: Ints
    product: Ints
    order: Ints
    day: Floats
    quantity: Floats
    value: Floats
    discount: Floats
    order_customer: Ints
    order_day: Floats
    order_value: Floats
    order_items: Floats

    @property
    def n_customers(self) -> int:
        """How many customers the codes reach, with or without a purchase before `until`."""
        return len(self.customer_no)

    @property
    def n_products(self) -> int:
        """How many products the codes reach."""
        return len(self.product_no)

    @property
    def begins(self) -> float:
        """Day of the first order; `until` if there is none."""
        return float(self.order_day.min()) if len(self.order_day) else self.until

    @cached_property
    def pair_starts(self) -> Ints:
        """First row of each (customer, product) pair."""
        return group_starts(self.customer, self.product)

    @cached_property
    def pair_customer(self) -> Ints:
        """Customer of each pair."""
        return self.customer[self.pair_starts]

    @cached_property
    def pair_product(self) -> Ints:
        """Product of each pair."""
        return self.product[self.pair_starts]

    @cached_property
    def pair_count(self) -> Floats:
        """In how many orders the customer bought the product."""
        return (group_ends(self.pair_starts, len(self.day)) - self.pair_starts).astype(np.float64)

    @cached_property
    def pair_first(self) -> Floats:
        """Day of the pair's first purchase."""
        return self.day[self.pair_starts]

    @cached_property
    def pair_last(self) -> Floats:
        """Day of the pair's last purchase."""
        return self.day[self.pair_starts + self.pair_count.astype(np.int64) - 1]

    @cached_property
    def pair_keys(self) -> Ints:
        """Sorted keys customer * products + product of all pairs."""
        return self.pair_customer * self.n_products + self.pair_product

    def key(self, customer: Ints, product: Ints) -> Ints:
        """The pair key of codes."""
        return customer * self.n_products + product

    def decayed_counts(self, half_life: float, pairs: Ints | None = None) -> Floats:
        """Purchases of each pair, each worth half as much per `half_life` days of age.

        pairs: sorted pair numbers, if not all are wanted; only what lies between the first and the last is
        looked at, so that blocks of customers cost what they hold.
        """
        starts = self.pair_starts
        if pairs is None:
            return sums(0.5 ** ((self.until - self.day) / half_life), starts)
        if len(pairs) == 0:
            return np.zeros(0)
        low, high = pairs[0], pairs[-1] + 1
        first, last = starts[low], starts[high] if high < len(starts) else len(self.day)
        weight = 0.5 ** ((self.until - self.day[first:last]) / half_life)
        counted: Floats = sums(weight, starts[low:high] - first)[pairs - low]
        return counted

    def last_order(self) -> Floats:
        """Day of each customer's last order, -inf without one."""
        last = np.full(self.n_customers, -np.inf)
        np.maximum.at(last, self.order_customer, self.order_day)
        return last

    def active(self, within_days: float) -> Ints:
        """Codes of the customers with an order in the last `within_days` before `until`."""
        return np.flatnonzero(self.last_order() >= self.until - within_days)

    def before(self, day: float) -> History:
        """The same shop as it stood at `day`: later purchases and orders are gone, codes stay."""
        if day >= self.until:
            return self
        rows, orders = self.day < day, self.order_day < day
        renumber = np.cumsum(orders) - 1
        everyone = slice(0, self.n_customers)
        cut = self._cut(
            everyone, rows, orders, self.customer[rows], renumber[self.order[rows]], self.order_customer[orders]
        )  # fmt: skip
        return replace(cut, until=day)

    def orders_alone(self) -> History:
        """The same customers and orders without what was in them: a tenth of the memory, and copies of it too."""
        none, nothing = np.zeros(0, dtype=np.int64), np.zeros(0)
        whole = replace(self, customer=none, product=none, order=none, day=nothing, quantity=nothing)
        return replace(whole, value=nothing, discount=nothing)

    def of(self, customers: Ints) -> History:
        """The same shop with these customers alone (sorted codes), who are numbered anew from 0; products stay."""
        place = np.full(self.n_customers, -1, dtype=np.int64)
        place[customers] = np.arange(len(customers))
        customer, order_customer = place[self.customer], place[self.order_customer]
        rows, orders = customer >= 0, order_customer >= 0
        renumber = np.cumsum(orders) - 1
        return self._cut(
            customers, rows, orders, customer[rows], renumber[self.order[rows]], order_customer[orders]
        )  # fmt: skip

    def between(self, first: int, end: int) -> History:
        """The customers with codes from `first` to before `end`, numbered anew from 0: views where possible."""
        customers = slice(first, end)
        rows = slice(*np.searchsorted(self.customer, [first, end]))
        orders = slice(*np.searchsorted(self.order_customer, [first, end]))
        return self._cut(
            customers, rows, orders,
            self.customer[rows] - first, self.order[rows] - orders.start, self.order_customer[orders] - first,
        )  # fmt: skip

    def _cut(
        self,
        customers: Ints | slice,
        rows: Bools | slice,
        orders: Bools | slice,
        customer: Ints,
        order: Ints,
        order_customer: Ints,
    ) -> History:
        return History(
            until=self.until,
            customer_no=self.customer_no[customers],
            product_no=self.product_no,
            category=self.category,
            type_name=self.type_name,
            customer=customer,
            product=self.product[rows],
            order=order,
            day=self.day[rows],
            quantity=self.quantity[rows],
            value=self.value[rows],
            discount=self.discount[rows],
            order_customer=order_customer,
            order_day=self.order_day[orders],
            order_value=self.order_value[orders],
            order_items=self.order_items[orders],
        )

    def bought_between(self, start: float, end: float) -> Ints:
        """Sorted pair keys with a purchase in [start, end)."""
        rows = (self.day >= start) & (self.day < end)
        return np.unique(self.key(self.customer[rows], self.product[rows]))


def build_history(
    lines: pd.DataFrame, products: pd.DataFrame | None, as_of: pd.Timestamp, also: Ints | None = None
) -> History:
    """Clean and sort order lines.

    lines: customer_no, order_id, ordered_at (naive = UTC), product_no, quantity, unit_price (float), and
        optionally product_type and discount (a positive amount off the line).
    products: optionally product_no and product_type, which wins over the lines' own.
    as_of: rows at or after it are ignored, before anything else is looked at.
    also: product numbers that get a code even if nobody bought them.

    What is no purchase is left out as `ml.lines` says. Lines of the same order and product are one purchase.
    Raises ValueError naming the columns that `lines` lacks.
    """
    return history_of(purchases(lines, as_of), products, as_of, also)


def history_of(
    bought: Purchases, products: pd.DataFrame | None, as_of: pd.Timestamp, also: Ints | None = None
) -> History:
    """Sort lines that were told to be purchases; arguments as in `build_history`."""
    until, frame = float(days([as_of])[0]), bought.lines
    customer_no, customer = np.unique(frame["customer_no"].to_numpy(dtype=np.int32), return_inverse=True)
    product = frame["product_no"].to_numpy(dtype=np.int32)
    extra = np.zeros(0, dtype=np.int32) if also is None else also.astype(np.int32)
    product_no = np.unique(np.concatenate([product, extra]))
    rows = _rows(frame, customer.astype(np.int64), np.searchsorted(product_no, product))
    type_name, category = _categories(frame, products, product_no)
    return assemble(until, customer_no, product_no, category, type_name, rows)


def _rows(frame: pd.DataFrame, customer: Ints, product: Ints) -> dict[str, npt.NDArray[Any]]:
    """The lines as arrays, with orders numbered by customer, time and id."""
    codes, ids = pd.factorize(frame["order_id"], sort=False)
    rank = np.argsort(np.argsort(np.asarray(ids), kind="stable"), kind="stable") if len(ids) else codes
    order_id = rank[codes].astype(np.int64)
    day = days(frame["ordered_at"])
    by_order = np.lexsort((day, order_id, customer))
    starts = group_starts(customer[by_order], order_id[by_order])
    first_day = day[by_order][starts]
    chronological = np.lexsort((order_id[by_order][starts], first_day, customer[by_order][starts]))
    number = np.empty(len(starts), dtype=np.int64)
    number[chronological] = np.arange(len(starts))
    order = np.empty(len(day), dtype=np.int64)
    order[by_order] = np.repeat(number, (group_ends(starts, len(day)) - starts))
    quantity = frame["quantity"].to_numpy(dtype=np.float64)
    value = frame["unit_price"].to_numpy(dtype=np.float64) * quantity
    has_discount = "discount" in frame.columns
    discount = frame["discount"].to_numpy(dtype=np.float64, na_value=0.0) if has_discount else np.zeros(len(day))
    return {
        "customer": customer,
        "product": product.astype(np.int64),
        "order": order,
        "order_day": first_day[chronological],
        "quantity": quantity,
        "value": value,
        "discount": np.maximum(np.nan_to_num(discount), 0.0),
    }


def _categories(
    frame: pd.DataFrame, products: pd.DataFrame | None, product_no: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.str_], Ints]:
    """The product types, and one code into them per product; products without one share the empty type."""
    types = np.full(len(product_no), "", dtype=object)
    for source in (frame, products):
        if source is not None and "product_type" in source.columns and "product_no" in source.columns:
            named = source.loc[source["product_type"].notna(), ["product_no", "product_type"]]
            # The smallest name, not the first row, so that the order of rows can't matter.
            first = named.astype({"product_type": str}).groupby("product_no")["product_type"].min()
            known = np.isin(product_no, first.index.to_numpy())
            types[known] = first.reindex(product_no[known]).to_numpy(dtype=object)
    names, category = np.unique(types.astype(str), return_inverse=True)
    return names, category.astype(np.int64)


def assemble(
    until: float,
    customer_no: npt.NDArray[np.int32],
    product_no: npt.NDArray[np.int32],
    category: Ints,
    type_name: npt.NDArray[np.str_],
    rows: dict[str, npt.NDArray[Any]],
) -> History:
    """Lines to purchases and orders, in canonical order.

    rows: customer, product, order (codes), quantity, value, discount per line, and order_day per order.
    """
    keys = ("discount", "value", "quantity", "order", "product", "customer")
    by_pair = np.lexsort(tuple(rows[name] for name in keys))
    customer, product, order = (rows[name][by_pair] for name in ("customer", "product", "order"))
    starts = group_starts(customer, product, order)
    value, n_orders = rows["value"][by_pair], len(rows["order_day"])
    order_customer = np.zeros(n_orders, dtype=np.int64)
    order_customer[order] = customer
    purchase_value, purchase_order = sums(value, starts), order[starts]
    return History(
        until=until,
        customer_no=customer_no,
        product_no=product_no,
        category=category,
        type_name=type_name,
        customer=customer[starts],
        product=product[starts],
        order=purchase_order,
        day=rows["order_day"][purchase_order],
        quantity=sums(rows["quantity"][by_pair], starts),
        value=purchase_value,
        discount=sums(rows["discount"][by_pair], starts),
        order_customer=order_customer,
        order_day=rows["order_day"],
        order_value=tally(purchase_order, n_orders, purchase_value),
        order_items=tally(purchase_order, n_orders),
    )
