"""The decision diary: what stands for whom in a campaign, then what stood before; and how many stand where."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import case, func, select

from app.domain.campaigns import Reason
from app.errors import Invalid
from app.services import decision_sheets as sheets
from app.services.decision_sheets import PLACE, SAYINGS
from app.services.instants import microseconds
from app.store.models.campaigns import Decision, DecisionHead
from app.store.models.sending import Message
from app.store.models.waits import WaitChoice

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.decision_sheets import Decisions, Entry

# Where a customer with several messages stands: the first of these that any of them is in.
STANDING = ("sending", "queued", "sent", "unknown", "held_out", "failed", "capped", "cancelled")
SETTLED = frozenset({"sending", "queued", "sent", "unknown", "held_out", "failed"})
WITH_MESSAGE = frozenset({"selected", "held_out"})


@dataclass(frozen=True)
class DiaryEntry:
    """One decision with its message. key: of the decision, for ever; it holds from `since` to `last_tick`."""

    key: str
    campaign_id: int
    customer_no: int
    product_no: int | None
    kind: str | None
    outcome: str
    reason: Reason | None
    probability: float | None
    lift: float | None
    since: datetime
    last_tick: datetime
    current: bool
    message_id: str | None = None
    message_state: str | None = None
    wait: WaitChoice | None = None


@dataclass(frozen=True)
class Places:
    """How many customers of a campaign stand where: by the state of their message, or by the reason for none.

    considered: all of them, counted by the tick.
    """

    states: Counter[str]
    reasons: Counter[Reason]
    considered: int


@dataclass(frozen=True)
class _Cursor:
    """Where the next page begins: among what stands, or in the past."""

    since: int | None = None
    customer_no: int = -1
    row: int | None = None

    @staticmethod
    def parse(text: str | None) -> _Cursor:
        """Raises Invalid."""
        if text is None:
            return _Cursor()
        head, _, tail = text.partition("-")
        if head == "past" and (not tail or tail.isdecimal()):
            return _Cursor(row=int(tail) if tail else None, since=0)
        if not head.isdecimal() or not tail.isdecimal():
            raise Invalid("That is no cursor of this list.", field="cursor")
        return _Cursor(int(head), int(tail))


def page(
    session: Session,
    ctx: ShopContext,
    campaign_id: int,
    *,
    customers: Collection[int] | None = None,
    reason: Reason | None = None,
    outcome: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> tuple[list[DiaryEntry], str | None]:
    """(entries, cursor of the next page): what stands, the newest first, then what stood, the newest end first.

    customers: only of these. Raises Invalid for a cursor that is none.
    """
    after = _Cursor.parse(cursor)
    wanted = [saying for saying in SAYINGS if _fits(saying, reason, outcome)]
    found: list[DiaryEntry] = []
    if not (cursor or "").startswith("past"):
        entries = _standing(session, ctx, campaign_id, wanted, customers, after, limit + 1)
        found = standing_entries(session, ctx, entries[:limit])
        if len(entries) > limit:
            last = found[-1]
            return found, f"{microseconds(last.since)}-{last.customer_no}"
    room = limit - len(found)
    rows = _past(session, ctx, campaign_id, (reason, outcome), customers, after.row, room + 1)
    found += rows[:room]
    if len(rows) > room:
        return found, f"past-{rows[room - 1].key}" if room else "past-"
    return found, None


def _fits(saying: str, reason: Reason | None, outcome: str | None) -> bool:
    right_reason = reason is None or sheets.reason_of(saying) == reason
    return right_reason and outcome in {None, sheets.outcome_of(saying)}


def _standing(
    session: Session,
    ctx: ShopContext,
    campaign_id: int,
    wanted: list[str],
    customers: Collection[int] | None,
    after: _Cursor,
    limit: int,
) -> list[Entry]:
    parts = None if customers is None else {number // sheets.PART for number in customers}
    codes = [PLACE[saying] for saying in wanted]
    several: list[Decisions] = []
    for _, sheet in sheets.read(session, ctx, campaign_id, parts):
        fits = np.isin(sheet.says, codes)
        if customers is not None:
            fits &= np.isin(sheet.customer_no, list(customers))
        if after.since is not None:
            same = (sheet.since == after.since) & (sheet.customer_no > after.customer_no)
            fits &= (sheet.since < after.since) | same
        several.append(sheet.take(fits))
    all_of_them = sheets.joined(several)
    order = np.lexsort((all_of_them.customer_no, -all_of_them.since))[:limit]
    return sheets.entries(campaign_id, all_of_them.take(order))


def standing_entries(session: Session, ctx: ShopContext, entries: list[Entry]) -> list[DiaryEntry]:
    """What stands, with the messages that came of it."""
    campaigns = {entry.campaign_id for entry in entries}
    heads = sheets.heads(session, ctx, campaigns)
    query = (
        select(Decision, Message.state, WaitChoice)
        .outerjoin(Message, (Message.shop_id == Decision.shop_id) & (Message.id == Decision.message_id))
        .outerjoin(
            WaitChoice, (WaitChoice.shop_id == Decision.shop_id) & (WaitChoice.message_id == Decision.message_id)
        )
        .where(
            Decision.shop_id == ctx.shop_id,
            Decision.campaign_id.in_(campaigns),
            Decision.customer_no.in_({entry.customer_no for entry in entries if entry.saying in WITH_MESSAGE}),
            Decision.current,
        )
    )
    messages = {(row.campaign_id, row.customer_no): (row, state, wait) for row, state, wait in session.execute(query)}
    found = []
    for entry in entries:
        row, state, wait = messages.get((entry.campaign_id, entry.customer_no), (None, None, None))
        found.append(
            DiaryEntry(
                key=f"{entry.campaign_id}-{entry.customer_no}-{microseconds(entry.since)}",
                campaign_id=entry.campaign_id,
                customer_no=entry.customer_no,
                product_no=entry.product_no,
                kind=entry.kind,
                outcome=sheets.outcome_of(entry.saying),
                reason=sheets.reason_of(entry.saying),
                probability=entry.probability,
                lift=entry.lift,
                since=entry.since,
                last_tick=heads[entry.campaign_id].last_tick,
                current=True,
                message_id=row.message_id if row else None,
                message_state=state,
                wait=wait,
            )
        )
    return found


def _past(
    session: Session,
    ctx: ShopContext,
    campaign_id: int,
    wanted: tuple[Reason | None, str | None],
    customers: Collection[int] | None,
    before: int | None,
    limit: int,
) -> list[DiaryEntry]:
    reason, outcome = wanted
    query = (
        select(Decision, Message.state, WaitChoice)
        .outerjoin(Message, (Message.shop_id == Decision.shop_id) & (Message.id == Decision.message_id))
        .outerjoin(
            WaitChoice, (WaitChoice.shop_id == Decision.shop_id) & (WaitChoice.message_id == Decision.message_id)
        )
        .where(Decision.shop_id == ctx.shop_id, Decision.campaign_id == campaign_id, Decision.current.is_(False))
        .order_by(Decision.id.desc())
        .limit(limit)
    )
    if reason is not None:
        query = query.where(Decision.reason == reason)
    if outcome is not None:
        query = query.where(Decision.outcome == outcome)
    if customers is not None:
        query = query.where(Decision.customer_no.in_(customers))
    if before is not None:
        query = query.where(Decision.id < before)
    return [past_entry(row, state, wait) for row, state, wait in session.execute(query)]


def past_entry(row: Decision, state: str | None, wait: WaitChoice | None) -> DiaryEntry:
    """A row of what stood."""
    return DiaryEntry(
        key=str(row.id),
        campaign_id=row.campaign_id,
        customer_no=row.customer_no,
        product_no=row.product_no,
        kind=row.kind,
        outcome=row.outcome,
        reason=None if row.reason is None else Reason(row.reason),
        probability=row.probability,
        lift=row.lift,
        since=row.since,
        last_tick=row.last_tick,
        current=row.current,
        message_id=row.message_id,
        message_state=state,
        wait=wait,
    )


def of_customer(session: Session, ctx: ShopContext, numbers: Collection[int], limit: int) -> list[DiaryEntry]:
    """What all campaigns decided for one customer, whatever their numbers were, the newest first."""
    stands = standing_entries(session, ctx, sheets.of_customers(session, ctx, numbers))
    query = (
        select(Decision, Message.state)
        .outerjoin(Message, (Message.shop_id == Decision.shop_id) & (Message.id == Decision.message_id))
        .where(Decision.shop_id == ctx.shop_id, Decision.customer_no.in_(list(numbers)), Decision.current.is_(False))
        .order_by(Decision.since.desc(), Decision.id.desc())
        .limit(limit)
    )
    before = [past_entry(row, state, None) for row, state in session.execute(query)]
    found = sorted([*stands, *before], key=lambda entry: (entry.since, entry.current), reverse=True)
    return found[:limit]


def places(session: Session, ctx: ShopContext, campaign_ids: Collection[int]) -> dict[int, Places]:
    """Where every customer stands whom a campaign ever considered.

    A campaign without messages is counted by its last tick; of the others the sheets are read.
    """
    heads = sheets.heads(session, ctx, campaign_ids)
    place = case({state: number for number, state in enumerate(STANDING)}, value=Message.state)
    query = (
        select(Message.campaign_id, Message.customer_no, func.min(place))
        .where(Message.shop_id == ctx.shop_id, Message.campaign_id.in_(campaign_ids))
        .group_by(Message.campaign_id, Message.customer_no)
    )
    messages: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for campaign, customer, standing in session.execute(query):
        messages[campaign].append((customer, standing))
    return {number: _places(session, ctx, number, heads.get(number), messages[number]) for number in campaign_ids}


def _places(
    session: Session, ctx: ShopContext, campaign_id: int, head: DecisionHead | None, messages: list[tuple[int, int]]
) -> Places:
    states: Counter[str] = Counter()
    reasons: Counter[Reason] = Counter()
    if head is None:
        return Places(states, reasons, 0)
    if not messages:
        reasons.update({Reason(saying): count for saying, count in head.counts.items()})
        return Places(states, reasons, sum(head.counts.values()))
    who, where = np.array(sorted(messages), dtype=np.int64).T
    settled = np.isin(where, [STANDING.index(state) for state in SETTLED])
    for _, sheet in sheets.read(session, ctx, campaign_id):
        spot = np.minimum(np.searchsorted(who, sheet.customer_no), len(who) - 1)
        mailed = who[spot] == sheet.customer_no
        decided = np.isin(sheet.says, [PLACE[saying] for saying in WITH_MESSAGE])
        counted = mailed & (settled[spot] | decided)
        for number, count in zip(*np.unique(where[spot[counted]], return_counts=True), strict=True):
            states[STANDING[number]] += int(count)
        for code, count in zip(*np.unique(sheet.says[~counted], return_counts=True), strict=True):
            reasons[Reason(SAYINGS[code])] += int(count)
    return Places(states, reasons, sum(head.counts.values()))
