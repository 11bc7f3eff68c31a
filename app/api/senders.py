"""Senders: the addresses that campaigns go out from."""

from __future__ import annotations

from flask.typing import ResponseReturnValue  # noqa: TC002 - resolved at runtime
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import ErrorAnswer, current_shop, rooms
from app.api.models.senders import Sender, SenderCreate, SenderList, SenderPatch, SenderPath
from app.services import senders

bp = APIBlueprint(
    "senders",
    __name__,
    url_prefix="/api/senders",
    abp_tags=[Tag(name="senders")],
    abp_responses={404: ErrorAnswer, 409: ErrorAnswer, 422: ErrorAnswer},
)


def _answer(view: senders.SenderView) -> dict[str, object]:
    return Sender.model_validate(view).model_dump(mode="json")


@bp.get("", responses={200: SenderList})
def list_senders() -> ResponseReturnValue:
    """All senders of the shop, the default first."""
    return SenderList.model_validate({"items": senders.listing(rooms(), current_shop())}).model_dump(mode="json")


@bp.post("", responses={201: Sender})
def create_sender(body: SenderCreate) -> ResponseReturnValue:
    """Save a sender and mail its address a confirmation link."""
    return _answer(senders.create(rooms(), current_shop(), senders.NewSender(**body.model_dump()))), 201


@bp.patch("/<sender_id>", responses={200: Sender})
def change_sender(path: SenderPath, body: SenderPatch) -> ResponseReturnValue:
    """Change a sender; another from address has to be confirmed again."""
    changes = body.model_dump(exclude_unset=True)
    return _answer(senders.change(rooms(), current_shop(), path.sender_id, changes))


@bp.delete("/<sender_id>", responses={204: None})
def delete_sender(path: SenderPath) -> ResponseReturnValue:
    """Delete a sender. 409 while an active campaign uses it."""
    senders.delete(rooms(), current_shop(), path.sender_id)
    return "", 204


@bp.post("/<sender_id>/verification", responses={200: Sender, 429: ErrorAnswer})
def send_verification(path: SenderPath) -> ResponseReturnValue:
    """Mail the confirmation link again; older links stop working. At most five an hour per shop."""
    return _answer(senders.send_verification(rooms(), current_shop(), path.sender_id))


@bp.post("/<sender_id>/default", responses={200: Sender})
def make_default(path: SenderPath) -> ResponseReturnValue:
    """Make this the sender that new campaigns start with."""
    return _answer(senders.make_default(rooms(), current_shop(), path.sender_id))
