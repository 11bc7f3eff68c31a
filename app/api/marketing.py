"""What Shopify's marketing pages have of a campaign."""

from __future__ import annotations

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import ErrorAnswer, current_shop, rooms
from app.api.models.campaigns import CampaignPath  # noqa: TC001 - the framework reads the annotations at run time
from app.api.models.marketing import MarketingStanding
from app.services import campaigns, marketing_activities

bp = APIBlueprint(
    "marketing",
    __name__,
    url_prefix="/api/campaigns",
    abp_tags=[Tag(name="marketing")],
    abp_responses={404: ErrorAnswer},
)


@bp.get("/<campaign_id>/marketing", responses={200: MarketingStanding})
def marketing(path: CampaignPath) -> Response:
    """What Shopify was told of a campaign; nothing yet is no failure."""
    with rooms().store.reading(current_shop()) as session:
        number = campaigns.find(session, current_shop(), path.campaign_id).id
    found = marketing_activities.standing(rooms(), current_shop(), number)
    answer = MarketingStanding.model_validate(found or marketing_activities.Standing(None, 0, None))
    return Response(answer.model_dump_json(), mimetype="application/json")
