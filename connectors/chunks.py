"""Cutting a stream of rows into requests that keep a vendor's limits, and finding rows that spoil one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from connectors.base import Misconfigured, Outcome, RowRejected, Transient

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


MOST_CALLS = 200  # for one request that is refused: some twenty bad members among ten thousand
PROBES = 3


def isolating(
    rows: Sequence[T], send: Callable[[Sequence[T]], list[Outcome]], member_of: Callable[[T], Member]
) -> Iterator[list[Outcome]]:
    """Send a request; when the vendor refuses it whole, find the members at fault and send the others.

    Yields the outcomes of each part as soon as it is acknowledged. Rows that the vendor names are taken out; if
    it names none, halves find one bad member among n in about 2 log2(n) calls. `send` must be safe to repeat.

    Raises Misconfigured when single members from the beginning, middle and end are refused for the same reason and
    nothing was accepted: then the request is at fault. Raises Transient when too many calls were refused; what was
    yielded stands, so the next try has less to find.
    """
    waiting = [list(rows)]
    held: list[tuple[Member, RowRejected]] = []  # refused alone while nothing shows that any request is accepted
    accepted = probed = False
    calls = 0
    while waiting:
        calls += 1
        if calls > MOST_CALLS:
            raise Transient("The vendor refuses too many members without saying which.", code="too_many_refused")
        part = waiting.pop()
        try:
            answered = send(part)
        except RowRejected as fault:
            named = sorted({row for row in fault.rows if row < len(part)})
            if named:
                yield _failures([(member_of(part[row]), fault) for row in named], final=True)
                waiting += _without(part, named)
            elif len(part) > 1:
                waiting += _halves(part) if accepted or probed else _probes(part)
                probed = True
            else:
                held.append((member_of(part[0]), fault))
                if not accepted:
                    _blame_the_request(held, len(rows))
        else:
            accepted = True
            yield answered
        if accepted and held:
            yield _failures(held, final=True)
            held.clear()
    if held:
        yield _failures(held, final=False)


def _failures(refused: list[tuple[Member, RowRejected]], *, final: bool) -> list[Outcome]:
    return [Outcome.failed(member, fault.code, fault.message, final=final) for member, fault in refused]


def _blame_the_request(refused: list[tuple[Member, RowRejected]], of: int) -> None:
    """Give up when enough single rows of a larger request were refused for one reason. Raises Misconfigured."""
    if of > PROBES <= len(refused) and len({fault.code for _, fault in refused}) == 1:
        fault = refused[0][1]
        raise Misconfigured(fault.code, f"Every request is refused, whoever is in it: {fault.message}") from fault


def _halves(part: list[T]) -> list[list[T]]:
    """What to send instead, the first half last: it is taken from the end."""
    middle = len(part) // 2
    return [half for half in (part[middle:], part[:middle]) if half]


def _probes(part: list[T]) -> list[list[T]]:
    """Single rows from all over the part come first: rows side by side may share a fault, all rows hardly."""
    chosen = sorted({0, len(part) // 2, len(part) - 1})
    halves = [half for rest in _without(part, chosen) for half in _halves(rest)]
    return [*halves, *([part[position]] for position in chosen)]


def _without(part: list[T], positions: list[int]) -> list[list[T]]:
    """One request for the others, or none."""
    out = set(positions)
    rest = [row for position, row in enumerate(part) if position not in out]
    return [rest] if rest else []
