"""Writes UCI Online Retail in the columns of Shopify's order and customer exports; addresses are invented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

NO_PRODUCT = {"POST", "DOT", "M", "D", "BANK CHARGES", "AMAZONFEE", "CRUK", "C2", "S", "B", "PADS"}


def write_exports(source: Path, folder: Path, *, invoices: int | None = None) -> dict[str, Path]:
    """Write orders_export.csv and customers_export.csv; returns their paths. invoices: only the first so many."""
    rows = pd.read_parquet(source)
    rows = rows[(rows["quantity"] > 0) & (rows["unit_price"] > 0) & ~rows["stock_code"].isin(NO_PRODUCT)]
    if invoices is not None:
        rows = rows[rows["invoice_no"].isin(rows["invoice_no"].drop_duplicates().head(invoices))]
    known = rows["customer_id"].notna()
    number = rows["customer_id"].where(known, 0).astype("int64")
    email = ("customer" + number.astype(str) + "@example.com").where(known, None)
    london = pd.to_datetime(rows["invoice_date"]).dt.tz_localize(
        "Europe/London", ambiguous=True, nonexistent="shift_forward"
    )
    first = ~rows["invoice_no"].duplicated()  # order fields stand on an order's first row only
    amounts = rows["unit_price"].round(2) * rows["quantity"]
    totals = amounts.groupby(rows["invoice_no"]).transform("sum").map("{:.2f}".format)
    orders = pd.DataFrame(
        {
            "Name": "#" + rows["invoice_no"].astype(str),
            "Email": email,
            "Financial Status": pd.Series("paid", rows.index).where(first),
            "Currency": pd.Series("GBP", rows.index).where(first),
            "Subtotal": totals.where(first),
            "Total": totals.where(first),
            "Created at": london.dt.strftime("%Y-%m-%d %H:%M:%S %z"),
            "Lineitem quantity": rows["quantity"],
            "Lineitem name": rows["description"].fillna(rows["stock_code"]),
            "Lineitem price": rows["unit_price"].map("{:.2f}".format),
            "Lineitem sku": rows["stock_code"],
            "Shipping Country": rows["country"].where(first),
        }
    )
    numbers = sorted(number[known].unique())
    customers = pd.DataFrame(
        {
            "Customer ID": [f"'{n}" for n in numbers],
            "First Name": "Customer",
            "Last Name": [str(n) for n in numbers],
            "Email": [f"customer{n}@example.com" for n in numbers],
            "Accepts Email Marketing": ["yes" if n % 3 else "no" for n in numbers],
        }
    )
    files = {"orders": folder / "orders_export.csv", "customers": folder / "customers_export.csv"}
    orders.to_csv(files["orders"], index=False)
    customers.to_csv(files["customers"], index=False)
    return files
