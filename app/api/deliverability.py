"""How sending stands: the circuit breaker, senders' domains, addresses that are not mailed any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, g
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import ErrorAnswer, current_shop, rooms
from app.api.models.deliverability import (
    HealthPath,
    SenderHealth,
    SenderHealthList,
    SendingPatch,
    SendingStatus,
    SuppressedList,
    SuppressedPath,
    SuppressedQuery,
)
from app.services import senders_health, sending_brakes, suppressions

if TYPE_CHECKING:
    from pydantic import BaseModel

bp = APIBlueprint(
    "deliverability",
    __name__,
    url_prefix="/api/deliverability",
    abp_tags=[Tag(name="deliverability")],
    abp_responses={404: ErrorAnswer, 409: ErrorAnswer, 422: ErrorAnswer},
)


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), mimetype="application/json")


def _status() -> Response:
    return _json(SendingStatus.model_validate(senders_health.status(rooms(), current_shop())))


def _who() -> str | None:
    return str(g.user) if getattr(g, "user", None) else None


@bp.get("", responses={200: SendingStatus})
def deliverability_status() -> Response:
    """Whether sending is stopped, bounce and complaint rates, and the shop's choices."""
    return _status()


@bp.patch("", responses={200: SendingStatus})
def change_deliverability(body: SendingPatch) -> Response:
    """Change whose openings are observed, and how many messages leave in an hour."""
    changes = body.model_dump(exclude_unset=True)
    return _json(SendingStatus.model_validate(senders_health.choose(rooms(), current_shop(), changes)))


@bp.post("/release", responses={200: SendingStatus})
def release_sending() -> Response:
    """Let the shop send again after a stop; counting begins anew."""
    sending_brakes.release(rooms(), current_shop(), _who())
    return _status()


@bp.get("/senders", responses={200: SenderHealthList})
def list_health() -> Response:
    """Each sender's domain: its records, how much it sends and may send."""
    return _json(SenderHealthList.model_validate({"items": senders_health.listing(rooms(), current_shop())}))


@bp.post("/senders/<sender_id>/check", responses={200: SenderHealth})
def check_sender(path: HealthPath) -> Response:
    """Look the domain up in DNS now."""
    return _json(SenderHealth.model_validate(senders_health.check(rooms(), current_shop(), path.sender_id)))


@bp.get("/suppressions", responses={200: SuppressedList})
def list_suppressions(query: SuppressedQuery) -> Response:
    """The newest 100 addresses that are not mailed after a bounce or complaint, of all or of one customer."""
    count, items = suppressions.listing(rooms(), current_shop(), query.customer_no)
    return _json(SuppressedList.model_validate({"count": count, "items": items}))


@bp.post("/suppressions/<address_id>/reinstate", responses={204: None})
def reinstate(path: SuppressedPath) -> Response:
    """Let the address be mailed again, if the customer's consent allows it."""
    suppressions.reinstate(rooms(), current_shop(), path.address_id, _who())
    return Response(status=204)
