"""Reads whatever a merchant calls a CSV file: the usual encodings and delimiters, quoted newlines, stray bytes."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

Identifier = Literal["email", "customer_id"]
DELIMITERS = (",", ";", "\t", "|")
SAMPLES = 3
LOOKED_AT = 200
MOSTLY = 0.5
EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[^@\s,;<>\"]{1,255}\.[^@\s,;<>\".]{2,63}")
ID = re.compile(r"(?:gid://shopify/Customer/)?([1-9][0-9]{0,17})")
EMAIL_HEADERS = frozenset({"email", "e-mail", "emailaddress", "e-mailaddress", "mail", "customeremail"})
ID_HEADERS = frozenset({"customerid", "id", "shopifyid", "shopifycustomerid"})


def looks_like_email(text: str) -> bool:
    """Whether a text has the form of one address."""
    return EMAIL.fullmatch(text) is not None


def normal_id(text: str) -> int | None:
    """The number of a Shopify customer id, also with a spreadsheet's apostrophe or as a global id; or None."""
    found = ID.fullmatch(text.lstrip("'").strip())
    return int(found[1]) if found else None


@dataclass(frozen=True)
class Table:
    """The file as read: headers, and rows with their line-in-file numbers (the header is 1)."""

    headers: list[str]
    rows: list[tuple[int, list[str]]]
    encoding: str
    delimiter: str

    def samples(self, position: int) -> list[str]:
        """The first values of a column."""
        return [cells[position] for _, cells in self.rows[:LOOKED_AT] if position < len(cells) and cells[position]][
            :SAMPLES
        ]

    def identifier(self, position: int) -> Identifier | None:
        """What a column seems to hold, by its header and its values."""
        values = [cells[position].strip() for _, cells in self.rows[:LOOKED_AT] if position < len(cells)]
        values = [value for value in values if value]
        if not values:
            return None
        if sum(looks_like_email(value) for value in values) > MOSTLY * len(values):
            return "email"
        header = re.sub(r"[\s_]", "", self.headers[position].casefold())
        ids = sum(normal_id(value) is not None for value in values) > MOSTLY * len(values)
        if header in EMAIL_HEADERS:
            return "email"
        return "customer_id" if ids and (header in ID_HEADERS or len(self.headers) == 1) else None

    def detected(self, wanted: Identifier | None = None) -> tuple[int | None, Identifier | None]:
        """The column that identifies customers: e-mail before customer id, first before later."""
        kinds = [self.identifier(position) for position in range(len(self.headers))]
        for kind in (wanted,) if wanted else ("email", "customer_id"):
            if kind in kinds:
                return kinds.index(kind), kind
        return None, None


def read_table(content: bytes) -> Table:
    """Read a file. Raises Invalid if it can't be a table of text, naming the line."""
    text, encoding = _decode(content)
    text = text.replace("\x00", "")
    delimiter = _delimiter(text)
    records = list(_records(text, delimiter))
    numbered = [(number, row) for number, row in enumerate(records, start=1) if any(cell.strip() for cell in row)]
    if not numbered:
        return Table([], [], encoding, delimiter)
    first = [cell.strip() for cell in numbered[0][1]]
    if any(looks_like_email(cell) or normal_id(cell) is not None for cell in first):
        headers = [f"Column {position}" for position in range(1, len(first) + 1)]
        return Table(headers, numbered, encoding, delimiter)
    return Table(first, numbered[1:], encoding, delimiter)


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    """The records of a file. One quote too many makes a cell of the rows after it: they must not go uncounted."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        first = reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as fault:
            lines = "this line" if reader.line_num <= first else f"lines {first:,} to {reader.line_num:,}"
            raise Invalid(
                f"Line {first:,}: a quotation mark is not closed, or stands beside other text, so {lines} can't be "
                "read. Nothing was changed: correct or remove it and upload again.",
                field="file",
            ) from fault
        if record is None:
            return
        if any(_swallowed(cell, delimiter, len(record)) for cell in record):
            raise Invalid(
                f"Line {first:,}: a quotation mark opens a cell that ends only on line {reader.line_num:,}; what is "
                "between looks like rows. Nothing was changed: correct or remove it and upload again.",
                field="file",
            )
        yield record


def _swallowed(cell: str, delimiter: str, width: int) -> bool:
    """Whether a cell of several lines holds what looks like a row: an address as a field of its own."""
    for line in cell.splitlines()[1:]:
        fields = [field.strip(' "') for field in line.split(delimiter)]
        if (len(fields) > 1 or width == 1) and any(looks_like_email(field) for field in fields):
            return True
    return False


def _decode(content: bytes) -> tuple[str, str]:
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return content.decode(encoding, errors="replace"), encoding
    head = content[:1000]
    if len(head) > 1 and head[1::2].count(0) > len(head) // 4:
        return content.decode("utf-16-le", errors="replace"), "utf-16-le"
    if len(head) > 1 and head[::2].count(0) > len(head) // 4:
        return content.decode("utf-16-be", errors="replace"), "utf-16-be"
    try:
        return content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), "cp1252"


def _delimiter(text: str) -> str:
    """The one that the first line with any of them has most; quoted parts don't count."""
    for line in text.splitlines()[:10]:
        bare = re.sub(r'"[^"]*"', "", line)
        counts = {mark: bare.count(mark) for mark in DELIMITERS}
        if max(counts.values()):
            return max(DELIMITERS, key=lambda mark: counts[mark])
    return ","
