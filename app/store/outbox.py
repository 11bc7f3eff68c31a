"""The outbox: every message as a row whose state only moves forward, and never leaves twice.

queued → sending → sent | failed | unknown, or capped, cancelled; held_out is decided at once.
A row goes to `sending` together with its stamp under the weekly cap, in a transaction that is
durable before anything is said to the mail server. Only what was surely not accepted returns to
`queued`, and if it ends there its week is given back. What may have been accepted becomes `unknown`,
keeps its place in the week, and no code path leads back from there to `queued`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from sqlalchemy import select, text

from app.domain.campaigns import Reason
from app.errors import EncoreError
from app.store import cap, ledger, outbox_rows
from app.store.marks import marks_of
from app.store.models.sending import SENDING, Message
from app.store.outbox_rows import Due, Move, due
from app.store.rowset import chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.store.crypto import Vault

__all__ = [
    "Batch",
    "Check",
    "Due",
    "NewMessage",
    "Outcome",
    "SendingLocked",
    "cancel_campaign",
    "due",
    "enqueue",
    "enqueue_many",
    "hold_out",
    "hold_out_many",
    "in_time",
    "new_id",
    "reap",
    "record",
    "refusal",
    "stamp_batch",
]

MAX_BATCH = 50  # what one crash can leave as `unknown`; larger batches gain nothing
DEADLINE_SECONDS = 60.0  # from before the stamp's transaction to the final dot; within cap.MARGIN by far
REAP_AFTER = timedelta(minutes=15)
FIRST_BACKOFF = timedelta(minutes=2)
LONGEST_BACKOFF = timedelta(hours=2)  # trying ends when the message expires

Result = Literal["accepted", "refused", "not_accepted", "unknown"]
NEXT_STATE: Mapping[Result, str] = {
    "accepted": "sent",
    "refused": "failed",
    "not_accepted": "queued",
    "unknown": "unknown",
}


@dataclass(frozen=True)
class NewMessage:
    """What planning decided. One row per campaign, customer and occurrence makes planning idempotent.

    not_before: when the campaign's hours open where the customer lives; None: they are open.
    """

    customer_no: int
    campaign_id: int
    occurrence: str
    content_version: int
    sender_id: int
    product_no: int
    purchased_product_no: int | None
    kind: str
    probability: float
    lift: float | None
    expires_at: datetime
    not_before: datetime | None = None
    holdout_probability: float | None = None
    shop_holdout_probability: float | None = None
    held_by: str | None = None


@dataclass(frozen=True)
class Check:
    """What the re-check under lock found for one message: go (with the address's hash), not before when, or why not.

    not_before: the message stays in line until then, and `wait_for` says what it waits for.
    sender_id: the campaign's sender now, if it is another than when the message was planned.
    """

    email_hash: str | None
    reason: Reason | None = None
    consent_source: str | None = None
    not_before: datetime | None = None
    wait_for: str = ""
    sender_id: int | None = None


@dataclass(frozen=True)
class Batch:
    """What one stamping transaction did. `stamped` may be handed over until the deadline."""

    stamped: list[Due]
    capped: int
    cancelled: int
    waiting: int = 0

    @property
    def touched(self) -> int:
        """How many messages were decided on; none means nothing was due."""
        return len(self.stamped) + self.capped + self.cancelled + self.waiting


@dataclass(frozen=True)
class Outcome:
    """How a hand-over ended. detail: the server's code and words without addresses."""

    message_id: str
    result: Result
    detail: str = ""


def new_id() -> str:
    """A fresh message id; it is also the Message-ID's left side."""
    return str(uuid.uuid4())


class SendingLocked(EncoreError):
    """Nothing may be stamped or planned for this shop; the message says why, and what to do."""

    status = 409
    code = "sending_locked"


def refusal(session: Session, ctx: ShopContext, now: datetime) -> str | None:
    """Why nothing may be stamped or planned for the shop now, in words; None if it may. See app.store.marks."""
    marks = marks_of(session)
    return marks.refusal(session, ctx.shop_id, now, adopt=True) if marks is not None else None


def enqueue(session: Session, ctx: ShopContext, now: datetime, new: NewMessage) -> str | None:
    """Put a message in line; None if it exists already or the customer has a live one. Raises SendingLocked."""
    return enqueue_many(session, ctx, now, [new])[0]


def enqueue_many(session: Session, ctx: ShopContext, now: datetime, new: Sequence[NewMessage]) -> list[str | None]:
    """Put messages in line, in order; for each its id, or None if it exists or the customer has a live one.

    Give them in the order of customers, so that two planners can't deadlock. Raises SendingLocked.
    """
    _refuse_if_locked(session, ctx, now)
    found: list[str | None] = []
    for part in chunks(new):  # a first tick may plan half a million
        rows = [{**vars(one), "id": new_id()} for one in part]
        made = outbox_rows.insert(session, ctx, now, rows)
        found += [row["id"] if row["id"] in made else None for row in rows]
    return found


def hold_out(
    session: Session,
    ctx: ShopContext,
    vault: Vault,
    now: datetime,
    new: NewMessage,
    email_hash: str,
    window: timedelta | None = None,
) -> ledger.Stamp | None:
    """Record that this message is withheld for measurement; it uses up the customer's week like a mail.

    Returns the ledger entry for the caller to append at the end of its transaction; None if the week
    is taken or the occurrence exists. Raises SendingLocked.
    """
    return hold_out_many(session, ctx, vault, now, [(new, email_hash)], window)[0]


def hold_out_many(
    session: Session,
    ctx: ShopContext,
    vault: Vault,
    now: datetime,
    new: Sequence[tuple[NewMessage, str]],
    window: timedelta | None = None,
) -> list[ledger.Stamp | None]:
    """Withhold messages for measurement, each with the hash of its address; locks all their keys.

    For each the ledger entry, for the caller to append at the end of its transaction; None if the week is
    taken or the occurrence exists. Of two that share a key the first one is withheld. Raises SendingLocked.
    """
    _refuse_if_locked(session, ctx, now)
    rows = [{**vars(one), "id": new_id()} for one, _ in new]
    wanted = {row["id"]: cap.keys_of(one.customer_no, address) for row, (one, address) in zip(rows, new, strict=True)}
    cap.lock(session, ctx, [key for keys in wanted.values() for key in keys])
    free = cap.free(session, ctx, now, wanted, window)
    made = outbox_rows.insert(
        session, ctx, now, [row for row in rows if row["id"] in free], slot_until=now + cap.WINDOW + cap.MARGIN
    )
    mine = {message: keys for message, keys in wanted.items() if message in made}
    taken = cap.take(session, ctx, now, mine, window)
    outbox_rows.delete(session, ctx, sorted(made - taken.keys()))
    return [
        ledger.Stamp(now, _customer_hash(vault, ctx, one.customer_no), address, row["id"], "holdout")
        if row["id"] in taken
        else None
        for row, (one, address) in zip(rows, new, strict=True)
    ]


def _refuse_if_locked(session: Session, ctx: ShopContext, now: datetime) -> None:
    why = refusal(session, ctx, now)
    if why is not None:
        raise SendingLocked(f"Sending is locked: {why}. The command `encore unlock-sending` says what to do.")


def in_time(started: float, now: float) -> bool:
    """Whether a message may still be handed over; both by the worker's monotonic clock, in seconds.

    started: taken before the stamping transaction began.
    """
    return now - started <= DEADLINE_SECONDS


def stamp_batch(
    session: Session,
    ctx: ShopContext,
    vault: Vault,
    *,
    clock: Callable[[Session], datetime],
    owner: str,
    recheck: Callable[[Session, Sequence[Due]], Mapping[str, Check]],
    limit: int = MAX_BATCH,
    window: timedelta | None = None,
) -> Batch:
    """Move due messages from queued to sending, capped or cancelled, in the caller's transaction.

    recheck: called with the locked messages; answers per id, having locked what it read, so that
             an unsubscribe that committed before is seen and one that comes later waits.
    clock:   the database's clock; nothing here reads another.
    window:  the shop's own, if it wants more than a week between two e-mails.
    The caller commits, then hands over `stamped` within DEADLINE_SECONDS of having begun. Where sending is
    locked (app.store.marks) nothing is touched.
    """
    now = clock(session)
    ready = (
        []
        if refusal(session, ctx, now)
        else due(session, ctx, now, min(limit, MAX_BATCH), lock="FOR UPDATE SKIP LOCKED")
    )
    if not ready:
        return Batch([], 0, 0)
    checks = recheck(session, ready)
    session.flush()
    now = clock(session)
    going: dict[str, tuple[Due, str]] = {}
    ended: list[tuple[Due, str, Reason]] = []
    waiting: list[tuple[str, datetime, str | None]] = []
    for message in ready:
        check = checks.get(message.id, Check(None, Reason.NO_ADDRESS))
        reason = Reason.EXPIRED if message.expires_at <= now else check.reason
        if reason is None and check.not_before is not None:
            waiting.append((message.id, check.not_before, check.wait_for or message.last_error))
        elif reason is None and check.email_hash is not None:
            now_from = message if check.sender_id is None else message._replace(sender_id=check.sender_id)
            going[message.id] = now_from, check.email_hash
        else:
            ended.append((message, "cancelled", reason or Reason.NO_ADDRESS))
    outbox_rows.wait(session, ctx, waiting)
    cancelled = len(ended)
    wanted = {number: cap.keys_of(message.customer_no, address) for number, (message, address) in going.items()}
    never_left = [message.id for message, _, _ in ended if message.attempts > 0]
    _give_back(session, ctx, never_left, [key for keys in wanted.values() for key in keys])
    # Read after the wait for the locks. A little early is safe: the deadline counts from before the transaction.
    now = clock(session)
    at = cap.take(session, ctx, now, wanted, window)
    ended += [(message, "capped", Reason.WEEKLY_CAP) for number, (message, _) in going.items() if number not in at]
    outbox_rows.move(session, ctx, now, [Move(m.id, "queued", state, reason) for m, state, reason in ended])
    stamped = [(m, at[number], checks[number].consent_source) for number, (m, _) in going.items() if number in at]
    until = {number: instant + cap.WINDOW + cap.MARGIN for number, instant in at.items()}
    outbox_rows.stamp(session, ctx, now, owner, until, stamped)
    entries = [
        ledger.Stamp(instant, _customer_hash(vault, ctx, m.customer_no), going[m.id][1], m.id, "mail")
        for m, instant, _ in stamped
    ]
    ledger.append(session, ctx, entries)
    return Batch([message for message, _, _ in stamped], len(going) - len(stamped), cancelled, len(waiting))


def record(session: Session, ctx: ShopContext, now: datetime, outcomes: Sequence[Outcome]) -> None:
    """Write down how hand-overs ended.

    Only `sending` moves, save that an acceptance also settles `unknown`: a worker that was slow to
    report is believed when it says yes, never when it says no.
    """
    standing = outbox_rows.standing(session, ctx, [outcome.message_id for outcome in outcomes])
    moves: list[Move] = []
    for outcome in outcomes:
        before, attempts = standing.pop(outcome.message_id, ("", 0))
        if before not in (("sending", "unknown") if outcome.result == "accepted" else ("sending",)):
            continue
        after, again = NEXT_STATE[outcome.result], None
        if after == "queued":
            again = now + min(FIRST_BACKOFF * 2 ** min(attempts - 1, 10), LONGEST_BACKOFF)
        moves.append(Move(outcome.message_id, before, after, None, outcome.detail, again))
    outbox_rows.settle(session, ctx, now, moves)


def reap(session: Session, ctx: ShopContext, now: datetime) -> int:
    """Call messages `unknown` whose worker has been silent for 15 minutes; returns how many."""
    query = (
        select(Message.id)
        .where(Message.shop_id == ctx.shop_id, text(SENDING), Message.stamped_at <= now - REAP_AFTER)
        .with_for_update(skip_locked=True)
    )
    silent = "the worker stopped before it could report"
    lost = [Move(number, "sending", "unknown", None, silent) for number in session.scalars(query)]
    outbox_rows.settle(session, ctx, now, lost)
    return len(lost)


def cancel_campaign(session: Session, ctx: ShopContext, now: datetime, campaign_id: int, reason: Reason) -> int:
    """Take a campaign's queued messages out of the line, its new state being committed; returns how many."""
    query = (
        select(Message.id, Message.attempts)
        .where(Message.shop_id == ctx.shop_id, Message.campaign_id == campaign_id, Message.state == "queued")
        .with_for_update(skip_locked=True)
    )
    waiting = [(number, attempts) for number, attempts in session.execute(query)]
    outbox_rows.move(session, ctx, now, [Move(number, "queued", "cancelled", reason) for number, _ in waiting])
    _give_back(session, ctx, [number for number, attempts in waiting if attempts > 0], [])
    return len(waiting)


def _give_back(session: Session, ctx: ShopContext, never_left: Sequence[str], wanted: Sequence[str]) -> None:
    """Lock the `wanted` keys, and free those of messages that end without having left.

    Whatever was stamped and is in line again was surely not accepted: nothing else leads back there.
    All keys are locked at once, in the order that everybody keeps.
    """
    held = cap.held_by(session, ctx, never_left) if never_left else []
    cap.lock(session, ctx, [*wanted, *held])
    if never_left:
        cap.release(session, ctx, never_left)


def _customer_hash(vault: Vault, ctx: ShopContext, customer_no: int) -> str:
    return vault.keyed_hash(f"shop:{ctx.shop_id}:customer:{customer_no}")
