"""The discount of a campaign: what Encore may give, a check of the merchant's code, what it cost and brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import ErrorAnswer, current_shop, rooms
from app.api.models.campaigns import CampaignPath  # noqa: TC001 - the framework reads the annotations at run time
from app.api.models.discounts import (
    CodeCheck,
    CodeCheckRequest,
    CodeCreate,
    DiscountFigures,
    DiscountPlanPatch,
    DiscountStanding,
)
from app.services import discount_figures, discount_plans

if TYPE_CHECKING:
    from pydantic import BaseModel

bp = APIBlueprint(
    "discounts",
    __name__,
    url_prefix="/api/campaigns",
    abp_tags=[Tag(name="discounts")],
    abp_responses={404: ErrorAnswer, 409: ErrorAnswer, 422: ErrorAnswer, 503: ErrorAnswer},
)


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), mimetype="application/json")


def _standing(campaign_id: str) -> Response:
    found = discount_plans.standing(rooms(), current_shop(), campaign_id)
    return _json(DiscountStanding.model_validate(found))


@bp.get("/<campaign_id>/discount", responses={200: DiscountStanding})
def discount(path: CampaignPath) -> Response:
    """What Encore may give away in a campaign, and how it stands."""
    return _standing(path.campaign_id)


@bp.patch("/<campaign_id>/discount", responses={200: DiscountStanding})
def change_discount(path: CampaignPath, body: DiscountPlanPatch) -> Response:
    """Save what is given, even if unfinished in a draft; promises nobody has seen are drawn anew."""
    discount_plans.save(rooms(), current_shop(), path.campaign_id, body.model_dump(exclude_none=True))
    return _standing(path.campaign_id)


@bp.post("/<campaign_id>/discount/check", responses={200: CodeCheck})
def check_code(path: CampaignPath, body: CodeCheckRequest) -> Response:
    """Ask Shopify whether a code exists, works now, and works for the campaign's product."""
    found = discount_plans.check_code(rooms(), current_shop(), path.campaign_id, body.code)
    return _json(CodeCheck.model_validate(found))


@bp.post("/<campaign_id>/discount/code", responses={200: DiscountStanding})
def create_code(path: CampaignPath, body: CodeCreate) -> Response:
    """Make one code for everyone in Shopify and use it in the campaign."""
    discount_plans.create_code(rooms(), current_shop(), path.campaign_id, **body.model_dump())
    return _standing(path.campaign_id)


@bp.get("/<campaign_id>/discount/figures", responses={200: DiscountFigures})
def figures(path: CampaignPath) -> Response:
    """What discounts cost and brought, measured against customers who got none by chance."""
    found = discount_figures.figures(rooms(), current_shop(), path.campaign_id)
    return _json(DiscountFigures.model_validate(found))
