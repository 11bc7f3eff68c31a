"""What the merchant allowed Encore to do in Shopify. A permission that lacks switches one feature off, no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.store.models.shops import ShopToken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext


def lacking(session: Session, ctx: ShopContext, needed: Iterable[str]) -> list[str]:
    """Which of these scopes the shop's token does not have; all of them without a token."""
    token = session.get(ShopToken, ctx.shop_id)
    granted = {scope.strip() for scope in token.scopes.split(",")} if token is not None else set()
    return sorted(set(needed) - granted)
