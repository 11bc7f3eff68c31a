"""The OpenAPI document, without a shop, a store or settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from app.api.app import create_app

if TYPE_CHECKING:
    from app.services.rooms import Rooms


def document() -> dict[str, Any]:
    """The whole document; the routes are registered but nothing is asked of them."""
    app = create_app(cast("Rooms", None), lambda: None, [])
    found: dict[str, Any] = app.api_doc
    return found
