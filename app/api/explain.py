"""Explanations and pins of a segment over HTTP."""

from __future__ import annotations

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from app.api.common import current_shop, rooms
from app.api.models import explain as models
from app.api.models.segments import SegmentDetails, SegmentPath
from app.services import segment_details, segments, segments_explain, segments_pins_views

bp = APIBlueprint(
    "explain",
    __name__,
    url_prefix="/api/segments",
    abp_tags=[Tag(name="explain", description="Why a customer is in a segment or is not; pinned customers")],
)
Json = dict[str, Any]


@bp.get("/<string:segment_id>/explain/<int:customer_no>", responses={200: models.Explanation})
def explain(path: models.CustomerOfSegment) -> Json:
    """Why in, why not, the nearest change that would flip it, and when it flips if nothing happens."""
    found = segments_explain.explain(rooms(), current_shop(), segments.number(path.segment_id), path.customer_no)
    return models.Explanation.model_validate(found).model_dump(mode="json")


@bp.get("/<string:segment_id>/pins", responses={200: models.PinList})
def pins(path: SegmentPath) -> Json:
    """Who is pinned in or out, newest first."""
    found = segments_pins_views.listing(rooms(), current_shop(), segments.number(path.segment_id))
    return models.PinList.model_validate({"items": found}).model_dump(mode="json")


@bp.put("/<string:segment_id>/pins/<int:customer_no>", responses={200: SegmentDetails})
def pin(path: models.CustomerOfSegment, body: models.NewPin) -> Json:
    """Pin a customer in or out, whatever the rule says. 409: an automatic segment or an uploaded list."""
    number = segments.number(path.segment_id)
    segments_pins_views.pin(rooms(), current_shop(), number, path.customer_no, body.kind, body.note)
    return _details(number)


@bp.delete("/<string:segment_id>/pins/<int:customer_no>", responses={200: SegmentDetails})
def unpin(path: models.CustomerOfSegment) -> Json:
    """Leave a customer to the rule again."""
    number = segments.number(path.segment_id)
    segments_pins_views.unpin(rooms(), current_shop(), number, path.customer_no)
    return _details(number)


def _details(number: int) -> Json:
    found = segment_details.details(rooms(), current_shop(), number)
    return SegmentDetails.model_validate(found, from_attributes=True).model_dump(mode="json")
