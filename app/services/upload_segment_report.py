"""What became of each row of an uploaded file, packed and sealed: it holds addresses.

By column and compressed: a million rows are some fifteen megabytes rather than fifty. Reports made before that
are read as well.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.domain.context import ShopContext
    from app.store.crypto import Vault

SUBJECT = "upload:{}"
OUTCOMES = ("matched", "unmatched", "duplicate", "invalid")
MATCHED, UNMATCHED, DUPLICATE, INVALID = range(len(OUTCOMES))
FAST = 1  # zlib's quickest: addresses hardly get smaller by more work


@dataclass
class Report:
    """Per row: its number in the file (the header is 1), the text found, and the index of its outcome."""

    numbers: list[int]
    texts: list[str]
    outcomes: bytearray

    def rows(self) -> Iterator[tuple[int, str, str]]:
        """Number, text and outcome of each row."""
        return (
            (number, text, OUTCOMES[outcome])
            for number, text, outcome in zip(self.numbers, self.texts, self.outcomes, strict=True)
        )

    def count(self, outcome: int) -> int:
        """How many rows ended so."""
        return self.outcomes.count(outcome)


def seal(vault: Vault, ctx: ShopContext, upload_id: int, report: Report) -> bytes:
    """Pack and encrypt a report."""
    packed: dict[str, Any] = {
        "runs": _runs(report.numbers),
        "texts": report.texts,
        "outcomes": report.outcomes.decode("latin-1"),
    }
    return vault.seal_bytes(ctx.shop_id, SUBJECT.format(upload_id), zlib.compress(orjson.dumps(packed), FAST))


def open_report(vault: Vault, ctx: ShopContext, upload_id: int, blob: bytes) -> Report:
    """What `seal` made. Raises CannotUnseal."""
    content = vault.open_bytes(ctx.shop_id, SUBJECT.format(upload_id), blob)
    if content.startswith(b"{"):  # as they were before: a list of rows
        rows = orjson.loads(content)["rows"]
        outcomes = bytearray(OUTCOMES.index(outcome) for _, _, outcome in rows)
        return Report([number for number, _, _ in rows], [text for _, text, _ in rows], outcomes)
    packed = orjson.loads(zlib.decompress(content))
    numbers = [number for start, count in packed["runs"] for number in range(start, start + count)]
    return Report(numbers, packed["texts"], bytearray(packed["outcomes"].encode("latin-1")))


def blanked(report: Report, is_gone: Callable[[str], bool], instead: str) -> Report | None:
    """The report with some texts replaced, or None if there is none of them."""
    texts = [instead if is_gone(text) else text for text in report.texts]
    return None if texts == report.texts else Report(report.numbers, texts, report.outcomes)


def _runs(numbers: list[int]) -> list[list[int]]:
    """Numbers as [first, how many] of each stretch without a gap."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][0] + found[-1][1] == number:
            found[-1][1] += 1
        else:
            found.append([number, 1])
    return found
