"""The Klaviyo stand-in's page for people, and the routes that only exist here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, render_template, request

from sandbox.klaviyo import documents
from sandbox.klaviyo.state import CONSENTS
from sandbox.standin.seeding import seeding

if TYPE_CHECKING:
    import sqlite3

    from flask.typing import ResponseReturnValue

    from sandbox.klaviyo.app import KlaviyoStandIn

_SHOWN_ROWS = 50
_PROFILES = """
SELECT p.*, trim(coalesce(json_extract(p.attributes, '$.first_name'), '') || ' ' ||
                 coalesce(json_extract(p.attributes, '$.last_name'), '')) AS name,
       (SELECT group_concat(json_extract(s.value, '$.reason'), ', ')
          FROM json_each(p.suppressions) s) AS suppressed,
       (SELECT group_concat(l.name, ', ') FROM memberships m JOIN lists l ON l.id = m.list_id
         WHERE m.profile_id = p.id) AS lists
FROM profiles p
WHERE ?1 IS NULL OR p.id IN (SELECT profile_id FROM memberships WHERE list_id = ?1)
ORDER BY p.n DESC LIMIT ?2
"""


def pages(standin: KlaviyoStandIn) -> Blueprint:
    """Routes: the page, seeding a profile, deleting a list by hand."""
    routes = Blueprint("pages", __name__, url_prefix="/sandbox")
    data = standin.data

    @routes.get("")
    def page() -> str:
        """Lists with their members, consent per profile, jobs, calls."""
        chosen = request.args.get("list")
        return render_template(
            "klaviyo.html",
            service="Klaviyo",
            lists=data.db.rows(
                "SELECT l.*, (SELECT count(*) FROM memberships m WHERE m.list_id = l.id) AS members "
                "FROM lists l WHERE NOT gone ORDER BY n"
            ),
            chosen=data.one_list(chosen) if chosen else None,
            profiles=data.db.rows(_PROFILES, chosen, _SHOWN_ROWS),
            profile_count=data.db.number("SELECT count(*) FROM profiles"),
            consents=data.db.rows("SELECT consent, count(*) FROM profiles GROUP BY consent ORDER BY consent"),
            all_consents=CONSENTS,
            jobs=data.db.rows("SELECT * FROM jobs ORDER BY n DESC LIMIT 20"),
            recent=standin.log.recent(_SHOWN_ROWS),
            total=standin.log.total,
            violations=standin.log.violations[: -_SHOWN_ROWS - 1 : -1],
        )

    routes.add_url_rule("/profiles", "seed", seeding(standin, data.seed_profile, _shown), methods=["POST"])

    @routes.delete("/lists/<list_id>")
    def delete_list(list_id: str) -> ResponseReturnValue:
        """Delete a list as the merchant would, behind the client's back."""
        data.delete_list(list_id)
        return "", 204

    return routes


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    resource = documents.profile(row, "", subscriptions=True)
    return {**resource["attributes"], "id": resource["id"]}
