"""Senders: the addresses that campaigns go out from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import ErrorAnswer, current_shop, rooms
from app.api.models.senders import Sender, SenderCreate, SenderList, SenderPatch, SenderPath
from app.services import senders

if TYPE_CHECKING:
    from pydantic import BaseModel

bp = APIBlueprint(
    "senders",
    __name__,
    url_prefix="/api/senders",
    abp_tags=[Tag(name="senders")],
    abp_responses={404: ErrorAnswer, 409: ErrorAnswer, 422: ErrorAnswer},
)


def _json(answer: BaseModel, status: int = 200) -> Response:
    return Response(answer.model_dump_json(), status=status, mimetype="application/json")


def _answer(view: senders.SenderView, status: int = 200) -> Response:
    return _json(Sender.model_validate(view), status)


@bp.get("", responses={200: SenderList})
def list_senders() -> Response:
    """All senders of the shop, the default first."""
    return _json(SenderList.model_validate({"items": senders.listing(rooms(), current_shop())}))


@bp.post("", responses={201: Sender})
def create_sender(body: SenderCreate) -> Response:
    """Save a sender and mail its address a confirmation link."""
    return _answer(senders.create(rooms(), current_shop(), senders.NewSender(**body.model_dump())), 201)


@bp.patch("/<sender_id>", responses={200: Sender})
def change_sender(path: SenderPath, body: SenderPatch) -> Response:
    """Change a sender; another from address has to be confirmed again."""
    changes = body.model_dump(exclude_unset=True)
    return _answer(senders.change(rooms(), current_shop(), path.sender_id, changes))


@bp.delete("/<sender_id>", responses={204: None})
def delete_sender(path: SenderPath) -> Response:
    """Delete a sender. 409 while an active campaign uses it."""
    senders.delete(rooms(), current_shop(), path.sender_id)
    return Response(status=204)


@bp.post("/<sender_id>/verification", responses={200: Sender, 429: ErrorAnswer})
def send_verification(path: SenderPath) -> Response:
    """Mail the confirmation link again; older links stop working. At most five an hour per shop."""
    return _answer(senders.send_verification(rooms(), current_shop(), path.sender_id))


@bp.post("/<sender_id>/default", responses={200: Sender})
def make_default(path: SenderPath) -> Response:
    """Make this the sender that new campaigns start with."""
    return _answer(senders.make_default(rooms(), current_shop(), path.sender_id))
