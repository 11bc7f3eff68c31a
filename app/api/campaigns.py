"""Campaigns: drafts, activation, preview, test messages, the decision diary."""

from __future__ import annotations

from flask.typing import ResponseReturnValue  # noqa: TC002 - resolved at runtime
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
    Preflight,
    Preview,
    PreviewRequest,
    TestRequest,
    TestResult,
)
from app.services import campaigns, campaigns_views, preview

bp = APIBlueprint(
    "campaigns",
    __name__,
    url_prefix="/api/campaigns",
    abp_tags=[Tag(name="campaigns")],
    abp_responses={404: ErrorAnswer, 409: ErrorAnswer, 422: ErrorAnswer},
)


def _answer(campaign_id: str) -> dict[str, object]:
    view = campaigns_views.one(rooms(), current_shop(), campaign_id)
    return Campaign.model_validate(view).model_dump(mode="json")


@bp.get("", responses={200: CampaignList})
def list_campaigns() -> ResponseReturnValue:
    """The shop's campaigns, newest first, with counts that add up."""
    views = campaigns_views.listing(rooms(), current_shop())
    return CampaignList.model_validate({"items": views}).model_dump(mode="json")


@bp.post("", responses={201: Campaign})
def create_campaign(body: CampaignCreate) -> ResponseReturnValue:
    """Start a draft: empty, or prefilled from a recommendation or a segment."""
    made = campaigns.create(
        rooms(), current_shop(), recommendation_id=body.recommendation_id, segment_id=body.segment_id
    )
    return _answer(made), 201


@bp.get("/<campaign_id>", responses={200: Campaign})
def get_campaign(path: CampaignPath) -> ResponseReturnValue:
    """One campaign with everything that the wizard edits."""
    return _answer(path.campaign_id)


@bp.patch("/<campaign_id>", responses={200: Campaign})
def change_campaign(path: CampaignPath, body: CampaignPatch) -> ResponseReturnValue:
    """Save what is given, even if unfinished; the answer lists what is still unresolved."""
    campaigns.change(rooms(), current_shop(), path.campaign_id, body.model_dump(exclude_unset=True))
    return _answer(path.campaign_id)


@bp.delete("/<campaign_id>", responses={204: None})
def delete_campaign(path: CampaignPath) -> ResponseReturnValue:
    """Stop and hide a campaign; its messages and decisions stay in the history."""
    campaigns.delete(rooms(), current_shop(), path.campaign_id)
    return "", 204


@bp.get("/<campaign_id>/preflight", responses={200: Preflight})
def preflight(path: CampaignPath) -> ResponseReturnValue:
    """What activation would do now: what is unresolved, and exactly how many customers are eligible."""
    found = campaigns_views.preflight(rooms(), current_shop(), path.campaign_id)
    return Preflight.model_validate(found).model_dump(mode="json")


@bp.post("/<campaign_id>/activate", responses={200: Campaign})
def activate(path: CampaignPath) -> ResponseReturnValue:
    """Let the campaign send by itself. Activating an active campaign changes nothing."""
    campaigns.activate(rooms(), current_shop(), path.campaign_id)
    return _answer(path.campaign_id)


@bp.post("/<campaign_id>/pause", responses={200: Campaign})
def pause(path: CampaignPath) -> ResponseReturnValue:
    """Stop new hand-overs at once."""
    campaigns.pause(rooms(), current_shop(), path.campaign_id)
    return _answer(path.campaign_id)


@bp.post("/<campaign_id>/resume", responses={200: Campaign})
def resume(path: CampaignPath) -> ResponseReturnValue:
    """Go on after a pause; nothing that was handed over is repeated."""
    campaigns.resume(rooms(), current_shop(), path.campaign_id)
    return _answer(path.campaign_id)


@bp.post("/<campaign_id>/test", responses={200: TestResult, 429: ErrorAnswer})
def send_test(path: CampaignPath, body: TestRequest) -> ResponseReturnValue:
    """Mail a test to 1 to 10 addresses; it counts nowhere."""
    outcomes = preview.send_test(rooms(), current_shop(), path.campaign_id, body.addresses, body.customer_no)
    return TestResult.model_validate({"items": outcomes}).model_dump(mode="json")


@bp.post("/<campaign_id>/preview", responses={200: Preview})
def preview_campaign(path: CampaignPath, body: PreviewRequest) -> ResponseReturnValue:
    """The message that one member would get, from the renderer that sends."""
    shown = preview.preview(rooms(), current_shop(), path.campaign_id, body.customer_no)
    return Preview.model_validate(shown).model_dump(mode="json")


@bp.get("/<campaign_id>/decisions", responses={200: DecisionList})
def list_decisions(path: CampaignPath, query: DecisionsQuery) -> ResponseReturnValue:
    """Who was mailed or not, and why; newest first."""
    page = campaigns_views.decisions(rooms(), current_shop(), path.campaign_id, **query.model_dump())
    return DecisionList.model_validate(page).model_dump(mode="json")
