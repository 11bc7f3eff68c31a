"""Syncs as the merchant sees them: make one, change it, preview, run, pause, and look at what became of whom."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from pyroaring import BitMap
from sqlalchemy import func, select, update

from app.errors import Conflict, Invalid, NotFound
from app.services.connections import as_encore
from app.services.segments_world import find
from app.services.sync_segment import last_run, load, number_of, open_destination, preview_sync
from app.services.sync_segment_log import OF_LEAVERS, OF_MEMBERS, outcomes_of
from app.store.counters import allocate
from app.store.crypto import CannotUnseal, customer_subject
from app.store.models.connections import Connection, Sync, SyncMember, SyncOutcome, SyncRun
from app.store.models.customers import Customer
from app.store.models.segments import Segment
from connectors.base import ConnectorError, TargetWish

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.services.sync_segment_plan import Plan
    from connectors.base import AudienceDestination, Target

log = structlog.get_logger()

ROWS_PER_READ = 1000
# A cell that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, CSV injection).
FORMULA_START = ("=", "+", "-", "@", "\t", "\r")
CSV_HEADER = ["customer_no", "customer_id", "email", "outcome", "code", "message"]


@dataclass(frozen=True)
class NewSync:
    """A sync to make; exactly one of target_id and target_name is given."""

    segment_id: str
    connection_id: str
    target_id: str | None
    target_name: str | None
    container_id: str | None
    schedule: str
    without_consent: str


def list_syncs(
    rooms: Rooms, ctx: ShopContext, segment_id: str | None, connection_id: str | None
) -> list[dict[str, Any]]:
    """The shop's syncs, newest first."""
    query = select(Sync).where(Sync.shop_id == ctx.shop_id).order_by(Sync.id.desc())
    if segment_id is not None:
        query = query.where(Sync.segment_id == number_of(segment_id, "seg"))
    if connection_id is not None:
        query = query.where(Sync.connection_id == number_of(connection_id, "con"))
    with rooms.store.reading(ctx) as session:
        return [_shown(rooms, session, ctx, sync) for sync in session.scalars(query)]


def create(rooms: Rooms, ctx: ShopContext, new: NewSync) -> dict[str, Any]:
    """Make a sync; a new target is created at the vendor, an existing one is looked up there.

    Raises NotFound, Invalid naming the field, Conflict when the target is taken, Unavailable.
    """
    if (new.target_id is None) == (new.target_name is None):
        raise Invalid("Choose an existing list or tag, or name a new one.", field="target")
    with rooms.store.reading(ctx) as session:
        segment = find(session, ctx, new.segment_id)
        connection = session.get(Connection, (ctx.shop_id, number_of(new.connection_id, "con")))
        if segment is None:
            raise NotFound("This segment does not exist any more.")
        if connection is None:
            raise NotFound("This connection does not exist any more.")
        if new.target_id is not None:
            _refuse_taken(session, ctx, connection.id, new.target_id)
    target = _target_at_vendor(rooms, ctx, connection, new)
    with rooms.store.session(ctx) as session:
        _refuse_taken(session, ctx, connection.id, target.id)
        sync = Sync(
            shop_id=ctx.shop_id,
            id=allocate(session, ctx.shop_id, "syncs"),
            segment_id=segment.id,
            connection_id=connection.id,
            target_id=target.id,
            target_name=target.name,
            container_id=target.container_id,
            container_name=target.container_name,
            schedule=new.schedule,
            without_consent=new.without_consent,
            state="active",
            started_by_merchant=False,
            faults_in_a_row=0,
            created_at=rooms.clock.now(),
        )
        session.add(sync)
        session.flush()
        log.info("sync_made", sync_id=sync.id, segment_id=segment.id, connection_id=connection.id)
        return _shown(rooms, session, ctx, sync)


def get(rooms: Rooms, ctx: ShopContext, sync_id: str) -> dict[str, Any]:
    """One sync. Raises NotFound."""
    with rooms.store.reading(ctx) as session:
        return _shown(rooms, session, ctx, _get(session, ctx, sync_id))


def change(
    rooms: Rooms, ctx: ShopContext, sync_id: str, schedule: str | None, without_consent: str | None
) -> dict[str, Any]:
    """Change the schedule, or what happens to members without consent. Raises NotFound."""
    with rooms.store.session(ctx) as session:
        sync = _get(session, ctx, sync_id)
        if schedule is not None:
            sync.schedule = schedule
        if without_consent is not None and without_consent != sync.without_consent:
            sync.without_consent = without_consent
            _forget_answers(session, ctx, sync, "skipped")  # they were asked under the other rule
        return _shown(rooms, session, ctx, sync)


def delete(rooms: Rooms, ctx: ShopContext, sync_id: str) -> str:
    """Forget a sync and its log; answers what was left alone. Raises NotFound, Conflict."""
    with rooms.store.session(ctx) as session:
        sync = _get(session, ctx, sync_id)
        if _running(rooms, sync):
            raise Conflict("This sync is running. Wait for it to end.")
        there, name = _at_vendor(session, ctx, sync), sync.target_name
        session.delete(sync)
    return f"The sync is gone. The {there:,} members whom Encore put on {name} stay there."


def pause(rooms: Rooms, ctx: ShopContext, sync_id: str) -> dict[str, Any]:
    """Stop scheduled runs; a run that is going on ends by itself. Raises NotFound."""
    with rooms.store.session(ctx) as session:
        sync = _get(session, ctx, sync_id)
        sync.state = "paused"
        return _shown(rooms, session, ctx, sync)


def resume(rooms: Rooms, ctx: ShopContext, sync_id: str) -> dict[str, Any]:
    """Let it run again: clears the problem, and gives members whom the vendor refused another try."""
    with rooms.store.session(ctx) as session:
        sync = _get(session, ctx, sync_id)
        sync.state = "active"
        sync.problem_code = sync.problem = sync.not_before = None
        sync.faults_in_a_row = 0
        _forget_answers(session, ctx, sync, "failed")
        return _shown(rooms, session, ctx, sync)


def preview(rooms: Rooms, ctx: ShopContext, sync_id: str) -> dict[str, Any]:
    """What a run would do now; nothing is sent. Raises NotFound, Conflict, Invalid, Unavailable."""
    sync, connection = load(rooms, ctx, sync_id)
    try:
        found = preview_sync(rooms, ctx, sync.id)
    except ConnectorError as fault:
        raise as_encore(fault) from fault
    counts = found.plan.counts()
    return {
        "evaluated_at": found.evaluated_at,
        "queried": found.plan.queried,
        **{name: counts[name] for name in ("to_add", "to_update", "unchanged", "to_remove", "in_progress")},
        "skipped": counts["skipped"],
        "failed_before": counts["failed_before"],
        "reasons": _plan_reasons(found.plan),
        "first_run": found.first_run,
        "needs_approval": found.plan.needs_approval,
        "warning": _warning(sync, connection, found.plan, found.target_size if found.first_run else None),
    }


def request_run(rooms: Rooms, ctx: ShopContext, sync_id: str, *, approve_removals: bool) -> None:
    """Queue a run. An approval counts for as many removals as a preview shows at this moment.

    Raises NotFound, Conflict while the sync is paused, and what `preview` raises when approving.
    """
    approved = preview(rooms, ctx, sync_id)["to_remove"] if approve_removals else None
    with rooms.store.session(ctx) as session:
        sync = _get(session, ctx, sync_id)
        if sync.state == "paused":
            raise Conflict(sync.problem or "This sync is paused: resume it first.")
        sync.started_by_merchant = True
        sync.approved_removals = approved
        number = sync.id
    rooms.jobs.enqueue(ctx, "sync", f"syn_{number}")


def runs(rooms: Rooms, ctx: ShopContext, sync_id: str, cursor: str | None, limit: int) -> dict[str, Any]:
    """Runs of a sync, newest first; the cursor is the number of the last run shown."""
    with rooms.store.reading(ctx) as session:
        sync = _get(session, ctx, sync_id)
        query = select(SyncRun).where(SyncRun.shop_id == ctx.shop_id, SyncRun.sync_id == sync.id)
        if cursor is not None:
            query = query.where(SyncRun.id < number_of(cursor, "run"))
        rows = session.scalars(query.order_by(SyncRun.id.desc()).limit(limit + 1)).all()
        items = [_run_shown(session, ctx, row) for row in rows[:limit]]
    return {"items": items, "next": str(items[-1]["id"]) if len(rows) > limit else None}


def run(rooms: Rooms, ctx: ShopContext, sync_id: str, run_id: int) -> dict[str, Any]:
    """One run. Raises NotFound."""
    with rooms.store.reading(ctx) as session:
        return _run_shown(session, ctx, _get_run(session, ctx, sync_id, run_id))


def outcomes(
    rooms: Rooms,
    ctx: ShopContext,
    sync_id: str,
    run_id: int,
    *,
    outcome: str | None,
    code: str | None,
    cursor: str | None,
    limit: int,
) -> dict[str, Any]:
    """One page of members with their outcomes; the cursor is how many rows came before."""
    start = number_of(cursor, "row") if cursor else 0
    with rooms.store.reading(ctx) as session:
        groups = _groups(session, ctx, _get_run(session, ctx, sync_id, run_id), outcome, code)
        total = sum(group.count for group in groups)
        items = _rows(rooms, session, ctx, _slice(groups, start, limit))
    following = start + len(items)
    return {"items": items, "total": total, "next": str(following) if following < total else None}


def outcomes_csv(
    rooms: Rooms, ctx: ShopContext, sync_id: str, run_id: int, *, outcome: str | None, code: str | None
) -> Iterator[str]:
    """All rows as CSV lines, for people and their spreadsheets. Raises NotFound before the first line."""
    with rooms.store.reading(ctx) as session:
        groups = _groups(session, ctx, _get_run(session, ctx, sync_id, run_id), outcome, code)
    return _csv_lines(rooms, ctx, groups)


def _target_at_vendor(rooms: Rooms, ctx: ShopContext, connection: Connection, new: NewSync) -> Target:
    try:
        destination = open_destination(rooms, ctx, connection)
        try:
            if new.target_name is not None:
                _refuse_same_name(destination, new)
            return destination.ensure_target(TargetWish(new.target_id, new.target_name, new.container_id))
        finally:
            destination.close()
    except ConnectorError as fault:
        raise as_encore(fault) from fault


def _refuse_same_name(destination: AudienceDestination, new: NewSync) -> None:
    """A name is no identity: the vendor may allow two. But a lost answer must not end in two lists either."""
    for target in destination.discover().targets:
        same_place = new.container_id is None or target.container_id == new.container_id
        if same_place and target.name == new.target_name:
            raise Conflict(
                f"There is a {target.kind} of this name already: choose it, or take another name.", field="target"
            )


def _refuse_taken(session: Session, ctx: ShopContext, connection_id: int, target_id: str) -> None:
    mine = (Sync.shop_id == ctx.shop_id, Sync.connection_id == connection_id, Sync.target_id == target_id)
    if session.scalar(select(Sync.id).where(*mine)) is not None:
        raise Conflict(
            "Another sync keeps this target: two segments in one would remove each other's members.", field="target"
        )


def _forget_answers(session: Session, ctx: ShopContext, sync: Sync, state: str) -> None:
    session.execute(
        update(SyncMember)
        .where(SyncMember.shop_id == ctx.shop_id, SyncMember.sync_id == sync.id, SyncMember.state == state)
        .values(payload_hash="")
    )


def _warning(sync: Sync, connection: Connection, plan: Plan, others: int | None) -> str | None:
    if plan.needs_approval:
        return f"This would take {len(plan.remove):,} of {plan.at_vendor:,} members off {sync.target_name}."
    if others:
        return (
            f"{sync.target_name} has {others:,} members already. Encore leaves those alone who are not in the segment."
        )
    if plan.add and connection.vendor == "klaviyo":
        return "Flows in Klaviyo that start when someone is added to this list may start for everyone added here."
    return None


def _get(session: Session, ctx: ShopContext, reference: str) -> Sync:
    sync = session.get(Sync, (ctx.shop_id, number_of(reference, "syn")))
    if sync is None:
        raise NotFound("This sync does not exist any more.")
    return sync


def _get_run(session: Session, ctx: ShopContext, sync_id: str, run_id: int) -> SyncRun:
    row = session.get(SyncRun, (ctx.shop_id, run_id))
    if row is None or row.sync_id != number_of(sync_id, "syn"):
        raise NotFound("This run does not exist any more.")
    return row


def _running(rooms: Rooms, sync: Sync) -> bool:
    return sync.lease_until is not None and sync.lease_until > rooms.clock.now()


def _at_vendor(session: Session, ctx: ShopContext, sync: Sync) -> int:
    mine = (SyncMember.shop_id == ctx.shop_id, SyncMember.sync_id == sync.id, SyncMember.at_vendor)
    return session.scalar(select(func.count()).select_from(SyncMember).where(*mine)) or 0


def _shown(rooms: Rooms, session: Session, ctx: ShopContext, sync: Sync) -> dict[str, Any]:
    connection = session.get_one(Connection, (ctx.shop_id, sync.connection_id))
    newest = last_run(session, ctx, sync.id)
    plain = "paused" if sync.state == "paused" else "active"
    return {
        "id": f"syn_{sync.id}",
        "segment_id": f"seg_{sync.segment_id}",
        "segment_name": session.get_one(Segment, (ctx.shop_id, sync.segment_id)).name,
        "connection_id": f"con_{sync.connection_id}",
        "vendor": connection.vendor,
        "account_name": connection.account_name,
        "target_id": sync.target_id,
        "target_name": sync.target_name,
        "container_id": sync.container_id,
        "container_name": sync.container_name,
        "schedule": sync.schedule,
        "without_consent": sync.without_consent,
        "state": "needs_attention" if sync.problem else plain,
        "running": _running(rooms, sync),
        "problem": sync.problem,
        "created_at": sync.created_at,
        "at_vendor": _at_vendor(session, ctx, sync),
        "last_run": _run_shown(session, ctx, newest) if newest else None,
    }


def _run_shown(session: Session, ctx: ShopContext, row: SyncRun) -> dict[str, Any]:
    groups = outcomes_of(session, ctx, row.id)
    counts = {name: sum(g.count for g in groups if g.outcome == name) for name in (*OF_MEMBERS, *OF_LEAVERS)}
    return {
        "id": row.id,
        "state": row.state,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "evaluated_at": row.evaluated_at,
        "queried": row.queried,
        **{name: counts[name] for name in (*OF_MEMBERS, "removed")},
        "removals_failed": counts["removal_failed"],
        "reasons": [_reason(g.outcome, g.code, g.message, g.count) for g in groups if g.code],
        "problem": row.problem,
    }


def _reason(outcome: str, code: str, message: str, count: int) -> dict[str, Any]:
    return {"outcome": outcome, "code": code, "message": message, "count": count}


def _plan_reasons(plan: Plan) -> list[dict[str, Any]]:
    return [
        _reason(outcome, code, message, len(members))
        for outcome, reasons in (("skipped", plan.skipped), ("failed", plan.failed))
        for (code, message), members in reasons.items()
    ]


@dataclass(frozen=True)
class _Part:
    """Some customers of one outcome group."""

    group: SyncOutcome
    numbers: list[int]


def _groups(
    session: Session, ctx: ShopContext, row: SyncRun, outcome: str | None, code: str | None
) -> list[SyncOutcome]:
    return [
        group
        for group in outcomes_of(session, ctx, row.id)
        if (group.outcome == outcome if outcome else group.outcome != "unchanged")
        and (code is None or group.code == code)
    ]


def _slice(groups: Sequence[SyncOutcome], start: int, limit: int) -> list[_Part]:
    """The rows from `start` on over all groups, without unpacking the groups before."""
    parts = []
    for group in groups:
        if limit <= 0:
            break
        if start >= group.count:
            start -= group.count
            continue
        numbers = list(BitMap.deserialize(group.members)[start : start + limit])
        parts.append(_Part(group, numbers))
        start, limit = 0, limit - len(numbers)
    return parts


def _rows(rooms: Rooms, session: Session, ctx: ShopContext, parts: Sequence[_Part]) -> list[dict[str, Any]]:
    numbers = {number for part in parts for number in part.numbers}
    query = select(Customer).where(Customer.shop_id == ctx.shop_id, Customer.customer_no.in_(numbers))
    customers = {row.customer_no: row for row in session.scalars(query)}
    return [
        {
            "customer_no": number,
            "customer_id": _shopify_id(customers.get(number)),
            "email": _email(rooms, ctx, customers.get(number)),
            "outcome": part.group.outcome,
            "code": part.group.code,
            "message": part.group.message,
        }
        for part in parts
        for number in part.numbers
    ]


def _shopify_id(customer: Customer | None) -> str | None:
    return str(customer.shopify_id) if customer is not None and customer.shopify_id is not None else None


def _email(rooms: Rooms, ctx: ShopContext, customer: Customer | None) -> str | None:
    if customer is None or customer.erased_at is not None:
        return None
    try:
        contact = rooms.vault.open(ctx.shop_id, customer_subject(customer.customer_no), customer.contact)
    except CannotUnseal:
        return None
    return contact.get("email")


def _csv_lines(rooms: Rooms, ctx: ShopContext, groups: Sequence[SyncOutcome]) -> Iterator[str]:
    yield _csv_line(CSV_HEADER)
    total = sum(group.count for group in groups)
    for start in range(0, total, ROWS_PER_READ):
        with rooms.store.reading(ctx) as session:
            rows = _rows(rooms, session, ctx, _slice(groups, start, ROWS_PER_READ))
        yield "".join(_csv_line([row[name] for name in CSV_HEADER]) for row in rows)


def _csv_line(cells: Sequence[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([_guarded(cell) for cell in cells])
    return buffer.getvalue()


def _guarded(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(FORMULA_START) else text
