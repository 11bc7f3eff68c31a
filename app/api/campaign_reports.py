"""What campaigns added: one campaign's report, the results of all, the shop's own holdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import ErrorAnswer, current_shop, rooms
from app.api.models.campaign_reports import CampaignReport, CampaignResults, ShopHoldout, ShopHoldoutPatch
from app.api.models.campaigns import CampaignPath  # noqa: TC001 - the blueprint reads annotations at run time
from app.services import campaign_reports, holdouts

if TYPE_CHECKING:
    from pydantic import BaseModel

bp = APIBlueprint(
    "campaign_reports",
    __name__,
    url_prefix="/api",
    abp_tags=[Tag(name="campaigns")],
    abp_responses={404: ErrorAnswer, 422: ErrorAnswer},
)


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), mimetype="application/json")


@bp.get("/campaigns/<campaign_id>/report", responses={200: CampaignReport})
def campaign_report(path: CampaignPath) -> Response:
    """What a campaign added, what followed it, and where its messages stand."""
    return _json(CampaignReport.model_validate(campaign_reports.report(rooms(), current_shop(), path.campaign_id)))


@bp.post("/campaign-results/refresh", responses={202: None})
def measure_again() -> tuple[str, int]:
    """Measure all campaigns again, in the background; asked twice it runs once."""
    campaign_reports.recompute(rooms(), current_shop())
    return "", 202


@bp.get("/campaign-results", responses={200: CampaignResults})
def campaign_results() -> Response:
    """What the list of campaigns shows beside each, and sends per day."""
    return _json(CampaignResults.model_validate(campaign_reports.results(rooms(), current_shop())))


@bp.get("/settings/holdout", responses={200: ShopHoldout})
def shop_holdout() -> Response:
    """How many customers no campaign mails."""
    return _json(ShopHoldout.model_validate(holdouts.shop_setting(rooms(), current_shop())))


@bp.patch("/settings/holdout", responses={200: ShopHoldout})
def change_shop_holdout(body: ShopHoldoutPatch) -> Response:
    """Change it from the next decision on."""
    holdouts.set_shop_percent(rooms(), current_shop(), body.percent)
    return _json(ShopHoldout.model_validate(holdouts.shop_setting(rooms(), current_shop())))
