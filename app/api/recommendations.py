"""Recommendations: campaigns worth starting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import ErrorAnswer, current_shop, rooms
from app.api.models.recommendations import RecommendationList, RecommendationPath, RecommendationsQuery
from app.services import recommendations

if TYPE_CHECKING:
    from pydantic import BaseModel

bp = APIBlueprint(
    "recommendations",
    __name__,
    url_prefix="/api/recommendations",
    abp_tags=[Tag(name="recommendations")],
    abp_responses={404: ErrorAnswer, 422: ErrorAnswer},
)


def _json(answer: BaseModel, status: int = 200) -> Response:
    return Response(answer.model_dump_json(), status=status, mimetype="application/json")


@bp.get("", responses={200: RecommendationList})
def list_recommendations(query: RecommendationsQuery) -> Response:
    """Best first; dismissed ones and those with an active campaign are left out."""
    found = recommendations.listing(rooms(), current_shop(), query.segment_id)
    return _json(RecommendationList.model_validate(vars(found)))


@bp.post("/<recommendation_id>/dismiss", responses={204: None})
def dismiss(path: RecommendationPath) -> Response:
    """Hide a recommendation everywhere for 30 days."""
    recommendations.dismiss(rooms(), current_shop(), path.recommendation_id)
    return Response(status=204)


@bp.post("/<recommendation_id>/restore", responses={204: None})
def restore(path: RecommendationPath) -> Response:
    """Show a hidden recommendation again."""
    recommendations.restore(rooms(), current_shop(), path.recommendation_id)
    return Response(status=204)
