"""How mail fares with each mailbox provider."""

from __future__ import annotations

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import current_shop, rooms
from app.api.models.mail_providers import MailProviders
from app.services import mail_providers

bp = APIBlueprint("mail_providers", __name__, url_prefix="/api/deliverability", abp_tags=[Tag(name="deliverability")])


@bp.get("/providers", responses={200: MailProviders})
def by_provider() -> Response:
    """Sent, bounced, complained and opened per mailbox provider, over the last 30 days."""
    found = mail_providers.by_provider(rooms(), current_shop())
    return Response(MailProviders.model_validate(found).model_dump_json(), mimetype="application/json")
