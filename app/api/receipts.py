"""Promises and receipts over HTTP."""

from __future__ import annotations

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from app.api.common import current_shop, rooms
from app.api.models import receipts as models
from app.api.models import segments as segment_models
from app.services import receipts_views, segments

bp = APIBlueprint(
    "receipts",
    __name__,
    url_prefix="/api",
    abp_tags=[Tag(name="receipts", description="What was promised of product segments, and what came")],
)


@bp.get("/receipts", responses={200: models.ShopReceipts})
def of_shop() -> dict[str, Any]:
    """All receipts of the shop: how often the interval held, expected against actual by month."""
    found = receipts_views.of_shop(rooms(), current_shop())
    return models.ShopReceipts.model_validate(found).model_dump(mode="json")


@bp.get("/segments/<string:segment_id>/receipts", responses={200: models.SegmentReceipts})
def of_segment(path: segment_models.SegmentPath) -> dict[str, Any]:
    """One segment's promises and receipts, oldest first; none for a segment that is not about a product."""
    found = receipts_views.of_segment(rooms(), current_shop(), segments.number(path.segment_id))
    return models.SegmentReceipts.model_validate(found).model_dump(mode="json")
