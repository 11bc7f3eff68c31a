"""Purchases shaped as a Shopify shop's records: frames whose columns are those of the shop's tables.

What is done to the research data, besides the names: a quantity of 0 becomes 1 (weighed goods) and one
above 100 becomes 1 (fuel, counted in thousandths of a gallon); a line's total is what the shop received
(`sales_value`), its discount the sum of the published ones; the unit price is rounded up to a cent, and
the difference this makes joins the discount. Products that the catalogue lacks stay as lines without a
product, as after a deletion in Shopify.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from sandbox.demo_shop import people, titles
from sandbox.demo_shop.ids import (
    COLLECTION_BASE,
    CUSTOMER_BASE,
    FIRST_ORDER_NUMBER,
    LINE_BASE,
    METAFIELD_BASE,
    ORDER_BASE,
    PRODUCT_BASE,
    REFUND_BASE,
    STAMP,
)
from sandbox.demo_shop.invented import add_invented_orders
from sandbox.demo_shop.source import Source

LARGEST_QUANTITY = 100


@dataclass(frozen=True)
class Frames:
    """One frame per table of the shop, columns named as the table's; `weeks` is how far dates were moved."""

    tables: dict[str, pd.DataFrame]
    weeks: int


def stamps(times: "pd.Series[pd.Timestamp]") -> pd.Series:
    """UTC times as Shopify writes them, to the second."""
    return times.dt.strftime(STAMP)


def priced_lines(source: Source, product_of: dict[int, int], anchor: datetime) -> tuple[pd.DataFrame, int]:
    """Transactions as lines in cents at shifted times; the last one falls within the week before `anchor`."""
    t = source.transactions
    last = t["transaction_timestamp"].max().to_pydatetime().replace(tzinfo=UTC)
    weeks = int((anchor - last).total_seconds() // (7 * 86_400))
    lines = pd.DataFrame({"household_id": t["household_id"], "basket_id": t["basket_id"]})
    lines["at"] = t["transaction_timestamp"].astype("datetime64[s]") + pd.Timedelta(weeks=weeks)
    lines["product_index"] = t["product_id"].map(product_of).fillna(-1).astype("int64")
    lines["variant_id"] = np.where(lines["product_index"] >= 0, t["product_id"], -1)
    quantity = t["quantity"].where(t["quantity"].between(1, LARGEST_QUANTITY), 1).astype("int64")
    total = (t["sales_value"] * 100).round().astype("int64")
    off = t["retail_disc"] + t["coupon_disc"] + t["coupon_match_disc"]
    unit = -(-(total + (off * 100).round().astype("int64")) // quantity)
    lines["quantity"], lines["total"], lines["unit"] = quantity, total, unit
    lines["discount"] = unit * quantity - total
    lines["is_gift_card"] = 0
    lines["title"] = pd.Series("Discontinued item", lines.index, dtype=object).mask(lines["product_index"] >= 0, None)
    return lines, weeks


def shape(source: Source, anchor: datetime) -> Frames:
    """Every table of the shop. `anchor` (UTC) is the shop's first start, where the history ends."""
    sold = source.products[source.products["product_id"].isin(source.transactions["product_id"])].copy()
    keys = ["manufacturer_id", "brand", "product_type"]
    sold["product_type"] = sold["product_type"].fillna("ASSORTED ITEMS")
    sold = sold.sort_values([*keys, "product_id"]).reset_index(drop=True)
    sold["product_index"] = sold.groupby(keys, sort=True).ngroup()
    product_of = dict(zip(sold["product_id"].tolist(), sold["product_index"].tolist(), strict=True))
    lines, weeks = priced_lines(source, product_of, anchor)
    lines = add_invented_orders(lines, source.invented_each, source.seed)
    lines = lines.sort_values(["at", "basket_id", "product_index"], kind="stable").reset_index(drop=True)
    lines["order_index"] = (lines["basket_id"] != lines["basket_id"].shift()).cumsum() - 1
    lines["current"] = _current_quantity(lines)
    collections, products, variants = _catalogue(sold, lines)
    orders = _orders(lines)
    customers = _customers(orders, source)
    orders = _with_contacts(orders, customers)
    line_table = pd.DataFrame(
        {
            "id": LINE_BASE + np.arange(len(lines)),
            "order_id": ORDER_BASE + lines["order_index"],
            "product_id": _nullable(lines["product_index"], PRODUCT_BASE + 1),
            "variant_id": _nullable(lines["variant_id"], 0),
            "title": lines["title"],
            "quantity": lines["quantity"],
            "current_quantity": lines["current"],
            "unit": lines["unit"],
            "total": lines["total"],
            "is_gift_card": lines["is_gift_card"],
        }
    )
    tables = {
        "collections": collections,
        "products": products,
        "variants": variants,
        "customers": customers,
        "metafields": _metafields(source, customers),
        "orders": orders,
        "lines": line_table,
    }
    return Frames(tables, weeks)


def _nullable(values: "pd.Series[int]", offset: int) -> "pd.Series[int]":
    return (values + offset).astype("Int64").mask(values < 0)


def _current_quantity(lines: pd.DataFrame) -> "pd.Series[int]":
    """Nothing is left of cancelled and refunded orders, and the first line of a part refund is gone."""
    gone = lines["kind"].isin(["cancelled", "refunded"])
    first = ~lines.duplicated("basket_id")
    return lines["quantity"].where(~(gone | ((lines["kind"] == "partly_refunded") & first)), 0)


def _catalogue(sold: pd.DataFrame, lines: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    paid = lines[(lines["variant_id"] >= 0) & (lines["total"] > 0) & (lines["kind"] == "")]
    price = (paid["total"] / paid["quantity"]).groupby(paid["variant_id"]).median().round().clip(lower=1)
    first_sale = lines[lines["variant_id"] >= 0].groupby("variant_id")["at"].min()
    units = lines.groupby("variant_id")["quantity"].sum()
    departments = sorted(sold["department"].unique())
    v = sold.copy()
    v["price"] = v["product_id"].map(price).fillna(99).astype("int64")
    v["created"] = v["product_id"].map(first_sale) - pd.Timedelta(days=30)
    v["stock"] = (v["product_id"].map(units).fillna(0) // 6 + v["product_id"] % 40).astype("int64")
    v["size"] = v["package_size"].map(titles.nice_size, na_action="ignore").fillna("Regular")
    v["position"] = v.groupby("product_index").cumcount() + 1
    again = v.groupby(["product_index", "size"]).cumcount()
    v["title"] = np.where(again > 0, v["size"] + " (" + (again + 1).astype(str) + ")", v["size"])
    created, fresh = stamps(v["created"]), stamps(v["created"] + pd.Timedelta(days=1))
    variants = pd.DataFrame({
        "id": v["product_id"], "product_id": PRODUCT_BASE + 1 + v["product_index"], "title": v["title"],
        "sku": "CJ-" + v["product_id"].astype(str), "position": v["position"], "price": v["price"],
        "inventory": v["stock"], "created_at": created, "updated_at": fresh,
    })  # fmt: skip
    makers = titles.maker_names(sorted(int(m) for m in sold["manufacturer_id"].unique()))
    p = v.groupby("product_index").agg(
        manufacturer_id=("manufacturer_id", "first"), brand=("brand", "first"), code=("product_type", "first"),
        department=("department", "first"), price_min=("price", "min"), price_max=("price", "max"),
        inventory=("stock", "sum"), created=("created", "min"),
    )  # fmt: skip
    kinds = p["code"].map({code: titles.nice_type(code) for code in p["code"].unique()})
    vendor = p["manufacturer_id"].map(makers)
    names = titles.unique_titles(list(zip(vendor, p["brand"], kinds, strict=True)))
    ids = PRODUCT_BASE + 1 + p.index.to_numpy()
    products = pd.DataFrame({
        "id": ids, "title": names, "handle": [titles.handle(name) for name in names],
        "vendor": np.where(p["brand"] == "Private", "Store Brand", vendor), "product_type": kinds,
        "tags": [json.dumps(sorted({d.title(), b})) for d, b in zip(p["department"], p["brand"], strict=True)],
        "status": "ACTIVE", "collection_id": COLLECTION_BASE + 1 + p["department"].map(departments.index),
        "price_min": p["price_min"], "price_max": p["price_max"], "inventory": p["inventory"],
        "created_at": stamps(p["created"]), "updated_at": stamps(p["created"] + pd.Timedelta(days=1)),
    })  # fmt: skip
    if source_is_tiny := len(products) < 100:  # noqa: PLR2004 - one of each state, where no real product is hidden
        products.loc[products.index[-1], "status"] = "ARCHIVED"
        products.loc[products.index[-2], "status"] = "DRAFT"
    collections = pd.DataFrame(
        {
            "id": [COLLECTION_BASE + 1 + n for n in range(len(departments))],
            "title": [department.title() for department in departments],
            "handle": [titles.handle(department) for department in departments],
            "updated_at": products["created_at"].min() if not source_is_tiny else products["updated_at"].max(),
        }
    )
    return collections, products, variants


def _orders(lines: pd.DataFrame) -> pd.DataFrame:
    grouped = lines.groupby("order_index", sort=True)
    o = grouped.agg(
        household=("household_id", "first"), at=("at", "first"), kind=("kind", "first"), basket=("basket_id", "first"),
        subtotal=("total", "sum"), discounts=("discount", "sum"), cards=("is_gift_card", "sum"),
    )  # fmt: skip
    kept = (lines["total"] * lines["current"] // lines["quantity"]).groupby(lines["order_index"]).sum()
    count = len(o)
    kind = o["kind"]
    number = FIRST_ORDER_NUMBER + np.arange(count)
    placed = stamps(o["at"])
    later = stamps(o["at"] + pd.Timedelta(hours=2))
    touched = kind.isin(["cancelled", "refunded", "partly_refunded"])
    refunded = (o["subtotal"] - kept).where(kind.isin(["refunded", "partly_refunded"]), 0)
    guest = kind.isin(["guest", "guest_of_customer"])
    status = kind.map({"cancelled": "VOIDED", "refunded": "REFUNDED", "partly_refunded": "PARTIALLY_REFUNDED"})
    web = (number % 10) < 7  # noqa: PLR2004 - the data do not say; seven in ten are said to be online
    orders = pd.DataFrame({
        "id": ORDER_BASE + o.index, "name": "#" + pd.Series(number, index=o.index).astype(str),
        "number": number, "household": o["household"], "kind": kind,
        "customer_id": (CUSTOMER_BASE + o["household"]).astype("Int64").mask(guest),
        "created_at": placed, "processed_at": placed, "updated_at": later.where(touched, placed),
        "cancelled_at": later.where(kind == "cancelled", None), "test": (kind == "test").astype(int),
        "source_name": np.where(web, "web", "pos"), "financial_status": status.fillna("PAID"),
        "fulfillment_status": np.where(kind == "cancelled", "UNFULFILLED", "FULFILLED"),
        "discount_codes": np.where((kind == "") & (o["discounts"] > 1000), '["SAVE10"]', "[]"),  # noqa: PLR2004
        "tags": np.where(kind != "", '["invented"]', "[]"),
        "subtotal": o["subtotal"], "total": o["subtotal"], "current_total": kept, "discounts": o["discounts"],
        "refunded": refunded, "shipping": 0, "tax": 0, "journey": np.where(web, number % 5, -1),
    })  # fmt: skip
    orders["customer_index"] = orders.groupby("customer_id").cumcount() + 1
    first = lines.drop_duplicates("order_index").set_index("order_index")
    orders["refunds"] = [
        _refunds(number, kind, when, money, int(line), int(quantity)) if money else "[]"
        for number, kind, when, money, line, quantity in zip(
            o.index, kind, later, refunded, LINE_BASE + lines.index[~lines.duplicated("order_index")],
            first["quantity"], strict=True,
        )
    ]  # fmt: skip
    return orders


def _refunds(number: int, kind: str, when: str, cents: int, line: int, quantity: int) -> str:
    """The refunds column: lines are listed for a part refund only, as a full one covers every line."""
    lines = [{"id": REFUND_BASE + number, "line": line, "quantity": quantity, "cents": int(cents)}]
    listed = lines if kind == "partly_refunded" else []
    return json.dumps([{"id": REFUND_BASE + number, "created_at": when, "cents": int(cents), "lines": listed}])


def _customers(orders: pd.DataFrame, source: Source) -> pd.DataFrame:
    households = sorted(int(h) for h in source.transactions["household_id"].unique())
    c = people.invent_people(households, source.seed)
    if source.kind == "tiny":
        c = people.with_edge_cases(c)
    real = orders[orders["customer_id"].notna() & (orders["test"] == 0)]
    by = real.groupby("household")
    c["id"] = CUSTOMER_BASE + c["household"]
    c["orders_count"] = c["household"].map(by.size()).fillna(0).astype("int64")
    c["spent"] = c["household"].map(by["current_total"].sum()).fillna(0).astype("int64")
    c["last_order_id"] = c["household"].map(by["id"].max()).astype("Int64")
    began = pd.to_datetime(c["household"].map(orders.groupby("household")["created_at"].min())).dt.tz_localize(None)
    ended = pd.to_datetime(c["household"].map(by["updated_at"].max())).dt.tz_localize(None)
    began = began.fillna(began.min())
    c["created_at"] = stamps(began - pd.to_timedelta(1 + c["household"] % 300, unit="D"))
    c["updated_at"] = stamps(ended.fillna(began))
    c["email_updated_at"] = c["created_at"].where(c["email_state"] != "NOT_SUBSCRIBED", None)
    c["tier"] = pd.qcut(c["spent"].rank(method="first"), 3, labels=["LOW", "MEDIUM", "HIGH"]).astype(str)
    quiet = (ended.max() - ended).dt.days.fillna(9_999)
    loyal = c["orders_count"].rank(pct=True)
    groups = [
        (c["orders_count"] == 0, "PROSPECTS"), (quiet > 120, "DORMANT"), (quiet > 60, "AT_RISK"),  # noqa: PLR2004
        (loyal > 0.8, "CHAMPIONS"), (loyal > 0.5, "LOYAL"),  # noqa: PLR2004
    ]  # fmt: skip
    c["rfm_group"] = np.select([when for when, _ in groups], [name for _, name in groups], "PROMISING")
    c["tags"] = np.where(c["orders_count"] >= c["orders_count"].quantile(0.9), '["VIP"]', "[]")
    return c


def _with_contacts(orders: pd.DataFrame, customers: pd.DataFrame) -> pd.DataFrame:
    """Addresses and e-mails as they stand on the orders; unknown guests get an address of their own."""
    by = customers.set_index("household")
    o = orders
    for column in ("email", "city", "province", "province_code", "zip", "address1"):
        o[column] = o["household"].map(by[column])
    o["accepts_marketing"] = (o["household"].map(by["email_state"]) == "SUBSCRIBED").astype(int)
    unknown = o["kind"] == "guest"
    o.loc[unknown, "email"] = [f"guest.{n % 60}@example.org" for n in o.loc[unknown, "number"]]
    return o.drop(columns=["kind", "household"])


def _metafields(source: Source, customers: pd.DataFrame) -> pd.DataFrame:
    long = source.demographics.melt("household_id", ["income", "age"], "key", "value").dropna()
    long = long[long["household_id"].isin(customers["household"])].sort_values(["household_id", "key"])
    created = customers.set_index("household")["created_at"]
    return pd.DataFrame({
        "id": METAFIELD_BASE + np.arange(len(long)), "owner_id": (CUSTOMER_BASE + long["household_id"]).to_numpy(),
        "namespace": "custom", "key": long["key"].to_numpy(), "type": "single_line_text_field",
        "value": long["value"].to_numpy(), "created_at": long["household_id"].map(created).to_numpy(),
    })  # fmt: skip
