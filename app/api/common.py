"""What every blueprint uses: the rooms, the shop of the request, the error shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import Response, current_app, g
from pydantic import BaseModel

from app.errors import NotAuthorised

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

ROOMS = "encore_rooms"
CSV = "text/csv; charset=utf-8"


class ErrorDetail(BaseModel):
    """What went wrong, in words for the merchant."""

    code: str
    message: str
    field: str | None = None


class ErrorAnswer(BaseModel):
    """The one shape of every error."""

    error: ErrorDetail


def rooms() -> Rooms:
    """The rooms of this application."""
    return cast("Rooms", current_app.extensions[ROOMS])


def current_shop() -> ShopContext:
    """The shop named by the verified session token of this request. Raises NotAuthorised."""
    ctx = getattr(g, "shop", None)
    if ctx is None:
        raise NotAuthorised("Open Encore from your Shopify admin.")
    return cast("ShopContext", ctx)


def csv_answer(filename: str, lines: Iterable[bytes]) -> Response:
    """A CSV file to save, streamed."""
    headers = {"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "no-store"}
    return Response(lines, mimetype="text/csv", content_type=CSV, headers=headers)
