"""Why a campaign's messages wait, and until when."""

from __future__ import annotations

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import ErrorAnswer, current_shop, rooms
from app.api.models.campaigns import CampaignPath  # noqa: TC001 - the blueprint reads annotations at run time
from app.api.models.waiting_messages import WaitingMessages
from app.services import waiting_messages

bp = APIBlueprint(
    "waiting_messages",
    __name__,
    url_prefix="/api/campaigns",
    abp_tags=[Tag(name="campaigns")],
    abp_responses={404: ErrorAnswer},
)


@bp.get("/<campaign_id>/waiting", responses={200: WaitingMessages})
def waiting(path: CampaignPath) -> Response:
    """What the messages in line wait for: every one of them in one group."""
    found = waiting_messages.waiting(rooms(), current_shop(), path.campaign_id)
    return Response(WaitingMessages.model_validate(found).model_dump_json(), mimetype="application/json")
