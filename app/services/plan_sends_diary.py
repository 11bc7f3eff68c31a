"""Writing down what a tick decided: what stands goes on the sheets, what happened and what ended becomes rows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from app.domain.campaigns import Reason
from app.services import decision_sheets as sheets
from app.services.decision_sheets import NONE, PLACE, SELECTED, Decisions
from app.services.plan_sends_best import NOBODY, POSSIBLE, lift_of, probability_of
from app.store.counters import allocate
from app.store.models.campaigns import DecisionHead
from app.store.rowset import ROWS_PER_STATEMENT, chunks, packed, statement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import numpy.typing as npt
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.plan_sends_candidates import Assessment
    from app.services.plan_sends_verdicts import Judged

WITH_MESSAGE = (PLACE[SELECTED], PLACE[Reason.HELD_OUT])
ROW = {
    "id": "integer", "customer_no": "integer", "product_no": "integer", "kind": "text", "outcome": "text",
    "reason": "text", "probability": "double precision", "lift": "double precision", "message_id": "text",
    "since": "timestamptz",
}  # fmt: skip
ADD = f"""INSERT INTO decisions (shop_id, campaign_id, last_tick, current, {", ".join(ROW)})
SELECT :shop, :campaign, :now, :current, {", ".join(f"r.{name}" for name in ROW)} FROM {{rows}}"""
END = """UPDATE decisions SET current = false, last_tick = :now WHERE shop_id = :shop AND campaign_id = :campaign
    AND current AND customer_no IN (SELECT r.id FROM {rows})"""


def write_diary(
    session: Session,
    ctx: ShopContext,
    found: Assessment,
    campaign_id: int,
    judged: Judged,
    said: npt.NDArray[np.uint8],
    ids: dict[int, str],
) -> Counter[str]:
    """Bring a campaign's sheets up to the tick; returns what it decided, counted by what was said.

    said: what is to be said of the winners, by customer number. ids: the messages that were made: customer → id.
    """
    decided = _decided(found, campaign_id, judged, said)
    now = sheets.instant(found.tick)
    head = session.get(DecisionHead, {"shop_id": ctx.shop_id, "campaign_id": campaign_id})
    standing = dict(sheets.read(session, ctx, campaign_id))
    counts: Counter[str] = Counter()
    for part in sorted(standing.keys() | decided.parts()):
        old, new = standing.pop(part, Decisions()), decided.part(part)
        kept = (new.says == PLACE[Reason.MESSAGE_UNDER_WAY]) & (found.live[new.customer_no] == campaign_id)
        stands, ended = sheets.merged(old, new, now, kept)
        counts.update(stands.counts())
        if head is not None:
            _end(session, ctx, campaign_id, ended, head.last_tick)
        made = new.take(np.isin(new.says, WITH_MESSAGE))
        _insert(session, ctx, campaign_id, made, found.tick, current=True, ids=ids)
        changed = len(ended) or len(stands) != len(old)
        if changed or not np.array_equal(stands.since, old.since):
            sheets.write(session, ctx, campaign_id, part, stands)
    if head is None:
        session.add(DecisionHead(shop_id=ctx.shop_id, campaign_id=campaign_id, last_tick=found.tick, counts=counts))
    else:
        head.last_tick, head.counts = found.tick, dict(counts)
    session.flush()
    out = counts.total() - len(decided)  # no longer in the segment, tick after tick
    return Counter(decided.counts()) + Counter({str(Reason.NOT_IN_SEGMENT): out})


def _decided(found: Assessment, campaign_id: int, judged: Judged, said: npt.NDArray[np.uint8]) -> Decisions:
    """What the tick says of everybody in the audience: their own reason, what became of their message, or lost."""
    who, says = judged.customer_no, judged.says.copy()
    fine = says == POSSIBLE
    won = found.by[who] == campaign_id
    says[fine] = np.where(won, said[who], PLACE[Reason.BETTER_CAMPAIGN])[fine]
    none = judged.kind == NOBODY
    return Decisions(
        customer_no=who,
        says=says,
        product_no=np.where(none, NONE, judged.product_no).astype(np.int32),
        kind=np.where(none, NONE, judged.kind).astype(np.int8),
        probability=probability_of(judged.kind, judged.first, judged.second).astype(np.float32),
        lift=lift_of(judged.kind, judged.first).astype(np.float32),
        since=np.broadcast_to(sheets.instant(found.tick), len(who)),
    )


def _end(session: Session, ctx: ShopContext, campaign_id: int, ended: Decisions, last_tick: datetime) -> None:
    """Put down what stands no more: rows of messages have ended, all else becomes a row now."""
    with_row = np.isin(ended.says, WITH_MESSAGE)
    customers = [{"id": number} for number in ended.customer_no[with_row].tolist()]
    given = {"shop": ctx.shop_id, "campaign": campaign_id, "now": last_tick}
    for part in chunks(customers):
        session.execute(statement(session, END, id="integer"), {**given, "rows": packed(session, part)})
    _insert(session, ctx, campaign_id, ended.take(~with_row), last_tick, current=False)


def _insert(
    session: Session,
    ctx: ShopContext,
    campaign_id: int,
    some: Decisions,
    last_tick: datetime,
    *,
    current: bool,
    ids: Mapping[int, str] | None = None,
) -> None:
    """Make rows of decisions. ids: customer → their message."""
    if not len(some):
        return
    number = allocate(session, ctx.shop_id, "decisions", len(some))
    query = statement(session, ADD, **ROW)
    given = {"shop": ctx.shop_id, "campaign": campaign_id, "now": last_tick, "current": current}
    for start in range(0, len(some), ROWS_PER_STATEMENT):
        entries = sheets.entries(campaign_id, some.take(slice(start, start + ROWS_PER_STATEMENT)))
        rows = [
            {
                "id": number + start + offset,
                "customer_no": entry.customer_no,
                "product_no": entry.product_no,
                "kind": entry.kind,
                "outcome": sheets.outcome_of(entry.saying),
                "reason": sheets.reason_of(entry.saying),
                "probability": entry.probability,
                "lift": entry.lift,
                "message_id": ids.get(entry.customer_no) if ids else None,
                "since": entry.since,
            }
            for offset, entry in enumerate(entries)
        ]
        session.execute(query, {**given, "rows": packed(session, rows)})
