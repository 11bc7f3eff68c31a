"""Public purchase histories as order lines, in the columns that `ml.api.predict` takes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

SHARED = Path(os.environ.get("ENCORE_SHARED", Path(__file__).parents[3] / "shared"))
PRODUCTS = 200
CHOSEN_BEFORE = 185  # days of history that choose the products; every as-of date is later


@dataclass(frozen=True)
class Dataset:
    """lines: order lines. begins: first day. chosen: the products with most buyers early on. days: as-of dates."""

    name: str
    lines: pd.DataFrame
    begins: pd.Timestamp
    chosen: list[int]
    days: tuple[int, ...]

    def as_of(self, day: int) -> pd.Timestamp:
        """The moment `day` days after the history begins."""
        return self.begins + pd.Timedelta(days=day)


def _dataset(name: str, lines: pd.DataFrame, begins: pd.Timestamp, days: tuple[int, ...]) -> Dataset:
    bought = lines[(lines["ordered_at"] < begins + pd.Timedelta(days=CHOSEN_BEFORE)) & (lines["quantity"] > 0)]
    buyers = bought.groupby("product_no")["customer_no"].nunique().sort_values(ascending=False, kind="stable")
    return Dataset(name, lines, begins, buyers.index[:PRODUCTS].tolist(), days)


def complete_journey(level: str) -> Dataset:
    """A year of groceries, real purchases of 2,469 households; `level` is type or sku, what a product shall be."""
    folder = SHARED / "data/complete_journey"
    bought = pd.read_parquet(folder / "transactions.parquet")
    types = pd.read_parquet(folder / "products.parquet", columns=["product_id", "product_type"])
    bought = bought.merge(types, on="product_id", how="left")
    name = bought["product_type"].fillna("unknown") if level == "type" else bought["product_id"].astype(str)
    lines = pd.DataFrame(
        {
            "customer_no": pd.factorize(bought["household_id"], sort=True)[0].astype(np.int32),
            "order_id": bought["basket_id"],
            "ordered_at": pd.to_datetime(bought["transaction_timestamp"]).dt.tz_localize("UTC"),
            "product_no": pd.factorize(name, sort=True)[0].astype(np.int32),
            "quantity": bought["quantity"].astype(float),
            "unit_price": bought["sales_value"] / bought["quantity"].clip(lower=1),
            "product_type": bought["product_type"].fillna(""),
            "discount": bought["retail_disc"] + bought["coupon_disc"] + bought["coupon_match_disc"],
        }
    )
    return _dataset(f"Complete Journey, {level}", lines, pd.Timestamp("2017-01-01", tz="UTC"), (275, 305, 335))


def online_retail() -> Dataset:
    """A year of a British gift wholesaler; customers known, amounts above zero."""
    bought = pd.read_parquet(SHARED / "data/online_retail/online_retail.parquet")
    bought = bought[bought["customer_id"].notna() & (bought["quantity"] > 0) & (bought["unit_price"] > 0)]
    local = pd.to_datetime(bought["invoice_date"]).dt.tz_localize("Europe/London", ambiguous=True)
    lines = pd.DataFrame(
        {
            "customer_no": bought["customer_id"].astype(np.int32),
            "order_id": bought["invoice_no"].astype(str),
            "ordered_at": local.dt.tz_convert("UTC"),
            "product_no": pd.factorize(bought["stock_code"].astype(str), sort=True)[0].astype(np.int32),
            "quantity": bought["quantity"].astype(float),
            "unit_price": bought["unit_price"].astype(float),
        }
    ).reset_index(drop=True)
    return _dataset("Online Retail", lines, pd.Timestamp("2010-12-01", tz="UTC"), (245, 275, 305, 335))


def cdnow_sample() -> pd.DataFrame:
    """CDNOW's 1-in-10 sample: per customer, after 39 weeks, repeats, last and age (weeks), and holdout orders."""
    bought = pd.read_parquet(SHARED / "data/cdnow/cdnow_sample.parquet")
    bought["date"] = pd.to_datetime(bought["date"])
    end = pd.Timestamp("1997-09-30")
    bought = bought.drop_duplicates(["master_customer_id", "date"])
    seen, later = bought[bought["date"] <= end], bought[bought["date"] > end]
    by_customer = seen.groupby("master_customer_id")["date"]
    first, last = by_customer.min(), by_customer.max()
    table = pd.DataFrame({"repeats": by_customer.size() - 1.0, "last": (last - first).dt.days / 7})
    table["age"] = (end - first).dt.days / 7
    table["holdout"] = later.groupby("master_customer_id").size().reindex(table.index).fillna(0)
    return table


def planted_pairs(orders: int, products: int, pairs: int, seed: int) -> tuple[pd.DataFrame, set[tuple[int, int]]]:
    """Orders of three Zipf-popular products, and pairs (a, b) in which b follows a within days more often."""
    rng = np.random.default_rng(seed)
    popularity = 1 / np.arange(1, products + 1) ** 0.9
    customer = np.repeat(rng.integers(0, orders // 4, orders), 3)
    product = rng.choice(products, size=3 * orders, p=popularity / popularity.sum())
    ago = np.repeat(rng.uniform(10, 300, orders), 3)
    members = rng.choice(np.arange(50, products), size=2 * pairs, replace=False)
    partner = np.full(products, -1)
    partner[members[::2]] = members[1::2]
    follows = (partner[product] >= 0) & (rng.random(len(product)) < 0.3)  # noqa: PLR2004 - three in ten follow
    frame = pd.DataFrame(
        {
            "customer_no": np.concatenate([customer, customer[follows]]).astype(np.int32),
            "product_no": np.concatenate([product, partner[product[follows]]]).astype(np.int32),
            "order_id": np.concatenate([np.repeat(np.arange(orders), 3), orders + np.arange(follows.sum())]),
            "ordered_at": pd.Timestamp("2026-06-01", tz="UTC")
            - pd.to_timedelta(np.concatenate([ago, ago[follows] - 5]), unit="D"),
        }
    )
    planted = {(int(a), int(b)) for a, b in zip(members[::2], members[1::2], strict=True)}
    return frame.assign(quantity=1.0, unit_price=1.0), planted
