"""Customers over HTTP: find one, and everything of one customer's page."""

from __future__ import annotations

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from app.api.common import current_shop, rooms
from app.api.models import customers as models
from app.services import customer_profile, customers

bp = APIBlueprint(
    "customers",
    __name__,
    url_prefix="/api/customers",
    abp_tags=[Tag(name="customers", description="One customer: history, segments, predictions, consent, messages")],
)
Json = dict[str, Any]


@bp.get("", responses={200: models.FoundCustomers})
def search(query: models.CustomerQuery) -> Json:
    """Customers of an exact e-mail address, Shopify id or customer number. Names are sealed and can't be searched."""
    found = customers.search(rooms(), current_shop(), query.q)
    return models.FoundCustomers.model_validate({"items": found}).model_dump(mode="json")


@bp.get("/<int:customer_no>", responses={200: models.Profile})
def profile(path: models.CustomerPath) -> Json:
    """The customer, consent, key figures and predictions. 404 says so if the customer's data was erased."""
    found = customer_profile.profile(rooms(), current_shop(), path.customer_no)
    return models.Profile.model_validate(found).model_dump(mode="json")


@bp.get("/<int:customer_no>/timeline", responses={200: models.Timeline})
def timeline(path: models.CustomerPath, query: models.TimelineQuery) -> Json:
    """Orders, consent, messages and segments entered or left, newest first."""
    found = customer_profile.timeline(rooms(), current_shop(), path.customer_no, query.cursor, query.limit)
    return models.Timeline.model_validate(found).model_dump(mode="json")


@bp.get("/<int:customer_no>/segments", responses={200: models.SegmentsOfCustomer})
def segments(path: models.CustomerPath) -> Json:
    """The segments that the customer is in, each with the reason, and those the customer is pinned out of."""
    found = customer_profile.segments(rooms(), current_shop(), path.customer_no)
    return models.SegmentsOfCustomer.model_validate({"items": found}).model_dump(mode="json")


@bp.get("/<int:customer_no>/decisions", responses={200: models.DecisionsOfCustomer})
def decisions(path: models.CustomerPath) -> Json:
    """What campaigns decided about the customer, and why nothing was sent."""
    found = customer_profile.decisions(rooms(), current_shop(), path.customer_no)
    return models.DecisionsOfCustomer.model_validate({"items": found}).model_dump(mode="json")
