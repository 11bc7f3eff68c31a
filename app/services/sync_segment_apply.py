"""Carrying a sync's plan out: remembered before each request is who is in it, and before the next one how it went.

A request whose answer is lost may have been carried out. Its rows stay in the state `sending`: whoever is still a
member is sent again, whoever left is taken off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from pyroaring import BitMap
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.services.sync_segment_plan import REASONS, batches, contacts
from app.store.crypto import CannotUnseal
from app.store.models.connections import SyncMember
from connectors.base import Member

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.services.sync_segment import Patience
    from app.services.sync_segment_lease import Lease
    from app.services.sync_segment_log import OutcomeName, RunLog
    from app.services.sync_segment_plan import Contact, Plan
    from app.store.models.connections import Sync
    from connectors.base import AudienceDestination, JobState, Outcome

log = structlog.get_logger()

CONTACTS_PER_READ = 1000
ROWS_PER_WRITE = 1000
JOB_LOST = ("job_lost", "The vendor gave the import up; these members are sent again by the next run.")
NOT_CONFIRMED = ("in_progress", REASONS["in_progress"])
NOT_THERE = ("not_on_list", "The vendor reported a fault without a name, and the member is not on the list.")
FORGOTTEN = ("address_forgotten", "The address was erased here before the vendor could be told.")


class Application:
    """The writing half of one run."""

    def __init__(
        self,
        rooms: Rooms,
        ctx: ShopContext,
        sync: Sync,
        destination: AudienceDestination,
        lease: Lease,
        outcomes: RunLog,
        patience: Patience,
    ) -> None:
        self._rooms, self._ctx, self._sync = rooms, ctx, sync
        self._destination, self._lease, self._outcomes, self._patience = destination, lease, outcomes, patience
        self._sending: dict[int, Contact] = {}
        self._leaving: dict[int, tuple[str, int]] = {}
        self._jobs: set[str] = set()

    def add(self, plan: Plan) -> None:
        """Send those who join and those whose payload changed."""
        stream = self._open_members(plan)
        requests = self._destination.add_members(
            self._sync.target_id,
            stream,
            without_consent="transactional" if self._sync.without_consent == "transactional" else "skip",
        )
        for answered in requests:
            self._save_added(answered, plan)

    def remove(self, hashes: list[str]) -> None:
        """Take off the rows of these address hashes: no member stands for them any more."""
        requests = self._destination.remove_members(self._sync.target_id, self._open_leavers(hashes))
        for answered in requests:
            self._save_removed(answered)

    def settle(self, *, log_outcomes: bool) -> None:
        """Wait for the vendor's asynchronous work, within the run's patience, and remember how it went.

        log_outcomes: True after this run sent its own; False at the start, for what an earlier run left.
        """
        jobs = self._open_jobs() & self._jobs if log_outcomes else self._open_jobs()
        waited, pause = 0.0, self._patience.first
        while jobs:
            for job_id in sorted(jobs):
                state = self._destination.poll(job_id)
                if state.finished:
                    self._settle_job(job_id, state, log_outcomes=log_outcomes)
                    jobs.discard(job_id)
            if not jobs or waited >= self._patience.total:
                break
            self._patience.sleep(pause)
            waited, pause = waited + pause, min(pause * 2, self._patience.longest)
            with self._rooms.store.session(self._ctx) as session:
                self._lease.renew(session)
        if log_outcomes:
            self._log_unsettled(jobs)

    def _open_members(self, plan: Plan) -> Iterator[Member]:
        """Contacts are decrypted here, as the adapter asks for them, and live until their outcome is saved."""
        for batch in batches(plan.add | plan.update | plan.again, CONTACTS_PER_READ):
            opened, unreadable = contacts(self._rooms, self._ctx, self._sync, batch, self._destination)
            self._outcomes.put("failed", unreadable, "unreadable_contact", REASONS["unreadable_contact"])
            gone = BitMap(batch) - BitMap(unreadable) - BitMap(contact.member.key for contact in opened)
            self._outcomes.put("skipped", gone, "unknown_customer", REASONS["unknown_customer"])
            self._save_sending(opened, plan)
            for contact in opened:
                self._sending[contact.member.key] = contact
                yield contact.member

    def _save_sending(self, opened: Sequence[Contact], plan: Plan) -> None:
        """Remember who is asked for, before anything is: the vendor may act on a request and its answer be lost."""
        now = self._rooms.clock.now()
        rows = []
        for contact in opened:
            sealed = self._rooms.vault.seal(
                self._ctx.shop_id,
                address_subject(self._sync.id, contact.email_hash),
                {"email": contact.member.email},
            )
            row = self._row(contact, plan, "sending") | {"at_vendor": True, "payload_hash": "", "changed_at": now}
            rows.append(row | {"sealed_address": sealed})
        with self._rooms.store.session(self._ctx) as session:
            self._lease.renew(session)
            _upsert(session, rows, sqlite=self._rooms.store.is_sqlite)

    def _save_added(self, answered: Sequence[Outcome], plan: Plan) -> None:
        now = self._rooms.clock.now()
        rows = []
        for outcome in answered:
            contact = self._sending.pop(outcome.key)
            rows.append(self._answered_row(contact, outcome, plan) | {"changed_at": now})
            if outcome.result == "done":
                self._outcomes.put("updated" if outcome.key in plan.update else "added", [outcome.key])
            elif outcome.result in {"skipped", "failed"}:
                name: OutcomeName = "skipped" if outcome.result == "skipped" else "failed"
                self._outcomes.put(name, [outcome.key], outcome.code, outcome.message)
            elif outcome.job_id:
                self._jobs.add(outcome.job_id)
        with self._rooms.store.session(self._ctx) as session:
            self._lease.renew(session)
            _upsert(session, rows, sqlite=self._rooms.store.is_sqlite)
            self._outcomes.save(session)

    def _answered_row(self, contact: Contact, outcome: Outcome, plan: Plan) -> dict[str, Any]:
        state = {"done": "present", "pending": "pending"}.get(outcome.result, outcome.result)
        # A refusal now says nothing of an earlier request whose answer was lost.
        perhaps = outcome.result == "failed" and outcome.key in plan.doubtful
        return self._row(contact, plan, state) | {
            "at_vendor": outcome.key in plan.update or perhaps or state in {"present", "pending"},
            "payload_hash": contact.payload_hash if outcome.final else "",  # equal to no payload: it is sent again
            "remote_id": outcome.remote_id,
            "job_id": outcome.job_id,
            "code": outcome.code,
            "message": outcome.message,
        }

    def _row(self, contact: Contact, plan: Plan, state: str) -> dict[str, Any]:
        return {
            "shop_id": self._ctx.shop_id,
            "sync_id": self._sync.id,
            "email_hash": contact.email_hash,
            "customer_no": contact.member.key,
            "state": state,
            "consent": contact.member.consent,
            "version": contact.version,
            "remote_id": None,
            "job_id": None,
            "action": "updated" if contact.member.key in plan.update else "added",
            "code": "",
            "message": "",
        }

    def _open_leavers(self, hashes: list[str]) -> Iterator[Member]:
        for start in range(0, len(hashes), CONTACTS_PER_READ):
            part = hashes[start : start + CONTACTS_PER_READ]
            with self._rooms.store.reading(self._ctx) as session:
                query = select(SyncMember).where(*self._mine(), SyncMember.email_hash.in_(part))
                rows = session.scalars(query.order_by(SyncMember.email_hash)).all()
            for number, row in enumerate(rows, start):
                address = self._address(row)
                if address is None and row.remote_id is None:
                    self._outcomes.put("removal_failed", [row.customer_no], *FORGOTTEN)
                    continue
                self._leaving[number] = (row.email_hash, row.customer_no)
                yield Member(key=number, email=address or "", remote_id=row.remote_id)

    def _address(self, row: SyncMember) -> str | None:
        if row.sealed_address is None:
            return None
        subject = address_subject(self._sync.id, row.email_hash)
        try:
            return str(self._rooms.vault.open(self._ctx.shop_id, subject, row.sealed_address)["email"])
        except CannotUnseal:
            return None

    def _save_removed(self, answered: Sequence[Outcome]) -> None:
        now = self._rooms.clock.now()
        with self._rooms.store.session(self._ctx) as session:
            self._lease.renew(session)
            for outcome in answered:
                email_hash, customer_no = self._leaving.pop(outcome.key)
                row = session.get_one(SyncMember, (self._ctx.shop_id, self._sync.id, email_hash))
                row.code, row.message, row.changed_at = outcome.code, outcome.message, now
                if outcome.result == "done":
                    row.state, row.at_vendor, row.payload_hash = "absent", False, ""
                    row.sealed_address = None
                    row.remote_id = outcome.remote_id or row.remote_id
                    self._outcomes.put("removed", [customer_no])
                else:
                    self._outcomes.put("removal_failed", [customer_no], outcome.code, outcome.message)
            self._outcomes.save(session)

    def _open_jobs(self) -> set[str]:
        query = select(SyncMember.job_id).where(*self._mine(), SyncMember.state == "pending").distinct()
        with self._rooms.store.reading(self._ctx) as session:
            return {job_id for job_id in session.scalars(query) if job_id}

    def _settle_job(self, job_id: str, state: JobState, *, log_outcomes: bool) -> None:
        with self._rooms.store.reading(self._ctx) as session:
            query = select(SyncMember.email_hash, SyncMember.customer_no, SyncMember.action)
            rows = session.execute(query.where(*self._of_job(job_id))).all()
        if state.lost:
            self._settle_lost(job_id, [row.customer_no for row in rows], log_outcomes=log_outcomes)
            return
        failed = self._failed_of(state, {row.email_hash for row in rows})
        now = self._rooms.clock.now()
        with self._rooms.store.session(self._ctx) as session:
            self._lease.renew(session)
            session.execute(
                update(SyncMember)
                .where(*self._of_job(job_id))
                .values(state="present", job_id=None, code="", message="", changed_at=now)
            )
            for row in rows:
                if row.email_hash in failed:
                    self._mark_failed(session, row.email_hash, failed[row.email_hash])
                if not log_outcomes:
                    continue
                if row.email_hash in failed:
                    self._outcomes.put("failed", [row.customer_no], *failed[row.email_hash])
                else:
                    self._outcomes.put("updated" if row.action == "updated" else "added", [row.customer_no])
            self._outcomes.save(session)
        log.info("sync_job_settled", sync_id=self._sync.id, members=len(rows), failed=len(failed))

    def _settle_lost(self, job_id: str, customers: list[int], *, log_outcomes: bool) -> None:
        """Lost is not undone: the vendor may have put any of them there before it gave the job up."""
        code, message = JOB_LOST
        with self._rooms.store.session(self._ctx) as session:
            self._lease.renew(session)
            session.execute(
                update(SyncMember)
                .where(*self._of_job(job_id))
                .values(
                    state="sending", at_vendor=True, payload_hash="", job_id=None, code=code, message=message,
                    changed_at=self._rooms.clock.now(),
                )
            )  # fmt: skip
            if log_outcomes:
                self._outcomes.put("failed", customers, *JOB_LOST)
            self._outcomes.save(session)
        log.info("sync_job_lost", sync_id=self._sync.id, members=len(customers))

    def _mark_failed(self, session: Session, email_hash: str, reason: tuple[str, str]) -> None:
        row = session.get_one(SyncMember, (self._ctx.shop_id, self._sync.id, email_hash))
        row.state, row.at_vendor = "failed", row.action == "updated"
        row.code, row.message = reason

    def _failed_of(self, state: JobState, hashes: set[str]) -> dict[str, tuple[str, str]]:
        """Address hash → reason, of the members that the job did not put there."""
        failed: dict[str, tuple[str, str]] = {}
        for failure in state.failures:
            email_hash = self._rooms.vault.email_hash(failure.email)
            if email_hash in hashes:
                failed[email_hash] = (failure.code, failure.message)
        if len(failed) < len(state.failures):
            # Someone failed and the vendor did not say who: only the list itself can tell.
            there = {
                self._rooms.vault.email_hash(row.email)
                for page in self._destination.read_back(self._sync.target_id)
                for row in page
            }
            failed |= dict.fromkeys(hashes - there - set(failed), NOT_THERE)
        return failed

    def _log_unsettled(self, jobs: set[str]) -> None:
        with self._rooms.store.session(self._ctx) as session:
            for job_id in jobs:
                query = select(SyncMember.customer_no).where(*self._of_job(job_id))
                self._outcomes.put("failed", session.scalars(query), *NOT_CONFIRMED)
            self._outcomes.save(session)

    def _mine(self) -> tuple[Any, Any]:
        return (SyncMember.shop_id == self._ctx.shop_id, SyncMember.sync_id == self._sync.id)

    def _of_job(self, job_id: str) -> tuple[Any, ...]:
        return (*self._mine(), SyncMember.state == "pending", SyncMember.job_id == job_id)


def address_subject(sync_id: int, email_hash: str) -> str:
    """The vault subject of an address that a sync sent."""
    return f"sync:{sync_id}:{email_hash}"


def save_refreshed(rooms: Rooms, ctx: ShopContext, sync: Sync, refresh: list[tuple[str, str]]) -> None:
    """Remember that customers were looked at again and nothing that the vendor gets had changed."""
    for start in range(0, len(refresh), ROWS_PER_WRITE):
        with rooms.store.session(ctx) as session:
            for email_hash, version in refresh[start : start + ROWS_PER_WRITE]:
                session.execute(
                    update(SyncMember)
                    .where(
                        SyncMember.shop_id == ctx.shop_id,
                        SyncMember.sync_id == sync.id,
                        SyncMember.email_hash == email_hash,
                    )
                    .values(version=version)
                )


def _upsert(session: Session, rows: list[dict[str, Any]], *, sqlite: bool) -> None:
    insert = (sqlite_insert if sqlite else postgresql_insert)(SyncMember.__table__)  # type: ignore[arg-type]
    keys = {"shop_id", "sync_id", "email_hash"}
    for start in range(0, len(rows), ROWS_PER_WRITE):
        part = rows[start : start + ROWS_PER_WRITE]
        new: dict[str, Any] = {name: insert.excluded[name] for name in part[0] if name not in keys}
        # An outcome without the vendor's id does not unlearn one.
        new["remote_id"] = func.coalesce(insert.excluded.remote_id, SyncMember.__table__.c.remote_id)
        session.connection().execute(insert.on_conflict_do_update(index_elements=sorted(keys), set_=new), part)
