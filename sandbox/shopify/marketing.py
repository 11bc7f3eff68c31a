"""Marketing activities of the app and their daily engagements, as Shopify's marketing pages would show them."""

import json
from collections.abc import Mapping
from typing import Any

from sandbox.clock import SandboxClock
from sandbox.shopify.ledger import Ledger
from sandbox.shopify.shop import Shop, stamp

SCHEMA = """
CREATE TABLE IF NOT EXISTS activities (
  id INTEGER PRIMARY KEY, shop TEXT, remote TEXT, title TEXT, status TEXT, tactic TEXT, channel TEXT, url TEXT,
  utm TEXT, created TEXT, updated TEXT, UNIQUE (shop, remote));
CREATE TABLE IF NOT EXISTS engagements (
  shop TEXT, activity INTEGER, day TEXT, figures TEXT, PRIMARY KEY (shop, activity, day));
"""
UTM = ("campaign", "source", "medium")


class Marketing:
    """The marketing activities of every shop."""

    def __init__(self, ledger: Ledger, clock: SandboxClock) -> None:
        self._ledger, self._clock = ledger, clock
        with ledger.transaction() as database:
            for statement in SCHEMA.split(";"):
                database.execute(statement)

    def roots(self, shop: Shop) -> dict[str, Any]:
        """The root fields about marketing, as functions of their arguments."""
        return {
            "marketingActivityUpsertExternal": lambda input: self.upsert(shop, input),  # noqa: A006
            "marketingEngagementCreate": lambda **given: self.engage(shop, **given),
        }

    def upsert(self, shop: Shop, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Make the activity with this remote id or change it; UTM parameters never change once they are set."""
        utm = json.dumps({key: wanted["utm"][key] for key in UTM}) if wanted.get("utm") else None
        if utm is None and not wanted.get("urlParameterValue"):
            return _refused("utm", "UTM or URL parameter is required.", "NON_HIERARCHIAL_REQUIRES_UTM_URL_PARAMETER")
        known = self._activity(shop, wanted["remoteId"])
        if known and known["utm"] != utm:
            return _refused("utm", "UTM parameters can't be changed.", "IMMUTABLE_UTM_PARAMETERS")
        mine = self._ledger.one("SELECT remote FROM activities WHERE shop = ? AND utm = ?", shop.domain, utm)
        if mine and mine["remote"] != wanted["remoteId"]:
            code = "MARKETING_ACTIVITY_WITH_UTM_CAMPAIGN_ALREADY_EXISTS"
            return _refused("utm", "An activity with this UTM campaign exists.", code)
        now = stamp(self._clock.now())
        self._ledger.run(
            "INSERT INTO activities (shop, remote, title, status, tactic, channel, url, utm, created, updated) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (shop, remote) DO UPDATE SET title = excluded.title, "
            "status = excluded.status, tactic = excluded.tactic, url = excluded.url, updated = excluded.updated",
            shop.domain, wanted["remoteId"], wanted["title"], wanted["status"], wanted["tactic"],
            wanted["marketingChannelType"], str(wanted["remoteUrl"]), utm, now, now,
        )  # fmt: skip
        return {"marketingActivity": self._shown(shop, wanted["remoteId"]), "userErrors": []}

    def engage(self, shop: Shop, **given: Any) -> dict[str, Any]:
        """State one day's figures of an activity; the last statement of a day holds."""
        activity = self._activity(shop, given.get("remoteId") or "")
        if activity is None:
            return {
                "marketingEngagement": None,
                "userErrors": [
                    {"field": ["remoteId"], "message": "Marketing activity does not exist.",
                     "code": "MARKETING_ACTIVITY_DOES_NOT_EXIST"}
                ],
            }  # fmt: skip
        wanted = dict(given["marketingEngagement"])
        sales = wanted.get("sales")
        if sales and sales["currencyCode"] != shop.currency:
            error = {"field": ["marketingEngagement", "sales"], "message": "Currency code doesn't match the shop's.",
                     "code": "MARKETING_ACTIVITY_CURRENCY_CODE_MISMATCH"}  # fmt: skip
            return {"marketingEngagement": None, "userErrors": [error]}
        self._ledger.run(
            "INSERT INTO engagements VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET figures = excluded.figures",
            shop.domain, activity["id"], str(wanted["occurredOn"]), json.dumps(wanted, default=str),
        )  # fmt: skip
        return {"marketingEngagement": wanted | {"isCumulative": False}, "userErrors": []}

    def listing(self, shop: Shop) -> list[dict[str, Any]]:
        """Every activity with its days, newest first; for the stand-in's own page and its JSON twin."""
        rows = self._ledger.all("SELECT * FROM activities WHERE shop = ? ORDER BY id DESC", shop.domain)
        days = self._ledger.all("SELECT * FROM engagements WHERE shop = ? ORDER BY day", shop.domain)
        return [
            row | {"utm": json.loads(row["utm"] or "null"), "days": {
                day["day"]: json.loads(day["figures"]) for day in days if day["activity"] == row["id"]
            }}
            for row in rows
        ]  # fmt: skip

    def _activity(self, shop: Shop, remote: str) -> dict[str, Any] | None:
        return self._ledger.one("SELECT * FROM activities WHERE shop = ? AND remote = ?", shop.domain, remote)

    def _shown(self, shop: Shop, remote: str) -> dict[str, Any]:
        row = self._activity(shop, remote) or {}
        return {
            "id": f"gid://shopify/MarketingActivity/{row['id']}", "title": row["title"], "status": row["status"],
            "tactic": row["tactic"], "marketingChannelType": row["channel"], "createdAt": row["created"],
            "updatedAt": row["updated"], "isExternal": True, "utmParameters": json.loads(row["utm"] or "null"),
        }  # fmt: skip


def _refused(field: str, message: str, code: str) -> dict[str, Any]:
    return {"marketingActivity": None, "userErrors": [{"field": ["input", field], "message": message, "code": code}]}
