"""Figures of segments that are worked out when asked for: overlap, affinity, trend, gaps."""

from __future__ import annotations

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from app.api.common import current_shop, rooms
from app.api.models import segment_figures as models
from app.api.models import segments as segment_models
from app.services import segments, segments_affinity, segments_gaps, segments_overlap, segments_trend

bp = APIBlueprint(
    "segment_figures",
    __name__,
    url_prefix="/api/segments",
    abp_tags=[Tag(name="segments", description="Groups of customers: automatic, by rules, by upload")],
)
Json = dict[str, Any]


@bp.get("/overlap", responses={200: models.Overlap})
def overlap(query: models.OverlapQuery) -> Json:
    """How two or three segments overlap. 422 for another number, 404 for one that is not there."""
    chosen = [segments.number(one) for one in query.ids.split(",")]
    found = segments_overlap.overlap(rooms(), current_shop(), chosen)
    return models.Overlap.model_validate(found).model_dump(mode="json")


@bp.get("/<string:segment_id>/affinity", responses={200: models.Affinity})
def affinity(path: segment_models.SegmentPath) -> Json:
    """The products that members buy more than customers do. 503 before the first analysis."""
    found = segments_affinity.affinity(rooms(), current_shop(), segments.number(path.segment_id))
    return models.Affinity.model_validate(found).model_dump(mode="json")


@bp.get("/<string:segment_id>/trend", responses={200: models.Trend})
def trend(path: segment_models.SegmentPath) -> Json:
    """Size, entries and exits by store day, last 90 days."""
    found = segments_trend.trend(rooms(), current_shop(), segments.number(path.segment_id))
    return models.Trend.model_validate(found).model_dump(mode="json")


@bp.get("/<string:segment_id>/gaps", responses={200: models.Gaps})
def gaps(path: segment_models.SegmentPath) -> Json:
    """Days between the members' purchases of the segment's product or type, else between orders."""
    found = segments_gaps.gaps(rooms(), current_shop(), segments.number(path.segment_id))
    return models.Gaps.model_validate(found).model_dump(mode="json")
