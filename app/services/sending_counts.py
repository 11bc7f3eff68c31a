"""Where a campaign's messages stand, in one sum that always adds up.

Every message is a row in exactly one state, so planned = queued + sending + sent + failed + unknown + capped +
cancelled + held out. Whoever shows such counts takes them from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from app.store.models.sending import MESSAGE_STATES, Message

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext


def counts(session: Session, ctx: ShopContext, campaigns: Collection[int] | None = None) -> dict[int, dict[str, int]]:
    """Campaign number → `planned` and one count per state; a campaign without messages has zeros if it is named."""
    query = select(Message.campaign_id, Message.state, func.count()).where(Message.shop_id == ctx.shop_id)
    if campaigns is not None:
        query = query.where(Message.campaign_id.in_(list(campaigns)))
    found = {number: _nothing() for number in campaigns or ()}
    for number, state, count in session.execute(query.group_by(Message.campaign_id, Message.state)):
        mine = found.setdefault(number, _nothing())
        mine[state] = count
        mine["planned"] += count
    return found


def _nothing() -> dict[str, int]:
    return dict.fromkeys(("planned", *MESSAGE_STATES), 0)
