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
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.domain.campaigns import Reason
from app.store import cap, ledger
from app.store.models.sending import Message, MessageEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.store.crypto import Vault

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
    """What planning decided. One row per campaign, customer and occurrence makes planning idempotent."""

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


@dataclass(frozen=True)
class Check:
    """What the re-check under lock found for one message: go (with the address's hash), or why not."""

    email_hash: str | None
    reason: Reason | None = None
    consent_source: str | None = None


@dataclass(frozen=True)
class Batch:
    """What one stamping transaction did. `stamped` may be handed over until the deadline."""

    stamped: list[Message]
    capped: int
    cancelled: int

    @property
    def touched(self) -> int:
        """How many messages left `queued`; none means nothing was due."""
        return len(self.stamped) + self.capped + self.cancelled


@dataclass(frozen=True)
class Outcome:
    """How a hand-over ended. detail: the server's code and words without addresses."""

    message_id: str
    result: Result
    detail: str = ""


def new_id() -> str:
    """A fresh message id; it is also the Message-ID's left side."""
    return str(uuid.uuid4())


def enqueue(session: Session, ctx: ShopContext, now: datetime, new: NewMessage) -> str | None:
    """Put a message in line; None if it exists already or the customer has a live one."""
    return _insert(session, ctx, now, new, new_id(), "queued", None)


def hold_out(
    session: Session, ctx: ShopContext, vault: Vault, now: datetime, new: NewMessage, email_hash: str
) -> ledger.Stamp | None:
    """Record that this message is withheld for measurement; it uses up the customer's week like a mail.

    Returns the ledger entry for the caller to append at the end of its transaction; None if the week
    is taken or the occurrence exists. Lock the keys first when doing several.
    """
    message_id = new_id()
    savepoint = session.begin_nested()
    made = _insert(session, ctx, now, new, message_id, "held_out", now)
    if made is None or not cap.stamp(session, ctx, now, cap.keys_of(new.customer_no, email_hash), message_id):
        savepoint.rollback()
        return None
    savepoint.commit()
    return ledger.Stamp(now, _customer_hash(vault, ctx, new.customer_no), email_hash, message_id, "holdout")


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
    recheck: Callable[[Session, Sequence[Message]], Mapping[str, Check]],
    limit: int = MAX_BATCH,
) -> Batch:
    """Move due messages from queued to sending, capped or cancelled, in the caller's transaction.

    recheck: called with the locked messages; answers per id, having locked what it read, so that
             an unsubscribe that committed before is seen and one that comes later waits.
    clock:   the database's clock; nothing here reads another.
    The caller commits, then hands over `stamped` within DEADLINE_SECONDS of having begun.
    """
    due = _take_due(session, ctx, clock(session), min(limit, MAX_BATCH))
    checks = recheck(session, due) if due else {}
    going: list[tuple[Message, str]] = []
    ended: list[Message] = []
    now = clock(session)
    for message in due:
        check = checks.get(message.id, Check(None, Reason.NO_ADDRESS))
        reason = Reason.EXPIRED if message.expires_at <= now else check.reason
        if reason is None and check.email_hash is not None:
            message.consent_source = check.consent_source
            going.append((message, check.email_hash))
        else:
            ended.append(message)
            _move(session, message, now, "cancelled", reason=reason or Reason.NO_ADDRESS)
    wanted = [key for message, address in going for key in cap.keys_of(message.customer_no, address)]
    _give_back(session, ctx, ended, wanted)
    stamped: list[Message] = []
    entries: list[ledger.Stamp] = []
    for message, address in going:
        now = clock(session)
        if not cap.stamp(session, ctx, now, cap.keys_of(message.customer_no, address), message.id):
            _move(session, message, now, "capped", reason=Reason.WEEKLY_CAP)
            continue
        message.stamped_at = now
        message.lease_owner = owner
        message.attempts += 1
        _move(session, message, now, "sending")
        customer_hash = _customer_hash(vault, ctx, message.customer_no)
        entries.append(ledger.Stamp(now, customer_hash, address, message.id, "mail"))
        stamped.append(message)
    session.flush()
    ledger.append(session, ctx, entries)
    return Batch(stamped, len(going) - len(stamped), len(ended))


def record(session: Session, ctx: ShopContext, now: datetime, outcomes: Sequence[Outcome]) -> None:
    """Write down how hand-overs ended.

    Only `sending` moves, save that an acceptance also settles `unknown`: a worker that was slow to
    report is believed when it says yes, never when it says no.
    """
    for outcome in outcomes:
        message = session.get(Message, {"shop_id": ctx.shop_id, "id": outcome.message_id}, with_for_update=True)
        settles = ("sending", "unknown") if outcome.result == "accepted" else ("sending",)
        if message is None or message.state not in settles:
            continue
        state = NEXT_STATE[outcome.result]
        if state == "queued":
            doublings = min(message.attempts - 1, 10)
            message.not_before = now + min(FIRST_BACKOFF * 2**doublings, LONGEST_BACKOFF)
        message.last_error = outcome.detail or None
        message.lease_owner = None
        _move(session, message, now, state, detail=outcome.detail)
    session.flush()


def reap(session: Session, ctx: ShopContext, now: datetime) -> int:
    """Call messages `unknown` whose worker has been silent for 15 minutes; returns how many."""
    query = (
        select(Message)
        .where(Message.shop_id == ctx.shop_id, Message.state == "sending", Message.stamped_at <= now - REAP_AFTER)
        .with_for_update(skip_locked=True)
    )
    lost = list(session.scalars(query))
    for message in lost:
        message.last_error = "the worker stopped before it could report"
        _move(session, message, now, "unknown", detail=message.last_error)
    session.flush()
    return len(lost)


def cancel_campaign(session: Session, ctx: ShopContext, now: datetime, campaign_id: int, reason: Reason) -> int:
    """Take a campaign's queued messages out of the line, its new state being committed; returns how many."""
    query = (
        select(Message)
        .where(Message.shop_id == ctx.shop_id, Message.campaign_id == campaign_id, Message.state == "queued")
        .with_for_update(skip_locked=True)
    )
    waiting = list(session.scalars(query))
    for message in waiting:
        _move(session, message, now, "cancelled", reason=reason)
    _give_back(session, ctx, waiting, [])
    session.flush()
    return len(waiting)


def _give_back(session: Session, ctx: ShopContext, ended: Sequence[Message], wanted: Sequence[str]) -> None:
    """Lock the `wanted` keys, and free those of messages that end without having left.

    Whatever was stamped and is in line again was surely not accepted: nothing else leads back there.
    All keys are locked at once, in the order that everybody keeps.
    """
    never_left = [message.id for message in ended if message.attempts > 0]
    held = cap.held_by(session, ctx, never_left) if never_left else []
    cap.lock(session, ctx, [*wanted, *held])
    if held:
        cap.release(session, ctx, never_left)


def due(ctx: ShopContext, now: datetime, limit: int) -> Select[Message]:
    """The messages that the next stamps are for, in order; what waits out a failure is not among them."""
    ready = or_(Message.not_before.is_(None), Message.not_before <= now)
    query = select(Message).where(Message.shop_id == ctx.shop_id, Message.state == "queued", ready)
    return query.order_by(Message.planned_at, Message.id).limit(limit)


def _take_due(session: Session, ctx: ShopContext, now: datetime, limit: int) -> list[Message]:
    query = due(ctx, now, limit).with_for_update(skip_locked=True).execution_options(populate_existing=True)
    return list(session.scalars(query))


def _insert(
    session: Session,
    ctx: ShopContext,
    now: datetime,
    new: NewMessage,
    message_id: str,
    state: str,
    stamped_at: datetime | None,
) -> str | None:
    insert: Any = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    values = {
        "shop_id": ctx.shop_id,
        "id": message_id,
        "state": state,
        "planned_at": now,
        "stamped_at": stamped_at,
        "finished_at": stamped_at,
        "attempts": 0,
        "reason": Reason.HELD_OUT if state == "held_out" else None,
        **{name: getattr(new, name) for name in NewMessage.__dataclass_fields__},
    }
    # RETURNING, not the row count: PostgreSQL's driver reports -1 for it here.
    made = insert(Message).values(values).on_conflict_do_nothing().returning(Message.id)
    if session.execute(made).first() is None:
        return None
    session.add(
        MessageEvent(shop_id=ctx.shop_id, message_id=message_id, at=now, from_state=None, to_state=state, detail={})
    )
    return message_id


def _move(
    session: Session,
    message: Message,
    now: datetime,
    state: str,
    *,
    reason: Reason | None = None,
    detail: str = "",
) -> None:
    said = {key: value for key, value in (("reason", reason), ("detail", detail)) if value}
    session.add(
        MessageEvent(
            shop_id=message.shop_id,
            message_id=message.id,
            at=now,
            from_state=message.state,
            to_state=state,
            detail=said,
        )
    )
    message.state = state
    message.reason = reason
    message.finished_at = now if state not in {"queued", "sending"} else None


def _customer_hash(vault: Vault, ctx: ShopContext, customer_no: int) -> str:
    return vault.keyed_hash(f"shop:{ctx.shop_id}:customer:{customer_no}")
