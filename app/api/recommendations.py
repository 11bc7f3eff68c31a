"""Recommendations: campaigns worth starting."""

from __future__ import annotations

from flask.typing import ResponseReturnValue  # noqa: TC002 - resolved at runtime
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import ErrorAnswer, current_shop, rooms
from app.api.models.recommendations import RecommendationList, RecommendationPath, RecommendationsQuery
from app.services import recommendations

bp = APIBlueprint(
    "recommendations",
    __name__,
    url_prefix="/api/recommendations",
    abp_tags=[Tag(name="recommendations")],
    abp_responses={404: ErrorAnswer, 422: ErrorAnswer},
)


@bp.get("", responses={200: RecommendationList})
def list_recommendations(query: RecommendationsQuery) -> ResponseReturnValue:
    """Best first; dismissed ones and those with an active campaign are left out."""
    found = recommendations.listing(rooms(), current_shop(), query.segment_id)
    return RecommendationList.model_validate({"items": found}).model_dump(mode="json")


@bp.post("/<recommendation_id>/dismiss", responses={204: None})
def dismiss(path: RecommendationPath) -> ResponseReturnValue:
    """Hide a recommendation everywhere for 30 days."""
    recommendations.dismiss(rooms(), current_shop(), path.recommendation_id)
    return "", 204
