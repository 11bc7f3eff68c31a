"""Recomputing the send ledger: whether the chain is whole, and everybody had a week between two mails.

The certificate holds all that this takes, so that anybody can do it again without Encore: keyed hashes of
customers and addresses, instants, and the hash of every entry over its content and the entry before it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from app.services import sending_lock
from app.store import cap, ledger
from app.store.models.sending import SendingEpoch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.store.models.sending import LedgerEntry

FORMAT = "encore-send-ledger/1"
CHECKER = Path(__file__).resolve().parents[2] / "tools" / "check_certificate.py"
NAMED = 20  # findings that a summary spells out; the command says all


@dataclass(frozen=True)
class Proof:
    """What holds of a shop's weekly cap, as of an instant.

    shortest_gap_seconds, shortest_gap: between two mails to one customer or address; null: nobody got two.
    findings: what does not hold, in words, at most `NAMED` of `finding_count`.
    locked:   why nothing is sent at the moment; null if sending goes on.
    """

    as_of: datetime
    holds: bool
    chain_whole: bool
    mails: int
    entries: int
    shortest_gap_seconds: float | None
    shortest_gap: str | None
    findings: list[str]
    finding_count: int
    locked: str | None


def verify_cap(rooms: Rooms, ctx: ShopContext) -> ledger.Verdict:
    """Read a shop's whole chain beside its outbox, and say what holds and what does not. Changes nothing."""
    with rooms.store.reading(ctx) as session:
        end = ledger.head(session, ctx)
        taken_back = ledger.taken_back(session, ctx)
        verdict = ledger.verify(ctx.shop_id, ledger.entries(session, ctx), end, cap.WINDOW, taken_back)
        return replace(verdict, broken=verdict.broken + ledger.missing(session, ctx))


def proof(rooms: Rooms, ctx: ShopContext) -> Proof:
    """The verdict as a merchant reads it. Reads the whole chain: seconds for a million entries."""
    verdict = verify_cap(rooms, ctx)
    found = verdict.broken + [too_short(gap) for gap in verdict.too_short]
    seconds = verdict.shortest.length.total_seconds() if verdict.shortest else None
    return Proof(
        as_of=rooms.clock.now(),
        holds=not found,
        chain_whole=not verdict.broken,
        mails=verdict.mails,
        entries=verdict.entries,
        shortest_gap_seconds=seconds,
        shortest_gap=None if seconds is None else in_words(seconds),
        findings=found[:NAMED],
        finding_count=len(found),
        locked=sending_lock.why(rooms, ctx),
    )


def certificate(rooms: Rooms, ctx: ShopContext) -> Iterator[bytes]:
    """A shop's chain as one JSON document, an entry a line, so that it is read as it is written: in slices.

    taken_back: the numbers of entries whose hand-over the mail server surely did not accept, as the outbox
                wrote down; they count as no mail.
    """
    with rooms.store.reading(ctx) as session:
        yield _opening(rooms, session, ctx)
        separator = b"\n"
        for entry in ledger.entries(session, ctx):
            yield separator + json.dumps(_entry(entry), separators=(",", ":")).encode()
            separator = b",\n"
            session.expunge(entry)
        yield b"\n]}\n"


def _opening(rooms: Rooms, session: Session, ctx: ShopContext) -> bytes:
    end = ledger.head(session, ctx)
    epoch = session.scalar(select(SendingEpoch).where(SendingEpoch.shop_id == ctx.shop_id))
    unlocked = None
    if epoch is not None and epoch.unlocked_at is not None:
        unlocked = {"at": epoch.unlocked_at.isoformat(), "how": epoch.unlocked_how}
    about: dict[str, Any] = {
        "format": FORMAT,
        "shop": ctx.domain,
        "shop_id": ctx.shop_id,
        "as_of": rooms.clock.now().isoformat(),
        "window_seconds": int(cap.WINDOW.total_seconds()),
        "end": {"seq": end.seq if end else 0, "hash": end.hash if end else ledger.GENESIS},
        # A store that was restored may lack hand-overs from before; whoever reads the certificate should know.
        "unlocked": unlocked,
        "taken_back": sorted(ledger.taken_back(session, ctx)),
    }
    return json.dumps(about)[:-1].encode() + b', "entries": ['


def _entry(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "stamped_at": entry.stamped_at.isoformat(timespec="microseconds"),
        "customer_hash": entry.customer_hash,
        "email_hash": entry.email_hash,
        "message_id": entry.message_id,
        "kind": entry.kind,
        "prev_hash": entry.prev_hash,
        "hash": entry.hash,
    }


def write_certificate(rooms: Rooms, ctx: ShopContext, file: Path) -> None:
    """Write the certificate into a file, whole or not at all."""
    made = file.with_name(f"{file.name}.part")
    with made.open("wb") as out:
        out.writelines(certificate(rooms, ctx))
    made.replace(file)


def too_short(gap: ledger.Gap) -> str:
    """Two mails that lie too close, named."""
    return (
        f"entries {gap.first_seq} and {gap.second_seq} went to one person ({gap.key[:14]}...) "
        f"{in_words(gap.length.total_seconds())} apart"
    )


def in_words(length_seconds: float) -> str:
    """A duration as days, hours and minutes: `7 d 1 h 3 min`."""
    minutes = int(length_seconds // 60)
    return f"{minutes // 1440} d {minutes // 60 % 24} h {minutes % 60} min"
