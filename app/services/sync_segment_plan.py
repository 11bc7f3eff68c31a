"""What a sync has to do: the members of a segment now, against what the vendor was sent before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyroaring import BitMap
from sqlalchemy import func, select

from app.store.crypto import CannotUnseal, customer_subject
from app.store.models.connections import SyncMember
from app.store.models.customers import Customer, Suppression
from connectors.base import Member

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.store.models.connections import Sync
    from connectors.base import AudienceDestination, Consent

ROWS_PER_READ = 5000
ASK_ABOVE_SHARE = 0.30
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

    remove: address hashes of rows at the vendor that no member stands for any more.
    refresh: rows whose customer changed in nothing that the vendor gets: (hash, version), to remember.
    """

    queried: int
    add: BitMap = field(default_factory=BitMap)
    update: BitMap = field(default_factory=BitMap)
    unchanged: BitMap = field(default_factory=BitMap)
    in_progress: BitMap = field(default_factory=BitMap)
    skipped: dict[Reason, BitMap] = field(default_factory=dict)
    failed: dict[Reason, BitMap] = field(default_factory=dict)
    remove: list[str] = field(default_factory=list)
    refresh: list[tuple[str, str]] = field(default_factory=list)
    at_vendor: int = 0

    @property
    def needs_approval(self) -> bool:
        """Whether it would take off more than 30% of what is there, or all."""
        gone = len(self.remove)
        return gone > 0 and (gone > ASK_ABOVE_SHARE * self.at_vendor or gone >= self.at_vendor)

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
    plan = Plan(queried=len(members))
    seen: set[bytes] = set()
    for numbers in batches(members):
        with rooms.store.reading(ctx) as session:
            _plan_batch(rooms, ctx, session, sync, numbers, destination, plan, seen)
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


def consent_of(row: Customer) -> Consent:
    """Consent to e-mail marketing in the three steps that vendors tell apart."""
    if row.email_consent != "SUBSCRIBED":
        return "none"
    return "confirmed" if row.email_opt_in_level == "CONFIRMED_OPT_IN" else "single"


def _plan_batch(
    rooms: Rooms,
    ctx: ShopContext,
    session: Session,
    sync: Sync,
    numbers: list[int],
    destination: AudienceDestination,
    plan: Plan,
    seen: set[bytes],
) -> None:
    rows = {row.customer_no: row for row in session.scalars(_customers(ctx, numbers))}
    hashes = [row.email_hash for row in rows.values() if row.email_hash]
    query = select(Suppression.email_hash).where(Suppression.shop_id == ctx.shop_id, Suppression.email_hash.in_(hashes))
    suppressed = set(session.scalars(query))
    remembered_query = select(SyncMember).where(*_of(ctx, sync), SyncMember.email_hash.in_(hashes))
    remembered = {row.email_hash: row for row in session.scalars(remembered_query)}
    for number in numbers:
        row = rows.get(number)
        code = _why_not(row, suppressed)
        if row is None or row.email_hash is None or code:
            _put(plan.skipped, code, REASONS[code], number)
            continue
        digest = bytes.fromhex(row.email_hash[:DIGEST_HEX])
        if digest in seen:
            _put(plan.skipped, "duplicate_address", REASONS["duplicate_address"], number)
            continue
        seen.add(digest)
        _compare(rooms, ctx, row, remembered.get(row.email_hash), destination, plan)


def _compare(
    rooms: Rooms,
    ctx: ShopContext,
    row: Customer,
    remembered: SyncMember | None,
    destination: AudienceDestination,
    plan: Plan,
) -> None:
    number = row.customer_no
    if remembered is None or remembered.state == "absent":
        plan.add.add(number)
        return
    if remembered.state == "pending":
        plan.in_progress.add(number)
        return
    if not _changed(rooms, ctx, row, remembered, destination, plan):
        reason = (remembered.code, remembered.message)
        if remembered.state == "present":
            plan.unchanged.add(number)
        else:
            _put(plan.skipped if remembered.state == "skipped" else plan.failed, *reason, number)
    elif remembered.at_vendor:
        plan.update.add(number)
    else:
        plan.add.add(number)


def _changed(
    rooms: Rooms,
    ctx: ShopContext,
    row: Customer,
    remembered: SyncMember,
    destination: AudienceDestination,
    plan: Plan,
) -> bool:
    """Whether there is anything new to send. The contact is opened only if the customer's row changed."""
    if remembered.state != "present" and remembered.consent != consent_of(row):
        return True
    if remembered.version == row.updated_at.isoformat() and remembered.payload_hash:
        return False
    contact = open_contact(rooms, ctx, row, destination)
    if contact is None or contact.payload_hash != remembered.payload_hash:
        return True
    plan.refresh.append((remembered.email_hash, contact.version))
    return False


def _plan_removals(session: Session, ctx: ShopContext, sync: Sync, plan: Plan, seen: set[bytes]) -> None:
    there = (*_of(ctx, sync), SyncMember.at_vendor)
    plan.at_vendor = session.scalar(select(func.count()).select_from(SyncMember).where(*there)) or 0
    # A pending row is waited for first: the vendor may be putting it there this moment.
    rows = session.scalars(
        select(SyncMember.email_hash)
        .where(*there, SyncMember.state != "pending")
        .order_by(SyncMember.email_hash)
        .execution_options(yield_per=ROWS_PER_READ)
    )
    plan.remove = [row for row in rows if bytes.fromhex(row[:DIGEST_HEX]) not in seen]


def _why_not(row: Customer | None, suppressed: set[str]) -> str:
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


def _of(ctx: ShopContext, sync: Sync) -> tuple[Any, Any]:
    return (SyncMember.shop_id == ctx.shop_id, SyncMember.sync_id == sync.id)
