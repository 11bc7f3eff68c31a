"""What a sync has to do: the members of a segment now, against what the vendor was sent before."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from pyroaring import BitMap
from sqlalchemy import func, select

from app.store.crypto import CannotUnseal, customer_subject
from app.store.models.connections import SyncMember
from app.store.models.customers import Customer, Suppression
from connectors.base import Member

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.store.models.connections import Sync
    from connectors.base import AudienceDestination, Consent

ROWS_PER_READ = 5000
ASK_ABOVE_SHARE = 0.30
# Who was left out for want of consent may have joined the vendor's audience by another door, and nothing tells us.
ASK_AGAIN_AFTER = timedelta(days=1)
# Half of a keyed SHA-256: no two of a billion addresses meet, and a set of a million stays small.
DIGEST_HEX = 32

REASONS = {
    "unknown_customer": "The customer is no longer in the shop.",
    "merged": "Merged into another customer, who stands for both.",
    "erased": "Erased at the customer's request.",
    "no_address": "Has no e-mail address.",
    "invalid_address": "The e-mail address can't be reached.",
    "suppressed": "The address bounced, complained or was taken off by hand.",
    "duplicate_address": "Another member has the same address and stands for both.",
    "unreadable_contact": "The contact can't be decrypted with the keys of this installation.",
    "in_progress": "Accepted by the vendor, not yet confirmed.",
}
Reason = tuple[str, str]


@dataclass
class Plan:
    """Customer numbers by what is to be done; every queried member is in exactly one set.

    again:    of those in `skipped`, whom the vendor left out and is asked for again: they may have come to it since.
    doubtful: of those to add or update, whose last request was never answered.
    remove: address hashes of rows at the vendor that no member stands for any more.
    erased: of those in `remove`, whose customer asked to be forgotten: they wait for nobody's approval.
    left_out_before: who was left out by then is asked for again.
    refresh: rows whose customer changed in nothing that the vendor gets: (hash, version), to remember.
    """

    queried: int
    left_out_before: datetime
    add: BitMap = field(default_factory=BitMap)
    update: BitMap = field(default_factory=BitMap)
    unchanged: BitMap = field(default_factory=BitMap)
    in_progress: BitMap = field(default_factory=BitMap)
    skipped: dict[Reason, BitMap] = field(default_factory=dict)
    failed: dict[Reason, BitMap] = field(default_factory=dict)
    again: BitMap = field(default_factory=BitMap)
    doubtful: BitMap = field(default_factory=BitMap)
    remove: list[str] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    refresh: list[tuple[str, str]] = field(default_factory=list)
    at_vendor: int = 0

    @property
    def needs_approval(self) -> bool:
        """Whether it would take off more than 30% of what is there, or all; the erased don't count."""
        gone, there = len(self.remove) - len(self.erased), self.at_vendor - len(self.erased)
        return gone > 0 and (gone > ASK_ABOVE_SHARE * there or gone >= there)

    def counts(self) -> dict[str, int]:
        """The sizes, as a run keeps them."""
        return {
            "to_add": len(self.add),
            "to_update": len(self.update),
            "unchanged": len(self.unchanged),
            "in_progress": len(self.in_progress),
            "skipped": sum(len(members) for members in self.skipped.values()),
            "failed_before": sum(len(members) for members in self.failed.values()),
            "to_remove": len(self.remove),
            "at_vendor": self.at_vendor,
        }


@dataclass(frozen=True)
class Contact:
    """A customer as a sync sees it, opened at the last moment."""

    member: Member
    email_hash: str
    version: str
    payload_hash: str


def make_plan(rooms: Rooms, ctx: ShopContext, sync: Sync, members: BitMap, destination: AudienceDestination) -> Plan:
    """Compare the members with what the sync remembers. Reads only; opens contacts only where they changed."""
    plan = Plan(queried=len(members), left_out_before=rooms.clock.now() - ASK_AGAIN_AFTER)
    seen: set[bytes] = set()
    for numbers in batches(members):
        with rooms.store.reading(ctx) as session:
            doubtful = _plan_batch(session, ctx, sync, numbers, plan, seen)
        if doubtful:
            _look_closer(rooms, ctx, sync, doubtful, destination, plan)
    with rooms.store.reading(ctx) as session:
        _plan_removals(session, ctx, sync, plan, seen)
    return plan


def batches(members: BitMap, size: int = ROWS_PER_READ) -> Iterator[list[int]]:
    """The numbers of a bitmap in order, so many at a time."""
    batch: list[int] = []
    for number in members:
        batch.append(number)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def contacts(
    rooms: Rooms,
    ctx: ShopContext,
    sync: Sync,
    numbers: Sequence[int],
    destination: AudienceDestination,
) -> tuple[list[Contact], list[int]]:
    """Open the contacts of these customers; answers them and the numbers that could not be opened."""
    with rooms.store.reading(ctx) as session:
        rows = session.scalars(_customers(ctx, numbers)).all()
        hashes = [row.email_hash for row in rows if row.email_hash]
        remote = dict(
            session.execute(
                select(SyncMember.email_hash, SyncMember.remote_id).where(
                    *_of(ctx, sync), SyncMember.email_hash.in_(hashes)
                )
            ).all()
        )
    opened: list[Contact] = []
    unreadable: list[int] = []
    for row in rows:
        contact = open_contact(rooms, ctx, row, destination, remote.get(row.email_hash or ""))
        if contact is None:
            unreadable.append(row.customer_no)
        else:
            opened.append(contact)
    return opened, unreadable


def open_contact(
    rooms: Rooms,
    ctx: ShopContext,
    row: Customer,
    destination: AudienceDestination,
    remote_id: str | None = None,
) -> Contact | None:
    """Decrypt one customer's contact for a vendor, or None when no key opens it or it holds no address."""
    try:
        contact: dict[str, Any] = rooms.vault.open(ctx.shop_id, customer_subject(row.customer_no), row.contact)
    except CannotUnseal:
        return None
    if not contact.get("email") or row.email_hash is None:
        return None
    member = Member(
        key=row.customer_no,
        email=contact["email"].strip(),
        first_name=contact.get("first_name"),
        last_name=contact.get("last_name"),
        consent=consent_of(row),
        remote_id=remote_id,
    )
    # Keyed: names and addresses are few enough to be guessed from a plain hash.
    payload_hash = rooms.vault.keyed_hash("\x1f".join(destination.fingerprint(member)))
    return Contact(member, row.email_hash, row.updated_at.isoformat(), payload_hash)


class HasConsent(Protocol):
    """A customer, or a row with a customer's consent columns."""

    email_consent: Any
    email_opt_in_level: Any


def consent_of(row: HasConsent) -> Consent:
    """Consent to e-mail marketing in the three steps that vendors tell apart."""
    if row.email_consent != "SUBSCRIBED":
        return "none"
    return "confirmed" if row.email_opt_in_level == "CONFIRMED_OPT_IN" else "single"


def _plan_batch(
    session: Session, ctx: ShopContext, sync: Sync, numbers: list[int], plan: Plan, seen: set[bytes]
) -> dict[int, Any]:
    """Sort one batch into the plan; answers what was remembered of those whose contact has to be looked at."""
    # Columns, not models: a million unchanged members are read at every run, without their contacts.
    rows = {row.customer_no: row for row in session.execute(_customer_columns(ctx, numbers))}
    hashes = [row.email_hash for row in rows.values() if row.email_hash]
    query = select(Suppression.email_hash).where(Suppression.shop_id == ctx.shop_id, Suppression.email_hash.in_(hashes))
    suppressed = set(session.scalars(query))
    remembered = {row.email_hash: row for row in session.execute(_remembered_columns(ctx, sync, hashes))}
    doubtful: dict[int, Any] = {}
    for number in numbers:
        row = rows.get(number)
        code = _why_not(row, suppressed)
        if row is None or code:
            _put(plan.skipped, code, REASONS[code], number)
            continue
        digest = bytes.fromhex(row.email_hash[:DIGEST_HEX])
        if digest in seen:
            _put(plan.skipped, "duplicate_address", REASONS["duplicate_address"], number)
            continue
        seen.add(digest)
        known = remembered.get(row.email_hash)
        if known is None or known.state == "absent":
            plan.add.add(number)
        elif known.state == "pending":
            plan.in_progress.add(number)
        elif known.state == "sending":
            plan.doubtful.add(number)
            (plan.update if known.action == "updated" else plan.add).add(number)
        elif known.state != "present" and known.consent != consent_of(row):
            _put_changed(plan, number, known)
        elif known.version == row.updated_at.isoformat() and known.payload_hash:
            _put_unchanged(plan, number, known)
        else:
            doubtful[number] = known
    return doubtful


def _look_closer(
    rooms: Rooms,
    ctx: ShopContext,
    sync: Sync,
    doubtful: dict[int, Any],
    destination: AudienceDestination,
    plan: Plan,
) -> None:
    """Open the contacts of customers whose row changed, to see whether the vendor would get anything else."""
    opened, _ = contacts(rooms, ctx, sync, list(doubtful), destination)
    now = {contact.member.key: contact for contact in opened}
    for number, known in doubtful.items():
        contact = now.get(number)
        if contact is None or contact.payload_hash != known.payload_hash:
            _put_changed(plan, number, known)
        else:
            plan.refresh.append((known.email_hash, contact.version))
            _put_unchanged(plan, number, known)


def _put_changed(plan: Plan, number: int, known: Any) -> None:
    (plan.update if known.at_vendor else plan.add).add(number)


def _put_unchanged(plan: Plan, number: int, known: Any) -> None:
    if known.state == "present":
        plan.unchanged.add(number)
    else:
        if known.state == "skipped" and known.changed_at <= plan.left_out_before:
            plan.again.add(number)
        _put(plan.skipped if known.state == "skipped" else plan.failed, known.code, known.message, number)


def _plan_removals(session: Session, ctx: ShopContext, sync: Sync, plan: Plan, seen: set[bytes]) -> None:
    there = (*_of(ctx, sync), SyncMember.at_vendor)
    plan.at_vendor = session.scalar(select(func.count()).select_from(SyncMember).where(*there)) or 0
    # A pending row is waited for first: the vendor may be putting it there this moment.
    rows = session.execute(
        select(SyncMember.email_hash, Customer.erased_at.is_not(None))
        .outerjoin(
            Customer,
            (Customer.shop_id == SyncMember.shop_id) & (Customer.customer_no == SyncMember.customer_no),
        )
        .where(*there, SyncMember.state != "pending")
        .order_by(SyncMember.email_hash)
        .execution_options(yield_per=ROWS_PER_READ)
    )
    for email_hash, erased in rows:
        if bytes.fromhex(email_hash[:DIGEST_HEX]) not in seen:
            plan.remove.append(email_hash)
            if erased:
                plan.erased.append(email_hash)


def _why_not(row: Any, suppressed: set[str]) -> str:
    if row is None:
        return "unknown_customer"
    checks = (
        ("merged", row.merged_into is not None),
        ("erased", row.erased_at is not None),
        ("no_address", row.email_hash is None),
        ("invalid_address", not row.email_valid),
        ("suppressed", row.email_hash in suppressed),
    )
    return next((code for code, holds in checks if holds), "")


def _put(reasons: dict[Reason, BitMap], code: str, message: str, number: int) -> None:
    reasons.setdefault((code, message), BitMap()).add(number)


def _customers(ctx: ShopContext, numbers: Sequence[int]) -> Any:
    mine = (Customer.shop_id == ctx.shop_id, Customer.customer_no.in_(numbers))
    return select(Customer).where(*mine).order_by(Customer.customer_no)


def _customer_columns(ctx: ShopContext, numbers: Sequence[int]) -> Any:
    return select(
        Customer.customer_no,
        Customer.email_hash,
        Customer.email_valid,
        Customer.email_consent,
        Customer.email_opt_in_level,
        Customer.updated_at,
        Customer.merged_into,
        Customer.erased_at,
    ).where(Customer.shop_id == ctx.shop_id, Customer.customer_no.in_(numbers))


def _remembered_columns(ctx: ShopContext, sync: Sync, hashes: Sequence[str]) -> Any:
    return select(
        SyncMember.email_hash,
        SyncMember.state,
        SyncMember.at_vendor,
        SyncMember.payload_hash,
        SyncMember.consent,
        SyncMember.version,
        SyncMember.action,
        SyncMember.changed_at,
        SyncMember.code,
        SyncMember.message,
    ).where(*_of(ctx, sync), SyncMember.email_hash.in_(hashes))


def _of(ctx: ShopContext, sync: Sync) -> tuple[Any, Any]:
    return (SyncMember.shop_id == ctx.shop_id, SyncMember.sync_id == sync.id)
