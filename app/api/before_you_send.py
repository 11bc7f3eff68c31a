"""Before you send: what a campaign would have done in the past, and what it will do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import ErrorAnswer, current_shop, rooms
from app.api.models.before_you_send import CampaignLookBack, Simulation, SimulationRequest
from app.api.models.campaigns import CampaignPath  # noqa: TC001 - the framework reads it at run time
from app.services.before_you_send import look_back
from app.services.simulate import WhatIf, look_ahead

if TYPE_CHECKING:
    from pydantic import BaseModel

bp = APIBlueprint(
    "before_you_send",
    __name__,
    url_prefix="/api/campaigns",
    abp_tags=[Tag(name="campaigns")],
    abp_responses={404: ErrorAnswer, 409: ErrorAnswer, 422: ErrorAnswer},
)


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), mimetype="application/json")


@bp.get("/<campaign_id>/before-you-send", responses={200: CampaignLookBack})
def get_look_back(path: CampaignPath) -> Response:
    """Had the campaign been active for the last twelve months: whom it would have targeted, and what they bought."""
    return _json(CampaignLookBack.model_validate(look_back(rooms(), current_shop(), path.campaign_id)))


@bp.post("/<campaign_id>/simulation", responses={200: Simulation, 503: ErrorAnswer})
def simulate_campaign(path: CampaignPath, body: SimulationRequest) -> Response:
    """What the campaign will do in the next days beside all active ones, with other settings if some are given."""
    found = look_ahead(rooms(), current_shop(), path.campaign_id, WhatIf(**body.model_dump()))
    return _json(Simulation.model_validate(found))
