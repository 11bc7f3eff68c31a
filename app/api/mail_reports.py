"""Where Amazon SNS delivers what SES has to say. The signature is the only credential."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import structlog
from flask import Blueprint, request

from app.api.common import rooms
from app.errors import NotFound
from app.mail.sns import MAX_BYTES, NotGenuine, Verifier
from app.services import mail_reports

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

log = structlog.get_logger()


_verifier = lru_cache(maxsize=1)(Verifier)  # one per set of topics: it keeps the certificates


def blueprint(verifier: Verifier | None = None) -> Blueprint:
    """The one route. verifier: another one than of the settings, for tests."""
    bp = Blueprint("mail_reports", __name__)

    def take() -> ResponseReturnValue:
        """Keep a notification: 200, also if it is known or says nothing of ours; 400 if it is not genuine."""
        request.max_content_length = MAX_BYTES
        body = request.get_data()  # SNS calls it text/plain
        genuine = verifier or _verifier(rooms().settings.topics)
        try:
            notification = genuine.open(body, rooms().clock.now())
            if notification.kind == "SubscriptionConfirmation":
                genuine.confirm(notification)
                log.info("sns_subscribed")
                return "", 200
        except NotGenuine as fault:
            log.warning("sns_refused", reason=str(fault))
            return "", 400
        try:
            taken = mail_reports.take_notification(rooms(), notification)
        except NotFound:
            # Asked again it would be as unknown: SNS must not repeat it for an hour.
            log.warning("sns_unknown_message")
            return "", 404
        log.info("sns_taken", result=taken)
        return "", 200

    bp.add_url_rule("/reports/ses", "ses", take, methods=["POST"])
    return bp
