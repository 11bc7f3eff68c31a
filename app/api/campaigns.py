"""Campaigns: drafts, activation, preview, test messages, the decision diary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import ErrorAnswer, current_shop, rooms
from app.api.models.campaigns import (
    Campaign,
    CampaignCreate,
    CampaignList,
    CampaignPatch,
    CampaignPath,
    DecisionList,
    DecisionsQuery,
    Preview,
    PreviewRequest,
    TestRequest,
    TestResult,
)
from app.api.models.preflight import Preflight
from app.services import campaigns, campaigns_restore, campaigns_views, preview
from app.services import preflight as preflights

if TYPE_CHECKING:
    from pydantic import BaseModel

bp = APIBlueprint(
    "campaigns",
    __name__,
    url_prefix="/api/campaigns",
    abp_tags=[Tag(name="campaigns")],
    abp_responses={404: ErrorAnswer, 409: ErrorAnswer, 422: ErrorAnswer},
)


def _json(answer: BaseModel, status: int = 200) -> Response:
    return Response(answer.model_dump_json(), status=status, mimetype="application/json")


def _answer(campaign_id: str, status: int = 200) -> Response:
    view = campaigns_views.one(rooms(), current_shop(), campaign_id)
    return _json(Campaign.model_validate(view), status)


@bp.get("", responses={200: CampaignList})
def list_campaigns() -> Response:
    """The shop's campaigns, newest first, with counts that add up."""
    views = campaigns_views.listing(rooms(), current_shop())
    return _json(CampaignList.model_validate({"items": views}))


@bp.post("", responses={201: Campaign})
def create_campaign(body: CampaignCreate) -> Response:
    """Start a draft: empty, or prefilled from a recommendation or a segment."""
    made = campaigns.create(
        rooms(), current_shop(), recommendation_id=body.recommendation_id, segment_id=body.segment_id
    )
    return _answer(made, 201)


@bp.get("/<campaign_id>", responses={200: Campaign})
def get_campaign(path: CampaignPath) -> Response:
    """One campaign with everything that the wizard edits."""
    return _answer(path.campaign_id)


@bp.patch("/<campaign_id>", responses={200: Campaign})
def change_campaign(path: CampaignPath, body: CampaignPatch) -> Response:
    """Save what is given, even if unfinished; the answer lists what is still unresolved."""
    campaigns.change(rooms(), current_shop(), path.campaign_id, body.model_dump(exclude_unset=True))
    return _answer(path.campaign_id)


@bp.delete("/<campaign_id>", responses={204: None})
def delete_campaign(path: CampaignPath) -> Response:
    """Stop and hide a campaign; its messages and decisions stay in the history."""
    campaigns.delete(rooms(), current_shop(), path.campaign_id)
    return Response(status=204)


@bp.post("/<campaign_id>/restore", responses={200: Campaign})
def restore(path: CampaignPath) -> Response:
    """Take a deletion back within 30 days: the campaign is what it was, and nothing that was sent is repeated."""
    campaigns_restore.restore(rooms(), current_shop(), path.campaign_id)
    return _answer(path.campaign_id)


@bp.get("/<campaign_id>/preflight", responses={200: Preflight})
def preflight(path: CampaignPath) -> Response:
    """What activation would do now: a list of checks, and exactly how many customers would be mailed, from when on."""
    found = preflights.preflight(rooms(), current_shop(), path.campaign_id)
    return _json(Preflight.model_validate(found))


@bp.post("/<campaign_id>/activate", responses={200: Campaign})
def activate(path: CampaignPath) -> Response:
    """Let the campaign send by itself. Activating an active campaign changes nothing."""
    campaigns.activate(rooms(), current_shop(), path.campaign_id)
    return _answer(path.campaign_id)


@bp.post("/<campaign_id>/pause", responses={200: Campaign})
def pause(path: CampaignPath) -> Response:
    """Stop new hand-overs at once."""
    campaigns.pause(rooms(), current_shop(), path.campaign_id)
    return _answer(path.campaign_id)


@bp.post("/<campaign_id>/resume", responses={200: Campaign})
def resume(path: CampaignPath) -> Response:
    """Go on after a pause; nothing that was handed over is repeated."""
    campaigns.resume(rooms(), current_shop(), path.campaign_id)
    return _answer(path.campaign_id)


@bp.post("/<campaign_id>/end", responses={200: Campaign})
def end(path: CampaignPath) -> Response:
    """Stop the campaign for good; its numbers and history stay."""
    campaigns.end(rooms(), current_shop(), path.campaign_id)
    return _answer(path.campaign_id)


@bp.post("/<campaign_id>/clone", responses={201: Campaign})
def clone(path: CampaignPath) -> Response:
    """Start a draft that says the same; nothing that was sent comes along."""
    return _answer(campaigns.clone(rooms(), current_shop(), path.campaign_id), 201)


@bp.post("/<campaign_id>/test", responses={200: TestResult, 429: ErrorAnswer})
def send_test(path: CampaignPath, body: TestRequest) -> Response:
    """Mail a test to 1 to 10 addresses; it counts nowhere."""
    outcomes = preview.send_test(
        rooms(), current_shop(), path.campaign_id, body.addresses, body.customer_no, remember=body.remember
    )
    return _json(TestResult.model_validate({"items": outcomes}))


@bp.post("/<campaign_id>/preview", responses={200: Preview})
def preview_campaign(path: CampaignPath, body: PreviewRequest) -> Response:
    """The message that one member would get, from the renderer that sends."""
    shown = preview.preview(rooms(), current_shop(), path.campaign_id, body.customer_no)
    return _json(Preview.model_validate(shown))


@bp.get("/<campaign_id>/decisions", responses={200: DecisionList})
def list_decisions(path: CampaignPath, query: DecisionsQuery) -> Response:
    """Who was mailed or not, and why; newest first."""
    page = campaigns_views.decisions(rooms(), current_shop(), path.campaign_id, **query.model_dump())
    return _json(DecisionList.model_validate(page))
