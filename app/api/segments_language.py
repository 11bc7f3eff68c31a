"""Shopify's segment language over HTTP: paste a segment, copy a rule."""

from __future__ import annotations

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from app.api.common import current_shop, rooms
from app.api.models import segments_language as models
from app.services import segments_language

bp = APIBlueprint(
    "segments_language",
    __name__,
    url_prefix="/api/segments/shopify",
    abp_tags=[Tag(name="segments", description="Groups of customers: automatic, by rules, by upload")],
)
Json = dict[str, Any]


@bp.post("/import", responses={200: models.ImportedSegment})
def import_segment(body: models.ImportBody) -> Json:
    """A pasted segment query as a rule, with what could not be carried over. Nothing is saved. 422 for other text."""
    found = segments_language.import_segment(rooms(), current_shop(), body.query)
    return models.ImportedSegment.model_validate(found).model_dump(mode="json")


@bp.post("/export", responses={200: models.ExportedSegment})
def export_segment(body: models.ExportBody) -> Json:
    """A rule as a segment query, with what could not be carried over. 422 for a rule that is not valid."""
    found = segments_language.export_segment(rooms(), current_shop(), body.rule, body.spelling)
    return models.ExportedSegment.model_validate(found).model_dump(mode="json")
