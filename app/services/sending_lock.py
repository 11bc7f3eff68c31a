"""The lock after a restore: why a shop's store may not send, and unlocking it with what is known of the past.

A restored store has forgotten who was mailed between its backup and now. Unlocking therefore needs one of
three: time (a week after the last e-mail that was sent, nobody's week is taken any more), the relay's own log
(whoever stands in it has no week), or a person's word that the store is whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import structlog
from sqlalchemy import select

from app.domain.campaigns import Reason
from app.errors import Conflict
from app.store import cap, ledger, outbox_rows
from app.store.marks import Mark
from app.store.models.customers import Customer
from app.store.models.sending import Message, SendingEpoch, is_live
from app.store.outbox_rows import Move

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.store.marks import Marks

log = structlog.get_logger()

How = Literal["wait", "relay_log", "complete"]
ADDRESS = re.compile(r"[^\s<>\"',;:=()\[\]]+@[^\s<>\"',;:=()\[\]]+")
ADDRESSES_AT_ONCE = 500


@dataclass(frozen=True)
class Unlocked:
    """What unlocking did. not_before: nothing is sent earlier; null: sending goes on now."""

    unknown: int
    cancelled: int
    addresses: int
    not_before: datetime | None


@dataclass(frozen=True)
class Locked:
    """Nothing may be stamped or planned: why, in words, and when that ends by itself; None: a person unlocks it."""

    why: str
    until: datetime | None


def locked(rooms: Rooms, session: Session, ctx: ShopContext, now: datetime) -> Locked | None:
    """The lock that holds for the shop at `now`, if one does."""
    marks = rooms.store.marks
    said = marks.refusal(session, ctx.shop_id, now) if marks is not None else None
    if marks is None or said is None:
        return None
    row = session.get(SendingEpoch, ctx.shop_id)
    rests = row.not_before if row is not None else None
    # A rest that is over lifts no other lock: what would hold then is asked for.
    ends = rests is not None and marks.refusal(session, ctx.shop_id, rests) is None
    return Locked(said, rests if ends else None)


def why(rooms: Rooms, ctx: ShopContext) -> str | None:
    """Why nothing may be stamped or planned for this shop, in words; None if it may."""
    with rooms.store.reading(ctx) as session:
        found = locked(rooms, session, ctx, rooms.store.db_now(session))
    return found.why if found is not None else None


def unlock(rooms: Rooms, ctx: ShopContext, how: How, relay_log: Iterable[str] = ()) -> Unlocked:
    """Let a shop's store send again. Raises Conflict if it is not locked.

    What the store has in line is older than the backup: `sending` becomes unknown, `queued` is cancelled and
    decided anew; neither gives its week back, because it may have left since.
    relay_log: lines of the relay's log, of which every address counts as mailed at the last moment that is
               known of; read with how = relay_log only.
    """
    marks = rooms.store.marks
    if marks is None:
        raise Conflict("This store is not watched, so it can't be locked.")
    with rooms.store.session(ctx) as session:
        now = rooms.store.db_now(session)
        if marks.refusal(session, ctx.shop_id, now) is None:
            raise Conflict("Sending is not locked.")
        last = _last_known(marks, ctx, now)
        unknown, cancelled = _settle(session, ctx, now)
        addresses = _take_weeks(rooms, session, ctx, last, relay_log) if how == "relay_log" else 0
        resumes = last + cap.WINDOW + cap.MARGIN
        not_before = resumes if how == "wait" and resumes > now else None
        session.merge(
            SendingEpoch(
                shop_id=ctx.shop_id, epoch=marks.epoch(), not_before=not_before, unlocked_at=now, unlocked_how=how
            )
        )
        end = ledger.head(session, ctx)
    # After the commit: if this fails, the shop is still locked and unlocking it again does the same again.
    marks.start_anew(ctx.shop_id, Mark(end.seq, end.hash, last) if end is not None and end.seq else None)
    log.warning("sending_unlocked", shop_id=ctx.shop_id, how=how, unknown=unknown, cancelled=cancelled,
                addresses=addresses)  # fmt: skip
    return Unlocked(unknown, cancelled, addresses, not_before)


def _last_known(marks: Marks, ctx: ShopContext, now: datetime) -> datetime:
    """When the last e-mail may have left: as the mark says; without one, it may have been just now."""
    try:
        mark = marks.read(ctx.shop_id)
    except (ValueError, KeyError, TypeError):
        mark = None
    return min(mark.at, now) if mark is not None else now


def _settle(session: Session, ctx: ShopContext, now: datetime) -> tuple[int, int]:
    query = select(Message.id, Message.state).where(Message.shop_id == ctx.shop_id).with_for_update()
    rows = list(session.execute(query.where(is_live()).order_by(Message.id)))
    lost = [
        Move(row.id, "sending", "unknown", None, "the store was restored") for row in rows if row.state == "sending"
    ]
    waiting = [Move(row.id, "queued", "cancelled", Reason.RESTORED) for row in rows if row.state == "queued"]
    outbox_rows.settle(session, ctx, now, lost)
    outbox_rows.move(session, ctx, now, waiting)
    return len(lost), len(waiting)


def _take_weeks(rooms: Rooms, session: Session, ctx: ShopContext, at: datetime, relay_log: Iterable[str]) -> int:
    count = 0
    for addresses in _addresses(relay_log):
        hashes = {rooms.vault.email_hash(address) for address in addresses}
        found = session.scalars(
            select(Customer.customer_no).where(Customer.shop_id == ctx.shop_id, Customer.email_hash.in_(hashes))
        )
        cap.occupy(session, ctx, at, [*(f"e:{one}" for one in hashes), *(f"c:{number}" for number in found)])
        count += len(hashes)
    return count


def _addresses(relay_log: Iterable[str]) -> Iterator[set[str]]:
    found: set[str] = set()
    for line in relay_log:
        found.update(ADDRESS.findall(line))
        if len(found) >= ADDRESSES_AT_ONCE:
            yield found
            found = set()
    if found:
        yield found
