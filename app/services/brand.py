"""How a shop's messages look: the merchant's colours and logo."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from app.domain.brand import Brand
from app.errors import Invalid
from app.store.models.brand import BrandRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

log = structlog.get_logger()
FIELDS = tuple(Brand.__dataclass_fields__)


def settings(rooms: Rooms, ctx: ShopContext) -> Brand:
    """The shop's brand; the plain one if nothing was ever chosen."""
    with rooms.store.reading(ctx) as session:
        return brand_of(session, ctx)


def change(rooms: Rooms, ctx: ShopContext, changes: dict[str, Any]) -> Brand:
    """Change what is given; messages look so from the next on. Raises Invalid naming the field."""
    with rooms.store.session(ctx) as session:
        wanted = replace(brand_of(session, ctx), **changes)
        for field, sentence in wanted.problems():
            raise Invalid(sentence, field=field)
        session.merge(BrandRow(shop_id=ctx.shop_id, updated_at=rooms.clock.now(), **vars(wanted)))
    log.info("brand_changed", shop_id=ctx.shop_id, fields=sorted(changes))
    return wanted


def brand_of(session: Session, ctx: ShopContext) -> Brand:
    """The shop's brand, within a transaction."""
    row = session.get(BrandRow, {"shop_id": ctx.shop_id})
    return Brand(**{field: getattr(row, field) for field in FIELDS}) if row else Brand()
