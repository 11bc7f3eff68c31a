"""Reads a table of median household incomes by ZIP area (ACS table B19013) from the forms that it comes in.

- what data.census.gov gives as `...B19013-Data.csv`: codes in the first row, words in the second, areas as
  `860Z200US00601` (2020 on) or `8600000US00601`, amounts as `17,526`, `250,000+`, `2,500-`, `-`, margins also as `**`
  and `***`;
- the older American FactFinder's `..._with_ann.csv` (GEO.id, HD01_VD01, HD02_VD01);
- the survey's summary file `...-b19013.dat`: separated by bars, areas of every kind, of which only ZIP areas are read;
- the Census API's JSON, in which large negative numbers stand for what is not published;
- CSV or Parquet with the columns zcta, median_household_income and, if it is known, margin.

What the symbols mean: https://www.census.gov/data/developers/data-sets/acs-1year/notes-on-acs-estimate-and-annotation-values.html
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from app.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MOST_BYTES = 256 << 20
AREA_COLUMNS = (
    "geo_id", "geo.id2", "geo.id", "zcta", "zip code tabulation area", "zip_code_tabulation_area", "name",
    "geographic area name",
)  # fmt: skip
INCOME_COLUMNS = ("b19013_001e", "b19013_e001", "hd01_vd01", "median_household_income")
MARGIN_COLUMNS = ("b19013_001m", "b19013_m001", "hd02_vd01", "margin")
LEAST_INCOME, MOST_INCOME = 2_499, 250_001
"""Ends of the published scale: `2,500-` and `250,000+` as the API's numbers have it."""
SECOND = 2  # the row of data.census.gov that puts the codes of the first into words
NOT_PUBLISHED = frozenset({"-", "--", "N", "(X)", "", "null", "None", "nan"})
NO_MARGIN = NOT_PUBLISHED | {"**", "*****"}
_AREA = re.compile(r"(?:860[0-9A-Z]{4}US|ZCTA5 )?(\d{5})")
_OTHER_AREA = re.compile(r"(?!860)\d{3}[0-9A-Z]{4}US\w*")
_WORDS_OF_CODES = re.compile(r"(geography|geographic area name|id2?|geo\w*)", re.IGNORECASE)
_AMOUNT = re.compile(r"\d{1,3}(?:,\d{3})+|\d+(?:\.0+)?")
_VINTAGE = re.compile(r"ACS\w{2}5Y(\d{4})|acsdt5y(\d{4})|ACS_(\d{2})_5YR", re.IGNORECASE)


@dataclass(frozen=True)
class Area:
    """One ZIP area. income, margin: dollars a year; margin 0 at an end of the scale, None where none is published."""

    zcta: str
    income: int
    margin: int | None


@dataclass(frozen=True)
class IncomeFile:
    """What a file holds. unpublished: ZIP areas without an estimate; elsewhere: rows about other kinds of area."""

    areas: list[Area]
    unpublished: int
    elsewhere: int
    vintage: str | None


def read_income(path: Path) -> IncomeFile:
    """Read the whole file, or nothing of it.

    Raises Invalid naming the row (1 = the first line) and the column of the first fault.
    """
    if path.stat().st_size > MOST_BYTES:
        raise Invalid(f"{path.name} is larger than {MOST_BYTES >> 20} MB; table B19013 by ZIP area is about 2 MB.")
    rows = _rows(path)
    header = [str(cell).strip().lstrip("\ufeff").lower() for cell in next(rows, (0, []))[1]]
    area, income = _column(path, header, AREA_COLUMNS), _column(path, header, INCOME_COLUMNS)
    margin = next((header.index(name) for name in MARGIN_COLUMNS if name in header), None)
    areas: dict[str, tuple[int, Area]] = {}
    seen: dict[str, int] = {}
    unpublished = elsewhere = 0
    for number, cells in rows:
        if len(cells) <= max(area, income, margin or 0):
            raise _fault(number, header[min(len(cells), len(header) - 1)], "is missing: the row ends too early")
        zcta = _zcta(number, header[area], cells[area])
        if zcta is None:
            elsewhere += 1
            continue
        if zcta in seen:
            raise _fault(number, header[area], f"names {zcta}, which row {seen[zcta]} has already")
        seen[zcta] = number
        found = _area(zcta, number, (header[income], cells[income]), _cell(header, cells, margin))
        if found is None:
            unpublished += 1
        else:
            areas[zcta] = (number, found)
    return IncomeFile([found for _, (_, found) in sorted(areas.items())], unpublished, elsewhere, _vintage(path))


def _cell(header: list[str], cells: list[Any], position: int | None) -> tuple[str, Any] | None:
    return None if position is None else (header[position], cells[position])


def _column(path: Path, header: list[str], names: tuple[str, ...]) -> int:
    for name in names:
        if header.count(name) > 1:
            raise Invalid(f"{path.name} has the column {name} twice.")
        if name in header:
            return header.index(name)
    shown = ", ".join(name for name in header if name)[:200] or "none"
    raise Invalid(
        f"{path.name} has no column {names[0].upper()} (or {', '.join(names[1:])}); its columns are: {shown}."
    )


def _rows(path: Path) -> Iterator[tuple[int, list[Any]]]:
    """(number of the first line, cells) of every row that is not empty, the header first."""
    raw = path.read_bytes()
    if raw.startswith(b"PK\x03\x04"):
        raise Invalid(f"{path.name} is a zip archive. Unpack it and give the file that ends with -Data.csv.")
    if raw.startswith(b"PAR1"):
        return _from_parquet(path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = raw[: fault.start].count(b"\n") + 1
        raise Invalid(f"{path.name} is not UTF-8 text: row {line} has a byte that is none.") from fault
    if "\0" in text:
        raise Invalid(
            f"{path.name} is not a text table: row {text[: text.index(chr(0))].count(chr(10)) + 1} has a NUL."
        )
    if text.lstrip().startswith("["):
        return _from_json(path, text)
    return _from_text(path, text)


def _from_parquet(path: Path) -> Iterator[tuple[int, list[Any]]]:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as fault:
        raise Invalid(f"{path.name} is a damaged Parquet file.") from fault
    yield 1, list(table.column_names)
    for number, row in enumerate(table.to_pylist(), start=2):
        yield number, list(row.values())


def _from_json(path: Path, text: str) -> Iterator[tuple[int, list[Any]]]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise Invalid(f"{path.name} is not whole JSON: {fault}.") from fault
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, list):
            raise Invalid(f"{path.name}: row {number} is no list of cells, as the Census API answers.")
        yield number, row


def _from_text(path: Path, text: str) -> Iterator[tuple[int, list[Any]]]:
    first = text.split("\n", 1)[0]
    delimiter = max(",|;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start = 1
    try:
        for cells in reader:
            explains = start == SECOND and _WORDS_OF_CODES.fullmatch(cells[0].strip() if cells else "")
            if any(cell.strip() for cell in cells) and not explains:
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as fault:
        raise Invalid(f"{path.name}: row {start} can't be read: {fault}.") from fault


def _zcta(number: int, column: str, cell: Any) -> str | None:
    """The ZIP area's five digits, or None for an area of another kind."""
    text = str(cell).strip()
    found = _AREA.fullmatch(text)
    if found and found[1].isascii():
        return found[1]
    if _OTHER_AREA.fullmatch(text):
        return None
    hint = " Leading zeros are part of it." if text.isdecimal() else ""
    raise _fault(number, column, f"is “{text[:40]}”, which is no ZIP area of five digits.{hint}".rstrip("."))


def _area(zcta: str, number: int, income: tuple[str, Any], margin: tuple[str, Any] | None) -> Area | None:
    column, cell = income
    text = _text(cell)
    if text in NOT_PUBLISHED or _is_annotation(text):
        return None
    ends = {"250,000+": MOST_INCOME, "250000+": MOST_INCOME, "2,500-": LEAST_INCOME, "2500-": LEAST_INCOME}
    amount = ends.get(text) or _amount(number, column, text)
    if not LEAST_INCOME <= amount <= MOST_INCOME:
        span = f"{LEAST_INCOME:,} and {MOST_INCOME:,}"
        raise _fault(number, column, f"is {amount:,}; a median household income lies between {span} dollars a year")
    if amount in {LEAST_INCOME, MOST_INCOME}:
        return Area(zcta, amount, 0)
    return Area(zcta, amount, _margin(number, *margin) if margin else None)


def _margin(number: int, column: str, cell: Any) -> int | None:
    text = _text(cell)
    if text in NO_MARGIN or _is_annotation(text):
        return None
    return 0 if text == "***" else _amount(number, column, text)


def _amount(number: int, column: str, text: str) -> int:
    if not _AMOUNT.fullmatch(text) or not text.isascii():
        raise _fault(number, column, f"is “{text[:40]}”, which is no amount in whole dollars")
    return int(float(text.replace(",", ""))) if len(text) <= len("250,001.00000") else MOST_INCOME + 1


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _is_annotation(text: str) -> bool:
    """The API's numbers for “not published”: -666666666 and its like, nine equal digits."""
    digits = text.removeprefix("-").removesuffix(".0")
    return text.startswith("-") and len(digits) == 9 and len(set(digits)) == 1  # noqa: PLR2004 - nine digits


def _fault(number: int, column: str, what: str) -> Invalid:
    return Invalid(f"Row {number}, column {column}: {what}. Nothing was loaded.")


def _vintage(path: Path) -> str | None:
    """The survey's five years, as the Census Bureau's file names end with: ACSDT5Y2022 → 2018-2022."""
    found = _VINTAGE.search(path.name)
    if found is None:
        return None
    last = int(next(group for group in found.groups() if group))
    last += 2000 if last < 100 else 0  # noqa: PLR2004 - two digits
    return f"{last - 4}-{last}"


def digest_lines(areas: Iterable[Area]) -> Iterator[bytes]:
    """The areas as lines to take a digest of."""
    for area in areas:
        yield f"{area.zcta},{area.income},{area.margin}\n".encode()
