"""Stages the order export: blocks of rows become orders and lines, and their amounts add up.

Order fields stand on an order's first row only, further rows carry further lines. The export names no
customer id, so orders find their customer by address. A discount on the order as a whole is spread over
its lines, because net sales are counted by line; so is a refund, by the second half of the import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.services.import_csv_read import LARGEST_QUANTITY, check_amounts

if TYPE_CHECKING:
    import duckdb

    from app.services.import_csv_read import Export

ORDER_AMOUNTS = ("Subtotal", "Shipping", "Taxes", "Total", "Discount Amount", "Refunded Amount")


def stage_orders(orders: Export, currency: str) -> int:
    """Fill stage_orders and stage_lines; stage_customers must be filled already.

    Returns how many rows were left out because their order stands in the file twice, word for word.
    Raises Invalid naming row and column for what can't be right.
    """
    _check(orders, currency)
    repeated = _find_blocks(orders)
    # The part of `spread` that falls to `upto` of `whole`, rounded to whole units.
    orders.staged.execute("""
        CREATE MACRO running(spread, upto, whole) AS
            CASE WHEN whole > 0 THEN sign(spread)::HUGEINT
                * ((2 * abs(spread)::HUGEINT * upto + whole::HUGEINT) // (2 * whole::HUGEINT)) ELSE 0 END""")
    _fill_orders(orders, currency)
    _fill_lines(orders.staged)
    return repeated


def _check(orders: Export, currency: str) -> None:
    row = orders.staged.execute("SELECT count(*) FROM csv_orders").fetchone()
    if row is None or row[0] == 0:
        orders.refuse(1, ": below the header there is no order.")
    orders.check("Name", '"Name" IS NULL')
    orders.check("Id", '"Id" IS NOT NULL AND shopify_number("Id") IS NULL', "is no whole number.")
    for column in ("Created at", "Cancelled at"):
        orders.check(column, f'"{column}" IS NOT NULL AND instant("{column}") IS NULL')
    quantity = 'TRY_CAST("Lineitem quantity" AS INTEGER)'
    orders.check("Lineitem quantity", f"{quantity} IS NULL OR {quantity} NOT BETWEEN 0 AND {LARGEST_QUANTITY}")
    orders.check("Lineitem name", '"Lineitem name" IS NULL')
    orders.check("Lineitem price", '"Lineitem price" IS NULL')
    check_amounts(orders, "Lineitem price", "Lineitem discount", *ORDER_AMOUNTS)
    orders.check(
        "Currency",
        f'"Currency" IS NOT NULL AND upper("Currency") <> \'{currency}\'',
        f"is not {currency}, the currency given; amounts of two currencies can't be added up.",
    )


def _find_blocks(orders: Export) -> int:
    """Make `csv_blocks`, the runs of rows that are one order each, and `csv_lines` of the first block of each order.

    A block begins where order fields are filled. Orders without any begin where the name changes.
    """
    staged = orders.staged
    # Windows over few columns, joined afterwards: over all of them they take three times as long.
    staged.execute("""
        CREATE TABLE csv_rows AS
        WITH marked AS (
            SELECT row, "Name" AS order_name, coalesce("Id", "Subtotal", "Total") IS NOT NULL AS filled,
                   lag("Name") OVER (ORDER BY row) IS DISTINCT FROM "Name" AS changed
            FROM csv_orders
        ), begun AS (
            SELECT row, order_name,
                   CASE WHEN bool_or(filled) OVER (PARTITION BY order_name) THEN filled ELSE changed END AS begins
            FROM marked
        )
        SELECT row, order_name, greatest(count_if(begins) OVER (PARTITION BY order_name ORDER BY row), 1) AS block
        FROM begun""")
    # Two orders may have one name: their ids tell them apart.
    staged.execute("""
        CREATE TABLE csv_blocks AS
        WITH blocks AS (
            SELECT order_name, block, min(row) AS row, count(*) AS rows, arg_min("Id", row) AS id
            FROM csv_rows JOIN csv_orders USING (row) GROUP BY order_name, block
        ), numbered AS (
            SELECT *, coalesce(shopify_number(coalesce(id, first_value(id IGNORE NULLS) OVER n)),
                               number('order|' || order_name)) AS order_id
            FROM blocks WINDOW n AS (PARTITION BY order_name ORDER BY block
                                     ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
        )
        SELECT * EXCLUDE (id), row_number() OVER (PARTITION BY order_id ORDER BY row) = 1 AS is_first FROM numbered""")
    _refuse_different(orders)
    staged.execute("""
        CREATE TABLE csv_lines AS
        SELECT b.order_id, row, number('product|' || coalesce("Lineitem sku", "Lineitem name")) AS product_id,
               "Lineitem name" AS title, CAST("Lineitem quantity" AS INTEGER) AS quantity,
               minor("Lineitem price") AS unit_price_minor,
               unit_price_minor * quantity - coalesce(minor("Lineitem discount"), 0) AS listed_minor
        FROM csv_orders JOIN csv_rows r USING (row) JOIN csv_blocks b USING (order_name, block) WHERE b.is_first""")
    left_out = staged.execute("SELECT coalesce(sum(rows), 0) FROM csv_blocks WHERE NOT is_first").fetchone()
    return int(left_out[0]) if left_out else 0


def _refuse_different(orders: Export) -> None:
    fields = ", ".join(f'o."{column}"' for column in orders.layout.columns)
    different = orders.staged.execute(f"""
        WITH again AS (
            SELECT b.order_id, b.row, b.order_name, list(row({fields}) ORDER BY o.row) AS content
            FROM csv_blocks b JOIN csv_rows r USING (order_name, block) JOIN csv_orders o ON o.row = r.row
            WHERE b.order_id IN (SELECT order_id FROM csv_blocks WHERE NOT is_first)
            GROUP BY b.order_id, b.row, b.order_name
        ), pairs AS (
            SELECT row, order_name, content, first_value(row) OVER o AS first_row, first_value(content) OVER o AS kept
            FROM again WINDOW o AS (PARTITION BY order_id ORDER BY row)
        )
        SELECT row, order_name, first_row FROM pairs WHERE content IS DISTINCT FROM kept
        ORDER BY row LIMIT 1""").fetchone()
    if different is not None:
        row, name, first = different
        orders.refuse(
            row,
            f": order {name!r} begins again, with other values than in row {orders.row_in_file(first)}. "
            "Keep one of the two; an order's fields (Id, Subtotal, Total) stand on its first row only.",
        )


def _fill_orders(orders: Export, currency: str) -> None:
    undated = orders.staged.execute("""
        SELECT min(row) FROM csv_lines JOIN csv_orders USING (row)
        GROUP BY order_id HAVING count("Created at") = 0 ORDER BY 1 LIMIT 1""").fetchone()
    if undated is not None:
        orders.refuse(undated[0], ", column 'Created at': a blank can't be read.")
    # A refund takes the tax along that was put on top, and seldom the shipping: the total without shipping tells what
    # part of it is goods. Where prices contain the tax, that is all of it.
    orders.staged.execute(f"""
        INSERT INTO stage_orders BY NAME
        SELECT order_id, arg_min("Name", row) AS name, arg_min(instant("Created at"), row) AS processed_at,
               processed_at AS created_at, processed_at AS updated_at,
               arg_min(instant("Cancelled at"), row) AS cancelled_at, false AS test,
               upper(coalesce(arg_min("Financial Status", row), 'paid')) AS financial_status,
               '{currency}' AS currency, coalesce(arg_min(minor("Subtotal"), row), sum(listed_minor)) AS subtotal_minor,
               coalesce(arg_min(minor("Total"), row), subtotal_minor) AS total_minor,
               coalesce(arg_min(minor("Discount Amount"), row), 0) AS discounts_minor,
               coalesce(arg_min(minor("Refunded Amount"), row), 0) AS refunded_minor,
               coalesce(arg_min(minor("Shipping"), row), 0) AS shipping_minor,
               coalesce(arg_min(minor("Taxes"), row), 0) AS tax_minor,
               CAST(running(refunded_minor, subtotal_minor, greatest(subtotal_minor, total_minor - shipping_minor))
                    AS BIGINT) AS refund_excess_minor,
               list_filter([arg_min("Discount Code", row)], lambda c: c IS NOT NULL) AS discount_codes,
               []::VARCHAR[] AS tags, arg_min("Source", row) AS source_name,
               arg_min("Shipping Country", row) AS country, arg_min("Shipping Province", row) AS province,
               arg_min("Shipping City", row) AS city, arg_min("Email", row) AS email
        FROM csv_lines JOIN csv_orders USING (row) GROUP BY order_id ORDER BY order_id""")
    # An address that the customer export knows belongs to that customer; the rest are guests.
    orders.staged.execute("""
        UPDATE stage_orders SET shopify_customer_id = c.shopify_id
        FROM (SELECT lower(email) AS address, min(shopify_id) AS shopify_id FROM stage_customers
              WHERE email IS NOT NULL GROUP BY 1) c
        WHERE lower(stage_orders.email) = c.address""")


def _fill_lines(staged: duckdb.DuckDBPyConnection) -> None:
    """Spread the order's own discount, lines less Subtotal, over its lines, and take lines of whole refunds back.

    A line's share is the difference of two rounded running totals: shares add up to the last minor unit,
    and none exceeds its line. A Subtotal above all prices makes no line dearer: rows are missing then.
    """
    staged.execute("""
        INSERT INTO stage_lines BY NAME
        WITH summed AS (
            SELECT l.*, o.total_minor > 0 AND o.refunded_minor >= o.total_minor AS is_taken_back,
                   row_number() OVER running_on AS position, sum(listed_minor) OVER running_on AS upto,
                   sum(listed_minor) OVER (PARTITION BY l.order_id) AS whole,
                   whole - least(o.subtotal_minor, sum(unit_price_minor * quantity) OVER (PARTITION BY l.order_id))
                       AS discount
            FROM csv_lines l JOIN stage_orders o USING (order_id)
            WINDOW running_on AS (PARTITION BY l.order_id ORDER BY row)
        )
        SELECT order_id, number('line|' || order_id || '|' || position) AS line_id, product_id, NULL AS variant_id,
               title, quantity, CASE WHEN is_taken_back THEN 0 ELSE quantity END AS current_quantity, unit_price_minor,
               CAST(listed_minor - running(discount, upto, whole) + running(discount, upto - listed_minor, whole)
                    AS BIGINT) AS total_minor,
               lower(title) LIKE '%gift card%' AS is_gift_card
        FROM summed""")
