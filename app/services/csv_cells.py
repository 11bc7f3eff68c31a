"""Cells and lines of CSV files that Encore hands out."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from app.services.export_segment_normal import FORMULA_STARTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BOM = "\ufeff"  # without it spreadsheets read UTF-8 as something else


def guarded(cell: Any) -> str:
    """A cell that no spreadsheet takes for a formula: a leading apostrophe where one could."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def csv_lines(rows: Iterable[Sequence[str]], *, quoted: bool = False) -> bytes:
    """Lines of a CSV file (RFC 4180), in UTF-8. quoted: each cell in quotation marks, for spreadsheets."""
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL).writerows(rows)
    return buffer.getvalue().encode()
