"""Recomputing the send ledger: whether the chain is whole, and everybody had a week between two mails."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.store import cap, ledger

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.services.rooms import Rooms


def verify_cap(rooms: Rooms, ctx: ShopContext) -> ledger.Verdict:
    """Read a shop's whole chain beside its outbox, and say what holds and what does not. Changes nothing."""
    with rooms.store.reading(ctx) as session:
        end = ledger.head(session, ctx)
        taken_back = ledger.taken_back(session, ctx)
        verdict = ledger.verify(ctx.shop_id, ledger.entries(session, ctx), end, cap.WINDOW, taken_back)
        return replace(verdict, broken=verdict.broken + ledger.missing(session, ctx))


def in_words(length_seconds: float) -> str:
    """A duration as days, hours and minutes: `7 d 1 h 3 min`."""
    minutes = int(length_seconds // 60)
    return f"{minutes // 1440} d {minutes // 60 % 24} h {minutes % 60} min"
