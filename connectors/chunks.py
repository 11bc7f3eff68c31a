"""Cutting a stream of rows into requests that keep a vendor's limits, and finding rows that spoil one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from connectors.base import Outcome, RowRejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from connectors.base import Member

T = TypeVar("T")


def chunks(
    rows: Iterable[T], max_rows: int, *, size: Callable[[T], int] | None = None, max_size: int = 0
) -> Iterator[list[T]]:
    """Cut rows into lists of at most `max_rows` whose sizes add up to at most `max_size`.

    size: of one row in the unit of `max_size`; left out = only rows count. A row that is too large
    alone gets a list of its own: refusing it is the caller's decision.
    """
    chunk: list[T] = []
    total = 0
    for row in rows:
        weight = size(row) if size else 0
        if chunk and (len(chunk) >= max_rows or (size is not None and total + weight > max_size)):
            yield chunk
            chunk, total = [], 0
        chunk.append(row)
        total += weight
    if chunk:
        yield chunk


def isolating(members: Sequence[Member], send: Callable[[Sequence[Member]], list[Outcome]]) -> list[Outcome]:
    """Send a request; when the vendor refuses it whole, halve it until the members at fault stand alone.

    Costs about 2 log2(n) calls for one bad member among n. `send` must be safe to repeat.
    """
    try:
        return send(members)
    except RowRejected as fault:
        if len(members) == 1:
            return [Outcome.failed(members[0], fault.code, fault.message)]
        middle = len(members) // 2
        return isolating(members[:middle], send) + isolating(members[middle:], send)
