"""Reads Shopify's CSV exports into DuckDB as text and refuses, by file, row and column, what can't be right.

Columns as Shopify names them; spelling in capitals doesn't matter. The product export has had two sets of
names: "Handle, Variant SKU, Variant Price" and, newer, "URL handle, SKU, Price".
Reference: https://help.shopify.com/en/manual/fulfillment/managing-orders/exporting-orders and
https://help.shopify.com/en/manual/products/import-export/using-csv
"""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NoReturn

import duckdb

from app.domain.money import exponent
from app.errors import Invalid

if TYPE_CHECKING:
    from pathlib import Path

UNCHANGED = "Nothing was changed."
CHUNK_BYTES = 1 << 20
LONGEST_RECORD_BYTES = 10_000_000
# Shopify's dialect, not a guessed one: order names begin with "#", which is easily taken for a comment.
DIALECT = (
    "all_varchar = true, header = true, comment = '', delim = ',', quote = '\"', escape = '\"', parallel = false, "
    f"null_padding = true, max_line_size = {LONGEST_RECORD_BYTES}"
)
AMOUNT = r"-?(\d{1,3}(,\d{3})*|\d+)(\.\d+)?"
# Beyond these, a line's amount no longer fits 64 bits.
LARGEST_MINOR = 10**12
LARGEST_QUANTITY = 1_000_000


@dataclass(frozen=True)
class Layout:
    """The columns of one export that we read: those it can't be without, and the rest."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    other_names: dict[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them, in order."""
        return (*self.required, *self.optional)


ORDERS = Layout(
    "orders",
    ("Name", "Email", "Created at", "Lineitem quantity", "Lineitem name", "Lineitem price"),
    (
        "Id", "Financial Status", "Currency", "Subtotal", "Shipping", "Taxes", "Total", "Discount Code",
        "Discount Amount", "Cancelled at", "Refunded Amount", "Lineitem sku", "Lineitem discount", "Source",
        "Shipping City", "Shipping Province", "Shipping Country",
    ),
)  # fmt: skip
CUSTOMERS = Layout(
    "customers",
    ("Customer ID", "Email"),
    (
        "First Name", "Last Name", "Accepts Email Marketing", "Accepts SMS Marketing", "Default Address Address1",
        "Default Address City", "Default Address Province Code", "Default Address Country Code",
        "Default Address Zip", "Phone", "Total Spent", "Total Orders", "Tags",
    ),
)  # fmt: skip
PRODUCTS = Layout(
    "products",
    ("Handle", "Title"),
    (
        "Vendor", "Type", "Option1 Value", "Option2 Value", "Option3 Value", "Variant SKU", "Variant Price",
        "Variant Image", "Image Src", "Gift Card", "Status",
    ),
    {
        "Handle": "URL handle", "Variant SKU": "SKU", "Variant Price": "Price", "Variant Image": "Variant image URL",
        "Image Src": "Product image URL",
    },
)  # fmt: skip


@dataclass(frozen=True)
class Export:
    """One file, read: a table `csv_<name>` of trimmed texts, blanks null, and each record's number in `row`."""

    staged: duckdb.DuckDBPyConnection
    layout: Layout
    file: Path

    def refuse(self, row: int, problem: str) -> NoReturn:
        """Raise Invalid for a record; `problem` goes on after the row's number."""
        raise Invalid(f"{self.file.name}, row {self.row_in_file(row)}{problem} {UNCHANGED}", field=self.layout.name)

    def row_in_file(self, row: int) -> int:
        """A record's row as a spreadsheet counts: DuckDB passes over empty lines and doesn't count them."""
        with self.file.open(encoding="utf-8-sig", newline="") as lines:
            filled = (number for number, record in enumerate(csv.reader(lines), start=1) if record)
            try:
                return next(islice(filled, row - 1, None), row)
            except csv.Error:  # a cell longer than this reader takes
                return row

    def check(self, column: str, wrong: str, why: str = "can't be read.") -> None:
        """Refuse the first record for which the condition `wrong` holds."""
        found = self.staged.execute(
            f'SELECT row, "{column}" FROM csv_{self.layout.name} WHERE {wrong} ORDER BY row LIMIT 1'
        ).fetchone()
        if found is not None:
            self.refuse(found[0], f", column {column!r}: {'a blank' if found[1] is None else repr(found[1])} {why}")


def read(staged: duckdb.DuckDBPyConnection, layout: Layout, file: Path) -> Export:
    """Read a file; absent optional columns are null, records without any text and repeated headers are left out.

    Raises Invalid, with what to do, for what is no comma-separated UTF-8 text or lacks a column.
    """
    _check_bytes(layout, file)
    try:
        staged.execute(f"CREATE OR REPLACE TABLE raw AS SELECT * FROM read_csv($file, {DIALECT})", {"file": str(file)})
    except duckdb.Error as fault:
        line = re.search(r"CSV Error on Line: (\d+)", str(fault))
        where = f"{file.name}, line {line[1]}," if line else file.name
        raise Invalid(
            f"{where} can't be read as CSV: a quote is not closed, rows have more cells than the header, or lines end "
            f"in different ways. Export the file anew. {UNCHANGED}",
            field=layout.name,
        ) from fault
    spelled = {row[0].strip().casefold(): row[0] for row in staged.execute("DESCRIBE raw").fetchall()}
    found = {c: spelled.get(c.casefold(), spelled.get(layout.other_names.get(c, c).casefold())) for c in layout.columns}
    missing = [column for column in layout.required if found[column] is None]
    if missing:
        raise Invalid(f"{file.name} lacks the column {missing[0]!r}; {_guess(layout, set(spelled))}", field=layout.name)
    texts = ", ".join(
        f"nullif(trim({_quoted(actual)}), '') AS \"{column}\"" if actual else f'NULL::VARCHAR AS "{column}"'
        for column, actual in found.items()
    )
    filled = " OR ".join(f"trim({_quoted(name)}) <> ''" for name in spelled.values())
    staged.execute(f"""
        CREATE OR REPLACE TABLE csv_{layout.name} AS
        SELECT row, {texts} FROM (SELECT row_number() OVER () + 1 AS row, * FROM raw) WHERE {filled}""")
    header = " AND ".join(f"\"{column}\" = '{found[column]}'" for column in layout.required)
    staged.execute(f"DELETE FROM csv_{layout.name} WHERE {header}")  # of files put one after the other
    staged.execute("DROP TABLE raw")
    return Export(staged, layout, file)


def macros(staged: duckdb.DuckDBPyConnection, currency: str, timezone: str) -> None:
    """Make what turns text into values, null for what can't be: minor(text), instant(text), number(text).

    Both arguments must have been checked: they become part of the SQL.
    """
    staged.execute(
        f"CREATE MACRO minor(amount) AS CASE WHEN regexp_full_match(amount, '{AMOUNT}') THEN TRY_CAST(round("
        f"TRY_CAST(replace(amount, ',', '') AS DECIMAL(28, 6)) * {10 ** exponent(currency)}) AS BIGINT) END"
    )
    # The first 60 bits of MD5: stable for ever, unlike DuckDB's own hash, and positive.
    staged.execute("CREATE MACRO number(text) AS CAST('0x' || left(md5(text), 15) AS BIGINT)")
    staged.execute(
        "CREATE MACRO instant(text) AS coalesce(try_strptime(text, '%Y-%m-%d %H:%M:%S %z'), "
        f"timezone('{timezone}', try_strptime(text, ['%Y-%m-%d %H:%M:%S', '%Y-%m-%dT%H:%M:%S', '%Y-%m-%d'])))"
    )
    # A spreadsheet must not round ids, so exports write them with an apostrophe; 5.1E+12 is one that was rounded.
    staged.execute("CREATE MACRO shopify_number(text) AS TRY_CAST(regexp_extract(text, '^''?([0-9]+)$', 1) AS BIGINT)")


def check_amounts(export: Export, *columns: str) -> None:
    """Refuse what is filled and no amount as Shopify writes it: 1234.50 or 1,234.50."""
    for column in columns:
        value = f'minor("{column}")'
        export.check(
            column,
            f'"{column}" IS NOT NULL AND ({value} IS NULL OR abs({value}) > {LARGEST_MINOR})',
            "is no amount such as 1234.50.",
        )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _guess(layout: Layout, found: set[str]) -> str:
    for other in (ORDERS, CUSTOMERS, PRODUCTS):
        if other is not layout and all(column.casefold() in found for column in other.required):
            return f"it looks like Shopify's {other.name} export. {UNCHANGED}"
    for mark, word in ((";", "semicolons"), ("\t", "tabs")):
        if any(mark in column for column in found):
            return f"its columns are separated by {word}; give Shopify's own file, or save it with commas. {UNCHANGED}"
    return f"is it Shopify's {layout.name} export? {UNCHANGED}"


def _check_bytes(layout: Layout, file: Path) -> None:
    """Refuse what is no UTF-8 text before DuckDB sees it, which takes NUL bytes as part of names."""

    def refuse(problem: str) -> NoReturn:
        raise Invalid(f"{file.name} {problem} {UNCHANGED}", field=layout.name)

    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    with file.open("rb") as content:
        chunk = content.read(CHUNK_BYTES)
        if not chunk.strip():
            refuse("is empty.")
        if chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            refuse("is UTF-16 text; save it as CSV in UTF-8.")
        while True:
            if 0 in chunk:
                at = line + chunk.count(b"\n", 0, chunk.index(0))
                refuse(f"has a zero byte in line {at}: it is damaged, or no CSV text in UTF-8. Export it anew.")
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as fault:
                # It may begin with what was kept of the chunk before: no whole letter, so no line's end.
                at = line + fault.object.count(b"\n", 0, fault.start)
                refuse(f"is no UTF-8 text (line {at}); save it as CSV in UTF-8.")
            if not chunk:
                return
            line += chunk.count(b"\n")
            chunk = content.read(CHUNK_BYTES)
