"""Reads whatever a merchant calls a CSV file: the usual encodings and delimiters, quoted newlines, stray bytes."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

Identifier = Literal["email", "customer_id"]
Numbered = tuple[int, list[str]]
DELIMITERS = (",", ";", "\t", "|")
SAMPLES, SAMPLE_LENGTH = 3, 200
HEADER_LENGTH = 200
HEAD, FIRST_BYTES, CHECKED_AT_ONCE = 4_000, 64_000, 1 << 20  # of UTF-32, four bytes are one character
ODD_SHARE = 0.05
LOOKED_AT = 200
MOSTLY = 0.5
MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),  # before UTF-16, whose mark it begins with
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
BINARY = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"GIF8": "an image",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a compressed file",
}
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ufffd]")
DECLARED = re.compile(r"\ufeff?sep=([,;\t|])\r?(?:\n|$)")
INVISIBLE = "\ufeff\u200b\u200e\u200f\u2060"
EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[^@\s,;<>\"]{1,255}\.[^@\s,;<>\".]{2,63}")
ID = re.compile(r"(?:gid://shopify/Customer/)?([1-9][0-9]{0,17})")
EMAIL_HEADERS = frozenset({"email", "e-mail", "emailaddress", "e-mailaddress", "mail", "customeremail"})
ID_HEADERS = frozenset({"customerid", "id", "shopifyid", "shopifycustomerid"})


def cleaned(cell: str) -> str:
    """A cell without what surrounds its value: white and invisible characters, a guard against formulas."""
    text = cell.strip()
    if not text.isascii():
        text = text.strip(INVISIBLE).strip()
    return text[1:] if text.startswith(("'=", "'+", "'-", "'@")) else text


def looks_like_email(text: str) -> bool:
    """Whether a text has the form of one address."""
    return EMAIL.fullmatch(text) is not None


def normal_id(text: str) -> int | None:
    """The number of a Shopify customer id, also with a spreadsheet's apostrophe or as a global id; or None."""
    found = ID.fullmatch(text.lstrip("'").strip())
    return int(found[1]) if found else None


@dataclass
class Table:
    """The file as read: headers, the first rows, and the rest to come; each row with its number (the header is 1).

    headers: each once, so that one of them names one column.
    """

    headers: list[str]
    head: list[Numbered]
    encoding: str
    delimiter: str
    _rest: Iterator[Numbered]

    def rows(self) -> Iterator[Numbered]:
        """All rows that hold anything, once: a file of a million is never in memory as rows. Raises Invalid."""
        return itertools.chain(self.head, self._rest)

    def samples(self, position: int) -> list[str]:
        """The first values of a column."""
        return [cells[position][:SAMPLE_LENGTH] for _, cells in self.head if position < len(cells) and cells[position]][
            :SAMPLES
        ]

    def identifier(self, position: int) -> Identifier | None:
        """What a column seems to hold, by its header and its first values."""
        values = [cleaned(cells[position]) for _, cells in self.head if position < len(cells)]
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
    """Read a file up to its first rows. Raises Invalid if it can't be a table of text, naming the line."""
    _refuse_binary(content)
    encoding = _encoding(content)
    start = content[:FIRST_BYTES].decode(encoding, errors="replace").replace("\x00", "")
    _refuse_control_characters(start)
    lines = _lines(content, encoding)
    declared = DECLARED.match(start)
    if declared:  # a first line for one spreadsheet program: no row, but a row number
        next(lines)
    delimiter = declared[1] if declared else _delimiter(start)
    numbered = _numbered(lines, delimiter, 2 if declared else 1)
    head = list(itertools.islice(numbered, LOOKED_AT + 1))
    if not head:
        return Table([], [], encoding, delimiter, iter(()))
    first = [cell.strip() for cell in head[0][1]]
    if any(looks_like_email(cleaned(cell)) or normal_id(cell) is not None for cell in first):
        headers = [f"Column {position}" for position in range(1, len(first) + 1)]
        return Table(headers, head, encoding, delimiter, numbered)
    return Table(_each_once(first), head[1:], encoding, delimiter, numbered)


def _lines(content: bytes, encoding: str) -> Iterator[str]:
    """The lines as they stand, decoded as they are read: as one text a large file would take four times its size."""
    for line in io.TextIOWrapper(io.BytesIO(content), encoding, errors="replace", newline=""):
        yield line.replace("\x00", "") if "\x00" in line else line


def _each_once(headers: list[str]) -> list[str]:
    """Headers that are missing or come again get a name of their own."""
    found: list[str] = []
    for position, header in enumerate(headers, start=1):
        name = header[:HEADER_LENGTH] or f"Column {position}"
        again = 2
        while name in found:
            name, again = f"{header[:HEADER_LENGTH] or f'Column {position}'} ({again})", again + 1
        found.append(name)
    return found


def _numbered(lines: Iterator[str], delimiter: str, first: int) -> Iterator[Numbered]:
    for number, row in enumerate(_records(lines, delimiter, first), start=first):
        if "".join(row).strip():
            yield number, row


def _records(lines: Iterator[str], delimiter: str, first_line: int) -> Iterator[list[str]]:
    """The records of a file. One quote too many makes a cell of the rows after it: they must not go uncounted."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line = first_line
    while True:
        try:
            record = next(reader, None)
        except csv.Error as fault:
            raise _unreadable(fault, line, reader.line_num + first_line - 1) from fault
        if record is None:
            return
        end = reader.line_num + first_line - 1
        if end > line and any(_swallowed(cell, delimiter, len(record)) for cell in record):
            raise Invalid(
                f"Line {line:,}: a quotation mark opens a cell that ends only on line {end:,}; what is "
                "between looks like rows. Nothing was changed: correct or remove it and upload again.",
                field="file",
            )
        yield record
        line = end + 1


def _unreadable(fault: csv.Error, first: int, last: int) -> Invalid:
    if "field larger" in str(fault):
        return Invalid(
            f"Line {first:,}: a cell holds more than {csv.field_size_limit():,} characters, perhaps because a "
            "quotation mark is not closed. Nothing was changed: correct it and upload again.",
            field="file",
        )
    lines = "this line" if last <= first else f"lines {first:,} to {last:,}"
    return Invalid(
        f"Line {first:,}: a quotation mark is not closed, or stands beside other text, so {lines} can't be "
        "read. Nothing was changed: correct or remove it and upload again.",
        field="file",
    )


def _swallowed(cell: str, delimiter: str, width: int) -> bool:
    """Whether a cell of several lines holds what looks like a row: an address as a field of its own."""
    for line in cell.splitlines()[1:]:
        fields = [field.strip(' "') for field in line.split(delimiter)]
        if (len(fields) > 1 or width == 1) and any(looks_like_email(field) for field in fields):
            return True
    return False


def _refuse_binary(content: bytes) -> None:
    """Say what a file is that is no text, rather than find no addresses in it."""
    for start, what in BINARY.items():
        if content.startswith(start):
            raise Invalid(f"This is {what}, not a CSV file. Save the list as CSV and upload that.", field="file")


def _refuse_control_characters(text: str) -> None:
    head = text[:HEAD]
    odd = len(CONTROL.findall(head))
    if odd > ODD_SHARE * len(head):
        raise Invalid("This file holds no text; save the list as CSV and upload that.", field="file")


def _encoding(content: bytes) -> str:
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return encoding
    head = content[:HEAD]
    if len(head) > 1 and head[1::2].count(0) > len(head) // 4:
        return "utf-16-le"
    if len(head) > 1 and head[::2].count(0) > len(head) // 4:
        return "utf-16-be"
    # Cut off within its last character it is still UTF-8, so nothing is said of the end: read otherwise, every accent
    # of the file would be wrong.
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(content), CHECKED_AT_ONCE):
            decoder.decode(content[start : start + CHECKED_AT_ONCE])
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _delimiter(text: str) -> str:
    """The one that the first line with any of them has most; quoted parts don't count."""
    for line in text.splitlines()[:10]:
        bare = re.sub(r'"[^"]*"', "", line)
        counts = {mark: bare.count(mark) for mark in DELIMITERS}
        if max(counts.values()):
            return max(DELIMITERS, key=lambda mark: counts[mark])
    return ","
