"""Keep a vendor's list or tag equal to a segment: send the difference, and remember what was sent.

Order of trust: the row is remembered as on its way, the vendor acknowledges, the row is remembered as there. A
crash in between sends at most what was on its way again, which changes nothing there, or takes it off if it left
the segment since; a crash anywhere else sends only the rest.
Consent is never touched: the adapters have no word for it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from pyroaring import BitMap
from sqlalchemy import func, select, update

from app.errors import Conflict, NotFound, Unavailable
from app.services import sync_segment_plan as planning
from app.services.evaluate_segments import membership
from app.services.segments_world import small_number
from app.services.sync_segment_apply import Application, save_refreshed
from app.services.sync_segment_lease import Lease
from app.services.sync_segment_log import OF_LEAVERS, OF_MEMBERS, RunLog
from app.store.counters import allocate
from app.store.crypto import CannotUnseal
from app.store.models.connections import Connection, Sync, SyncMember, SyncRun
from connectors.base import ConnectorError, Misconfigured, NotAuthorised, Throttled, Transient

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from connectors.base import AudienceDestination

log = structlog.get_logger()

SEGMENT_GONE = "segment_gone"
NOT_SENT = ("not_sent", "The run stopped before the vendor confirmed this member; the next run goes on from here.")
WAITS_FOR_APPROVAL = ("waits_for_approval", "Waits until the removals of this run are approved.")
FAULTS_BEFORE_PAUSE = 5
FIRST_RETRY = timedelta(minutes=5)


@dataclass(frozen=True)
class Membership:
    """Who is in the segment, and when that was worked out."""

    members: BitMap
    evaluated_at: datetime | None


@dataclass(frozen=True)
class Patience:
    """How long a run waits for a vendor's asynchronous work; seconds."""

    first: float = 0.5
    longest: float = 20.0
    total: float = 900.0
    sleep: Callable[[float], None] = field(default=time.sleep)


@dataclass(frozen=True)
class RunResult:
    """How a run ended. queried = added + updated + unchanged + skipped + failed."""

    run_id: int
    state: str
    counts: dict[str, int]
    problem: str | None = None


def run_sync(
    rooms: Rooms,
    ctx: ShopContext,
    reference: int | str,
    *,
    approve_removals: bool = False,
    who: Membership | None = None,
    patience: Patience | None = None,
) -> RunResult:
    """Send what changed since the last run. Vendor faults end the run and are recorded, not raised.

    reference:        the sync's number, or `syn_<number>`.
    approve_removals: go ahead although more than 30% or all of what is there would be taken off.
    who:              who belongs there; left out = the segment's published membership.
    Raises NotFound for an unknown sync, Conflict while it is paused or another process runs it.
    """
    sync, connection = load(rooms, ctx, reference)
    if sync.state == "paused":
        raise Conflict(sync.problem or "This sync is paused: resume it first.")
    with Lease(rooms, ctx, sync.id) as lease:
        run_id = _begin(rooms, ctx, sync.id)
        run = _Run(rooms, ctx, sync, connection, run_id, lease, patience or Patience())
        return run.carry_out(who, approve_removals=approve_removals)


def load(rooms: Rooms, ctx: ShopContext, reference: int | str) -> tuple[Sync, Connection]:
    """A sync, by number or `syn_<number>`, and its connection. Raises NotFound."""
    sync_id = number_of(reference, "syn")
    with rooms.store.reading(ctx) as session:
        sync = session.get(Sync, (ctx.shop_id, sync_id))
        connection = session.get(Connection, (ctx.shop_id, sync.connection_id)) if sync else None
    if sync is None or connection is None:
        raise NotFound("This sync does not exist any more.")
    return sync, connection


def number_of(reference: int | str, kind: str) -> int:
    """7 of 7, `7` or `<kind>_7`. Raises NotFound for anything else."""
    found = small_number(str(reference).removeprefix(f"{kind}_"))
    if found is None:
        raise NotFound("There is no such thing in this shop.")
    return found


def due(rooms: Rooms, ctx: ShopContext) -> list[str]:
    """The syncs that should run now, as `syn_<number>`.

    Those that follow the refresh, once the merchant has started a first run, when their segment was
    evaluated since the last run; and any whose last run met a fault that may have passed.
    """
    now = rooms.clock.now()
    with rooms.store.reading(ctx) as session:
        syncs = session.scalars(select(Sync).where(Sync.shop_id == ctx.shop_id, Sync.state == "active")).all()
        last = {sync.id: last_run(session, ctx, sync.id) for sync in syncs}
    return [
        f"syn_{sync.id}"
        for sync in syncs
        if (sync.not_before is None or sync.not_before <= now) and _is_due(rooms, ctx, sync, last[sync.id])
    ]


def last_run(session: Session, ctx: ShopContext, sync_id: int) -> SyncRun | None:
    """The newest run of a sync."""
    mine = (SyncRun.shop_id == ctx.shop_id, SyncRun.sync_id == sync_id)
    return session.scalars(select(SyncRun).where(*mine).order_by(SyncRun.id.desc()).limit(1)).first()


def _is_due(rooms: Rooms, ctx: ShopContext, sync: Sync, run: SyncRun | None) -> bool:
    if run is not None and run.state == "failed":
        return True
    if sync.schedule != "after_refresh" or not sync.started_by_merchant:
        return False
    try:
        evaluated_at = segment_membership(rooms, ctx, sync.segment_id).evaluated_at
    except (NotFound, Unavailable):
        return False
    return run is None or run.evaluated_at is None or (evaluated_at is not None and evaluated_at > run.evaluated_at)


def open_destination(rooms: Rooms, ctx: ShopContext, connection: Connection) -> AudienceDestination:
    """The vendor's account behind a connection. Raises ConnectorError."""
    try:
        credentials = rooms.vault.open(ctx.shop_id, connection_subject(connection.id), connection.sealed)
    except CannotUnseal as fault:
        raise NotAuthorised("The stored key can't be opened any more: connect the account again.") from fault
    return rooms.connectors.open(connection.vendor, credentials)


def connection_subject(connection_id: int) -> str:
    """The vault subject of a connection's credentials."""
    return f"connection:{connection_id}"


def _begin(rooms: Rooms, ctx: ShopContext, sync_id: int) -> int:
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        # The lease is ours: a run that still says it is running belongs to a process that died.
        session.execute(
            update(SyncRun)
            .where(SyncRun.shop_id == ctx.shop_id, SyncRun.sync_id == sync_id, SyncRun.state == "running")
            .values(state="failed", finished_at=now, problem="Interrupted; the next run went on from there.")
        )
        run_id = allocate(session, ctx.shop_id, "sync_runs")
        session.add(
            SyncRun(
                shop_id=ctx.shop_id,
                id=run_id,
                sync_id=sync_id,
                state="running",
                started_at=now,
                finished_at=None,
                evaluated_at=None,
                queried=0,
                plan={},
                problem=None,
            )
        )
    return run_id


@dataclass
class _Run:
    rooms: Rooms
    ctx: ShopContext
    sync: Sync
    connection: Connection
    run_id: int
    lease: Lease
    patience: Patience
    queried: BitMap = field(default_factory=BitMap)

    def carry_out(self, who: Membership | None, *, approve_removals: bool) -> RunResult:
        """Open the account, do the work, and leave a finished run behind whatever happens."""
        self.outcomes = RunLog(self.ctx, self.run_id)
        try:
            destination = open_destination(self.rooms, self.ctx, self.connection)
            try:
                return self._work(destination, who, approve_removals=approve_removals)
            finally:
                destination.close()
        except ConnectorError as fault:
            return self._stopped(fault)
        except NotFound as fault:
            return self._stopped(Misconfigured(SEGMENT_GONE, fault.message))
        except Unavailable as fault:
            return self._stopped(Transient(fault.message, code="not_evaluated"))
        except Exception:
            self._finish("failed", "Encore met a fault of its own; what was sent is remembered.")
            raise

    def _work(self, destination: AudienceDestination, given: Membership | None, *, approve_removals: bool) -> RunResult:
        who = given or segment_membership(self.rooms, self.ctx, self.sync.segment_id)
        self.queried = who.members
        destination.target(self.sync.target_id)  # a list that is gone stops the run before anything is sent
        application = Application(
            self.rooms, self.ctx, self.sync, destination, self.lease, self.outcomes, self.patience
        )
        application.settle(log_outcomes=False)  # what a run before left with the vendor
        plan = planning.make_plan(self.rooms, self.ctx, self.sync, who.members, destination)
        self._note_plan(plan, who)
        approved = approve_removals or len(plan.remove) <= (self.sync.approved_removals or 0)
        self._log_what_stays(plan)
        if plan.needs_approval and not approved:
            application.remove(plan.erased)
            return self._ask(plan)
        save_refreshed(self.rooms, self.ctx, self.sync, plan.refresh)
        application.add(plan)
        application.remove(plan.remove)
        application.settle(log_outcomes=True)
        if not self.outcomes.covers(self.queried):
            raise AssertionError("a member has no outcome, or two")
        trouble = self.outcomes.count("failed", "removal_failed")
        return self._finish("partial" if trouble else "done", None)

    def _note_plan(self, plan: planning.Plan, who: Membership) -> None:
        with self.rooms.store.session(self.ctx) as session:
            run = session.get_one(SyncRun, (self.ctx.shop_id, self.run_id))
            run.evaluated_at, run.queried, run.plan = who.evaluated_at, plan.queried, dict(plan.counts())
        log.info("sync_planned", sync_id=self.sync.id, run_id=self.run_id, **plan.counts())

    def _log_what_stays(self, plan: planning.Plan) -> None:
        self.outcomes.put("unchanged", plan.unchanged)
        for (code, message), members in plan.skipped.items():
            self.outcomes.put("skipped", members - plan.again, code, message)
        for (code, message), members in plan.failed.items():
            self.outcomes.put("failed", members, code, message)
        self.outcomes.put("failed", plan.in_progress, "in_progress", planning.REASONS["in_progress"])

    def _ask(self, plan: planning.Plan) -> RunResult:
        problem = (
            f"This run would take {len(plan.remove):,} of {plan.at_vendor:,} members off "
            f"{self.sync.target_name}. {'Nobody' if not plan.erased else 'Nobody but whom you erased'} was taken off "
            "and nobody was added: look at the preview and approve it, or pause the sync."
        )
        with self.rooms.store.session(self.ctx) as session:
            sync = session.get_one(Sync, (self.ctx.shop_id, self.sync.id))
            sync.problem_code, sync.problem = "needs_approval", problem
        return self._close_run("needs_approval", problem)

    def _finish(self, state: str, problem: str | None) -> RunResult:
        if state in {"done", "partial"}:
            with self.rooms.store.session(self.ctx) as session:
                sync = session.get_one(Sync, (self.ctx.shop_id, self.sync.id))
                sync.problem_code = sync.problem = sync.not_before = sync.approved_removals = None
                sync.faults_in_a_row = 0
        return self._close_run(state, problem)

    def _stopped(self, fault: ConnectorError) -> RunResult:
        """Record a vendor's fault: pause what only the merchant can mend, come back later for the rest."""
        now = self.rooms.clock.now()
        with self.rooms.store.session(self.ctx) as session:
            sync = session.get_one(Sync, (self.ctx.shop_id, self.sync.id))
            sync.problem_code, sync.problem = fault.code, fault.message
            if isinstance(fault, NotAuthorised):
                connection = session.get_one(Connection, (self.ctx.shop_id, self.connection.id))
                connection.state, connection.problem = "needs_reconnect", fault.message
            if isinstance(fault, NotAuthorised | Misconfigured):
                sync.state = "paused"
            else:
                sync.faults_in_a_row += 1
                wait = FIRST_RETRY * 2 ** (sync.faults_in_a_row - 1)
                if isinstance(fault, Throttled) and fault.retry_after:
                    wait = timedelta(seconds=fault.retry_after)
                sync.not_before = now + wait
                if sync.faults_in_a_row >= FAULTS_BEFORE_PAUSE:
                    sync.state = "paused"
        log.warning("sync_stopped", sync_id=self.sync.id, run_id=self.run_id, code=fault.code)
        return self._close_run("failed", fault.message)

    def _close_run(self, state: str, problem: str | None) -> RunResult:
        with self.rooms.store.session(self.ctx) as session:
            self._log_the_rest(session, state)
            self.outcomes.save(session)
            run = session.get_one(SyncRun, (self.ctx.shop_id, self.run_id))
            run.state, run.finished_at, run.problem = state, self.rooms.clock.now(), problem
            run.queried = len(self.queried)
        counts = {name: self.outcomes.count(name) for name in (*OF_MEMBERS, *OF_LEAVERS)}
        log.info("sync_finished", sync_id=self.sync.id, run_id=self.run_id, state=state, **counts)
        return RunResult(self.run_id, state, {"queried": len(self.queried), **counts}, problem)

    def _log_the_rest(self, session: Session, state: str) -> None:
        """An outcome for everyone whom the run did not come to, or whose answer it did not live to see."""
        rest = self.queried - self.outcomes.covered()
        if state == "needs_approval":
            self.outcomes.put("skipped", rest, *WAITS_FOR_APPROVAL)
            return
        mine = (SyncMember.shop_id == self.ctx.shop_id, SyncMember.sync_id == self.sync.id)
        pending = select(SyncMember.customer_no).where(*mine, SyncMember.state == "pending")
        in_progress = rest & BitMap(session.scalars(pending)) if rest else BitMap()
        self.outcomes.put("failed", in_progress, "in_progress", planning.REASONS["in_progress"])
        self.outcomes.put("failed", rest - in_progress, *NOT_SENT)


def segment_membership(rooms: Rooms, ctx: ShopContext, segment_id: int) -> Membership:
    """The published membership of a segment. Raises NotFound, or Unavailable before its first evaluation."""
    found = membership(rooms, ctx, segment_id)
    return Membership(found.members, found.evaluated_at)


@dataclass(frozen=True)
class SyncPreview:
    """What a run would do now; nothing was sent."""

    plan: planning.Plan
    evaluated_at: datetime | None
    first_run: bool
    target_size: int | None


def preview_sync(rooms: Rooms, ctx: ShopContext, reference: int | str, *, who: Membership | None = None) -> SyncPreview:
    """Work out what a run would add, change and remove. Asks the vendor only for the size of the target.

    Raises NotFound, or ConnectorError when the vendor refuses or the target is gone.
    """
    sync, connection = load(rooms, ctx, reference)
    who = who or segment_membership(rooms, ctx, sync.segment_id)
    destination = open_destination(rooms, ctx, connection)
    try:
        target = destination.target(sync.target_id)
        plan = planning.make_plan(rooms, ctx, sync, who.members, destination)
    finally:
        destination.close()
    with rooms.store.reading(ctx) as session:
        rows = select(func.count()).select_from(SyncMember)
        known = session.scalar(rows.where(SyncMember.shop_id == ctx.shop_id, SyncMember.sync_id == sync.id))
    return SyncPreview(plan, who.evaluated_at, first_run=not known, target_size=target.member_count)
