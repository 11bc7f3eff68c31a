"""The send ledger: one hash chain per shop, appended in the transaction of every stamp.

Entry n's hash covers its own fields and the hash of entry n-1, so that a changed, dropped or
inserted entry breaks every hash after it. It holds keyed hashes only and so survives an erasure.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from sqlalchemy import case, func, select

from app.store.marks import Mark, marks_of
from app.store.models.sending import LedgerEntry, LedgerHead, Message, MessageEvent
from app.store.rowset import locked, statement, write

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext

GENESIS = "0" * 64
FIND_END = "SELECT seq, hash FROM send_ledger_heads WHERE shop_id = :shop"
START = "INSERT INTO send_ledger_heads (shop_id, seq, hash) VALUES (:shop, 0, :hash) ON CONFLICT (shop_id) DO NOTHING"
MOVE_END = "UPDATE send_ledger_heads SET seq = :seq, hash = :hash WHERE shop_id = :shop"
ENTRY = {
    "seq": "integer", "stamped_at": "timestamptz", "customer_hash": "text", "email_hash": "text", "message_id": "text",
    "kind": "text", "prev_hash": "text", "hash": "text",
}  # fmt: skip
ENTRY_VALUES = ", ".join(f"r.{name}" for name in ENTRY)
ENTER = f"INSERT INTO send_ledger (shop_id, {', '.join(ENTRY)}) SELECT :shop, {ENTRY_VALUES} FROM {{rows}}"

Kind = Literal["mail", "holdout"]


@dataclass(frozen=True)  # no slots: it is read by `vars`
class Stamp:
    """What one stamp adds to the ledger. customer_hash and email_hash are keyed."""

    stamped_at: datetime
    customer_hash: str
    email_hash: str
    message_id: str
    kind: Kind


@dataclass(frozen=True)
class Gap:
    """Two messages to one key, and the time between their stamps."""

    length: timedelta
    key: str
    first_seq: int
    second_seq: int


@dataclass(frozen=True)
class Verdict:
    """What a verifier finds in a chain.

    entries: stamps, of mail and of holdouts.
    mails:   stamps of mail that led, or may have led, to a mail.
    broken:  one sentence per entry that can't be as it was written, or that lacks.
    """

    entries: int
    mails: int
    broken: list[str]
    shortest: Gap | None
    too_short: list[Gap]


def append(session: Session, ctx: ShopContext, stamps: Sequence[Stamp]) -> None:
    """Add entries to the shop's chain, in order. Call it last: its end stays locked until the commit."""
    if not stamps:
        return
    shop = {"shop": ctx.shop_id}
    seq, previous = _end(session, shop)
    rows: list[dict[str, Any]] = []
    for stamp in stamps:
        seq += 1
        digest = entry_hash(ctx.shop_id, seq, stamp, previous)
        rows.append({**vars(stamp), "seq": seq, "prev_hash": previous, "hash": digest})
        previous = digest
    write(session, ENTER, ENTRY, rows, shop)
    session.execute(statement(session, MOVE_END), {**shop, "seq": seq, "hash": previous})
    marks = marks_of(session)
    if marks is not None:
        marks.note_on_commit(session, ctx.shop_id, Mark(seq, previous, stamps[-1].stamped_at))


def _end(session: Session, shop: dict[str, int]) -> tuple[int, str]:
    """(number, hash) of the last entry, locked until the transaction ends."""
    find = statement(session, locked(session, FIND_END, "FOR UPDATE"))
    found = session.execute(find, shop).first()
    if found is None:
        session.execute(statement(session, START), {**shop, "hash": GENESIS})
        found = session.execute(find, shop).one()
    return found[0], found[1]


def entry_hash(shop_id: int, seq: int, stamp: Stamp, prev_hash: str) -> str:
    """SHA-256 over the entry's fields and the hash before it, in hex. Anyone can recompute it."""
    fields = (
        str(shop_id),
        str(seq),
        stamp.stamped_at.isoformat(timespec="microseconds"),
        stamp.customer_hash,
        stamp.email_hash,
        stamp.message_id,
        stamp.kind,
        prev_hash,
    )
    return hashlib.sha256("\n".join(fields).encode()).hexdigest()


def entries(session: Session, ctx: ShopContext) -> Iterable[LedgerEntry]:
    """The shop's chain in order, read in slices: it may be long."""
    query = select(LedgerEntry).where(LedgerEntry.shop_id == ctx.shop_id).order_by(LedgerEntry.seq)
    return session.scalars(query.execution_options(yield_per=5_000))


def head(session: Session, ctx: ShopContext) -> LedgerHead | None:
    """Where the shop's chain ends, as the last append left it."""
    return session.get(LedgerHead, {"shop_id": ctx.shop_id})


def taken_back(session: Session, ctx: ShopContext) -> set[int]:
    """The entries whose stamp surely led to no mail: the outbox wrote down that its hand-over was not accepted.

    Such an end takes back the one stamp that it follows; of two stamps with none between them both stand.
    """
    back = (
        select(MessageEvent.message_id, MessageEvent.at)
        .where(
            MessageEvent.shop_id == ctx.shop_id,
            MessageEvent.from_state == "sending",
            MessageEvent.to_state == "queued",
        )
        .order_by(MessageEvent.at, MessageEvent.id)
    )
    ends: dict[str, deque[datetime]] = defaultdict(deque)
    for message_id, at in session.execute(back):
        ends[message_id].append(at)
    mine = select(LedgerEntry.seq, LedgerEntry.message_id, LedgerEntry.stamped_at).where(
        LedgerEntry.shop_id == ctx.shop_id,
        LedgerEntry.message_id.in_(back.with_only_columns(MessageEvent.message_id).order_by(None)),
    )
    found: set[int] = set()
    newest: dict[str, int] = {}
    for seq, message_id, stamped_at in session.execute(mine.order_by(LedgerEntry.seq)):
        ended = ends[message_id]
        if message_id in newest and ended and ended[0] <= stamped_at:
            ended.popleft()
            found.add(newest[message_id])
        while ended and ended[0] < stamped_at:  # follows no stamp that the ledger knows
            ended.popleft()
        newest[message_id] = seq
    return found | {seq for message_id, seq in newest.items() if ends[message_id]}


def missing(session: Session, ctx: ShopContext) -> list[str]:
    """One sentence per message that was stamped more often than the ledger says."""
    kept = (
        select(LedgerEntry.message_id, func.count().label("entries"))
        .where(LedgerEntry.shop_id == ctx.shop_id)
        .group_by(LedgerEntry.message_id)
        .subquery()
    )
    stamps = case((Message.state == "held_out", 1), else_=Message.attempts)
    entries_of = func.coalesce(kept.c.entries, 0)
    query = (
        select(Message.id, stamps, entries_of)
        .outerjoin(kept, kept.c.message_id == Message.id)
        .where(Message.shop_id == ctx.shop_id, Message.stamped_at.is_not(None), entries_of < stamps)
        .order_by(Message.stamped_at, Message.id)
    )
    return [
        f"message {message_id} was stamped {stamped} times, but the ledger has {entered} entries of it"
        for message_id, stamped, entered in session.execute(query)
    ]


def verify(
    shop_id: int,
    chain: Iterable[LedgerEntry],
    end: LedgerHead | None,
    window: timedelta,
    taken_back: Collection[int] = frozenset(),
) -> Verdict:
    """Recompute every hash and the gap between any two mails of one key.

    taken_back: entries whose stamp surely led to no mail, as `taken_back` finds them. Every other stamp is a
                mail, also a second one of the same message.
    `end` shows entries cut off at the tail.
    """
    previous, count, seen = GENESIS, 0, 0
    broken: list[str] = []
    gaps = _Gaps(window)
    for entry in chain:
        count, seen = count + 1, seen + 1
        stamp = Stamp(
            entry.stamped_at,
            entry.customer_hash,
            entry.email_hash,
            entry.message_id,
            cast("Kind", entry.kind),
        )
        if entry.seq != count:
            broken.append(f"entry {count} is missing: the next one is {entry.seq}")
            count = entry.seq
        if entry.prev_hash != previous:
            broken.append(f"entry {entry.seq} does not follow the entry before it")
        if entry.hash != entry_hash(shop_id, entry.seq, stamp, entry.prev_hash):
            broken.append(f"entry {entry.seq} was changed: its hash is not that of its content")
        previous = entry.hash
        if entry.seq not in taken_back:
            gaps.see(entry.seq, stamp)
    if count != (end.seq if end else 0):
        broken.append(f"the chain should end at entry {end.seq if end else 0}, but it ends at {count}")
    elif end and end.hash != previous:
        broken.append(f"the chain should end with another entry {count}: its hash is not the one that was kept")
    return Verdict(seen, gaps.mails, broken, gaps.shortest, gaps.too_short)


class _Gaps:
    """The time between mails of one key, as the chain is read."""

    def __init__(self, window: timedelta) -> None:
        self.mails = 0
        self.shortest: Gap | None = None
        self.too_short: list[Gap] = []
        self._window = window
        self._last: dict[str, tuple[int, Stamp]] = {}

    def see(self, seq: int, stamp: Stamp) -> None:
        if stamp.kind != "mail":
            return
        self.mails += 1
        for key in (f"c:{stamp.customer_hash}", f"e:{stamp.email_hash}"):
            before = self._last.get(key)
            self._last[key] = (seq, stamp)
            if before is None:
                continue
            gap = Gap(stamp.stamped_at - before[1].stamped_at, key, before[0], seq)
            if self.shortest is None or gap.length < self.shortest.length:
                self.shortest = gap
            if gap.length < self._window:
                self.too_short.append(gap)
