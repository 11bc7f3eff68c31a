"""Settings: how the shop's messages look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import ErrorAnswer, current_shop, rooms
from app.api.models.brand import BrandPatch, BrandSettings
from app.services import brand

if TYPE_CHECKING:
    from app.domain.brand import Brand

bp = APIBlueprint(
    "brand",
    __name__,
    url_prefix="/api/settings",
    abp_tags=[Tag(name="settings")],
    abp_responses={422: ErrorAnswer},
)


def _answer(found: Brand) -> Response:
    return Response(BrandSettings.model_validate(found).model_dump_json(), mimetype="application/json")


@bp.get("/brand", responses={200: BrandSettings})
def brand_settings() -> Response:
    """The colours and the logo of the shop's messages."""
    return _answer(brand.settings(rooms(), current_shop()))


@bp.patch("/brand", responses={200: BrandSettings})
def change_brand(body: BrandPatch) -> Response:
    """Change colours or logo; messages look so from the next on."""
    return _answer(brand.change(rooms(), current_shop(), body.model_dump(exclude_none=True)))
