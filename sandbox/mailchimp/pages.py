"""The Mailchimp stand-in's page for people, and the routes that only exist here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, render_template, request
from werkzeug.utils import secure_filename
from werkzeug.wrappers import Response

from sandbox.mailchimp import rules
from sandbox.standin.base import json_answer
from sandbox.standin.seeding import seeding

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from sandbox.mailchimp.app import MailchimpStandIn

_SHOWN = 50
_MEMBERS = """
SELECT m.*, trim(coalesce(json_extract(m.merge_fields, '$.FNAME'), '') || ' ' ||
                 coalesce(json_extract(m.merge_fields, '$.LNAME'), '')) AS name,
       (SELECT group_concat(s.name, ', ') FROM tagged t JOIN segments s ON s.id = t.segment_id
         WHERE t.hash = m.hash AND s.list_id = m.list_id) AS tags
FROM members m
WHERE ?1 IS NULL OR m.hash IN (SELECT hash FROM tagged WHERE segment_id = ?1)
ORDER BY m.n DESC LIMIT ?2
"""


def pages(standin: MailchimpStandIn) -> Blueprint:
    """Routes: the page, seeding a member, deleting a tag by hand, archives of batches."""
    routes = Blueprint("pages", __name__, url_prefix="/sandbox")
    data = standin.data

    @routes.get("")
    def page() -> str:
        """Audience, tags with their members, status per member, batches, calls."""
        chosen = request.args.get("tag", type=int)
        return render_template(
            "mailchimp.html",
            service="Mailchimp",
            lists=data.db.rows(
                "SELECT l.*, (SELECT count(*) FROM members m WHERE m.list_id = l.id) AS members FROM lists l"
            ),
            tags=data.db.rows(
                "SELECT s.*, (SELECT count(*) FROM tagged t WHERE t.segment_id = s.id) AS members "
                "FROM segments s ORDER BY id"
            ),
            chosen=data.db.row("SELECT * FROM segments WHERE id = ?", chosen) if chosen else None,
            members=data.db.rows(_MEMBERS, chosen, _SHOWN),
            member_count=data.db.number("SELECT count(*) FROM members"),
            statuses=data.db.rows("SELECT status, count(*) FROM members GROUP BY status ORDER BY status"),
            all_statuses=rules.STATUSES,
            batches=data.db.rows("SELECT * FROM batches ORDER BY n DESC LIMIT 20"),
            recent=standin.log.recent(_SHOWN),
            total=standin.log.total,
            violations=standin.log.violations[: -_SHOWN - 1 : -1],
        )

    routes.add_url_rule("/profiles", "seed", seeding(standin, data.seed_member, standin.member), methods=["POST"])

    @routes.post("/audiences")
    def audience() -> ResponseReturnValue:
        """Make an audience, or change the one of that name: {name, double_optin}."""
        given: Any = request.get_json()
        double = bool(given.get("double_optin"))
        row = data.save_audience(str(given["name"]), standin.clock.now(), double_optin=double)
        return json_answer({"id": row["id"], "name": row["name"], "double_optin": double}, 201)

    @routes.delete("/tags/<int:segment_id>")
    def delete_tag(segment_id: int) -> ResponseReturnValue:
        """Delete a tag as the merchant would, behind the client's back."""
        row = data.db.row("SELECT * FROM segments WHERE id = ?", segment_id)
        if row is None:
            return json_answer({"error": "no such tag"}, 404)
        data.delete_tag(row)
        return "", 204

    @routes.get("/batches/<name>.tar.gz")
    def archive(name: str) -> ResponseReturnValue:
        """The answers of a batch; the real address needs no key either."""
        file = standin.archives / f"{secure_filename(name)}.tar.gz"
        if not file.is_file():
            return json_answer({"error": "no such archive"}, 404)
        # As a plain file: with Content-Encoding, clients would unpack it on the way.
        return Response(file.read_bytes(), content_type="application/octet-stream")

    return routes
