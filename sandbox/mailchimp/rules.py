"""When Mailchimp takes a contact and when not, and the limits that it states in prose.

Reference: https://mailchimp.com/developer/marketing/api/lists/batch-subscribe-or-unsubscribe/
and https://mailchimp.com/developer/marketing/docs/errors/
"""

import re
from typing import TYPE_CHECKING, Any

from sandbox.standin.base import Refused

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

MAX_BATCH_MEMBERS = 500
MAX_SEGMENT_CHANGES = 500  # to add, and as many to remove
MAX_COUNT = 1_000
MAX_PENDING_BATCHES = 500
MAX_CONNECTIONS = 10

REQUIRED = {
    "postListsId": ("members",),
    "putListsIdMembersId": ("email_address", "status_if_new"),
    "postListsIdSegments": ("name",),
    "postListsIdMergeFields": ("name", "type"),
    "postBatches": ("operations",),
}
STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived")
# Mailchimp also refuses addresses that "look fake", example.com among them. The demo's people live at
# such addresses on purpose, so that rule is left out.
_EMAIL = re.compile(r"[^@\s,;<>\"()]+@[^@\s.,;<>\"()]+(\.[^@\s.,;<>\"()]+)+", re.ASCII)


class MemberProblem(Exception):
    """Why a contact was not written."""

    def __init__(
        self, title: str, detail: str, *, code: str = "ERROR_GENERIC", field: str = "", message: str = ""
    ) -> None:
        super().__init__(detail)
        self.title = title
        self.detail = detail
        self.code = code
        self.field = field
        self.message = message

    def refusal(self) -> Refused:
        """The problem as the answer to a call about this one contact."""
        pointer = f"/{self.field}" if self.field else ""
        return Refused(400, self.code, self.title, self.detail, pointer=pointer)


def check_address(email: str) -> None:
    """Raises MemberProblem for what is plainly no address."""
    if not _EMAIL.fullmatch(email):
        detail = "Please provide a valid email address."
        raise MemberProblem("Invalid Resource", detail, field="email_address", message=detail)


def check_first(email: str, *, first: bool) -> None:
    """Raises MemberProblem for an address that came before in the same batch."""
    if not first:
        raise MemberProblem("Duplicate", f"{email} appears more than once in this request.")


def check_standing(email: str, stored: "sqlite3.Row | None", wanted: str | None) -> None:
    """Raises MemberProblem where a person's own decision stands against the wanted status."""
    if stored is None:
        return
    if stored["forgotten"]:
        detail = (
            f"{email} was permanently deleted and cannot be re-imported. "
            "The contact must re-subscribe to get back on the list."
        )
        raise MemberProblem("Forgotten Email Not Subscribed", detail)
    if wanted == "subscribed" and stored["compliance"]:
        detail = (
            f"{email} is in a compliance state due to unsubscribe, bounce, or compliance review "
            "and cannot be subscribed."
        )
        raise MemberProblem("Member In Compliance State", detail)


def check_merge_fields(fields: "Sequence[sqlite3.Row]", values: dict[str, Any], *, required_too: bool) -> None:
    """Raises MemberProblem for a required field without a value or a number that is none."""
    for field in fields:
        value = values.get(field["tag"])
        if value in (None, ""):
            if field["required"] and required_too:
                raise _merge_problem(field["tag"], "This value should not be blank.")
        elif field["type"] == "number" and not _is_number(value):
            raise _merge_problem(field["tag"], "Please enter a number.")


def check_required(operation: str, body: Any) -> None:
    """Refuse a body that lacks what it must have, also where no published document says so."""
    for name in REQUIRED.get(operation, ()):
        if not isinstance(body, dict) or body.get(name) is None:
            raise invalid(name, "This value is required.")


def check_members(members: Any) -> None:
    """Refuse more members than one batch takes."""
    if not isinstance(members, list):
        raise invalid("members", "A list is needed.")
    if len(members) > MAX_BATCH_MEMBERS:
        detail = f"Please provide {MAX_BATCH_MEMBERS} or fewer members, {len(members)} were given."
        raise invalid("members", detail)


def check_segment_changes(body: Any) -> None:
    """Refuse more changes than one call to a static segment takes."""
    for name in ("members_to_add", "members_to_remove"):
        given = body.get(name) if isinstance(body, dict) else None
        if isinstance(given, list) and len(given) > MAX_SEGMENT_CHANGES:
            detail = f"At most {MAX_SEGMENT_CHANGES} addresses are allowed, {len(given)} were given."
            raise invalid(name, detail)


def check_count(text: str | None) -> None:
    """Refuse a page that is too large."""
    if text is not None and not (text.isdecimal() and int(text) <= MAX_COUNT):
        raise invalid("count", f"count goes up to {MAX_COUNT}.")


def invalid(field: str, detail: str, *, kind: str = "limit") -> Refused:
    """The 400 for a body or parameter that breaks a rule."""
    return Refused(400, "invalid", "Invalid Resource", detail, pointer=f"/{field}", kind=kind)


def _merge_problem(tag: str, message: str) -> MemberProblem:
    detail = "Your merge fields were invalid."
    return MemberProblem("Invalid Resource", detail, field=tag, message=message)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
