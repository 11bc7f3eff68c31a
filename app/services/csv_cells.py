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
    if quoted:
        return "".join('"' + '","'.join([c.replace('"', '""') for c in cells]) + '"\r\n' for cells in rows).encode()
    rows = list(rows)
    joined = "".join([",".join(cells) + "\r\n" for cells in rows])
    # The csv module looks at each character on its own, at a third of the cost of the whole file. Only a mark that
    # is more than a separator needs it.
    if (
        '"' not in joined
        and joined.count(",") == sum(map(len, rows)) - len(rows)
        and joined.count("\r") == joined.count("\n") == len(rows)
        and all(rows)
        and [""] not in rows
    ):
        return joined.encode()
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode()
