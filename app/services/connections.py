"""A merchant's accounts at Klaviyo and Mailchimp: connect, check, disconnect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.services.rooms import Rooms


def tiles(rooms: Rooms, ctx: ShopContext) -> dict[str, Any]:
    """Every vendor as a tile."""
    raise NotImplementedError


def connect(rooms: Rooms, ctx: ShopContext, vendor: str, api_key: str) -> dict[str, Any]:
    """Check a key at the vendor and keep it sealed."""
    raise NotImplementedError


def disconnect(rooms: Rooms, ctx: ShopContext, connection_id: str) -> str:
    """Forget a connection; answers what was left alone."""
    raise NotImplementedError


def check(rooms: Rooms, ctx: ShopContext, connection_id: str) -> dict[str, Any]:
    """Ask the vendor whether the key works."""
    raise NotImplementedError


def targets(rooms: Rooms, ctx: ShopContext, connection_id: str) -> dict[str, Any]:
    """What exists at the vendor."""
    raise NotImplementedError
