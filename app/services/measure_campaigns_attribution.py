"""Attribution: which orders followed an e-mail, by code, click or time. It says what came after, never what it added.

Each order goes to one message of the shop at most: by its discount code before a click before time alone, and among
equals to the latest message.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from app.services.measure_campaigns_read import mailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    import duckdb

    from app.services.measure_campaigns_read import Decided

CODE_DAYS = 30  # a code is remembered longer than an e-mail
CLICK_DAYS = 5  # from a person's click to the order
WINDOW_DAYS = 3  # from the e-mail to the order, with neither code nor click
WAYS = ("code", "click", "window")
LEFT_WITHIN = timedelta(days=7)  # an unsubscribe of which no message is known is the last e-mail's of the week before
DAYS_KEPT = 60  # of what followed, by day

CREDITED = """
WITH ways AS (
    SELECT s.position, s.stamped_at, o.order_id, o.processed_at, o.discounts_minor, o.net_minor, CASE
        WHEN s.code IS NOT NULL AND list_contains(o.codes, s.code) THEN 0
        WHEN EXISTS (SELECT 1 FROM clicked k WHERE k.position = s.position AND k.at <= o.processed_at
                     AND k.at > o.processed_at - to_days($click_days)) THEN 1
        WHEN o.processed_at < s.stamped_at + to_days($window_days) THEN 2 END AS way
    FROM sends s JOIN placed o ON o.customer = s.customer AND o.processed_at >= s.stamped_at
         AND o.processed_at < s.stamped_at + to_days($code_days)
), best AS (
    SELECT * FROM ways WHERE way IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY way, stamped_at DESC, position DESC) = 1
)
SELECT position, way, order_id, epoch(processed_at) AS ordered, discounts_minor, net_minor FROM best ORDER BY ALL"""


@dataclass(frozen=True)
class Followed:
    """What followed the shop's messages.

    sends:    the messages that left: id, campaign, customer, stamped_at, nth (1: the customer's first of the campaign)
    credited: orders with the position of their message in `sends`, way (place in WAYS), ordered (seconds since 1970),
              net_minor, discounts_minor
    clicks:   position, link, at, human
    left:     campaign and `at` of each unsubscribe, whole or from a topic, that came from one of its messages
    """

    sends: pd.DataFrame
    credited: pd.DataFrame
    clicks: pd.DataFrame
    left: pd.DataFrame


def follow(
    connection: duckdb.DuckDBPyConnection, data: Decided, codes: Mapping[str, str], watermark: datetime
) -> Followed:
    """Credit every order of the shop once. codes: message id → the discount code it carried."""
    sends = mailed(data.messages)[["id", "campaign", "customer", "stamped_at"]].sort_values(["stamped_at", "id"])
    sends = sends[sends["stamped_at"] < watermark].reset_index(drop=True)
    sends["nth"] = sends.groupby(["campaign", "customer"]).cumcount() + 1
    place = pd.Series(sends.index, index=sends["id"])
    clicks = data.clicks[data.clicks["message"].isin(place.index)].copy()
    clicks["position"] = place.reindex(clicks["message"]).to_numpy(dtype=np.int64)
    return Followed(sends, _credit(connection, sends, clicks, codes), clicks, _left(data, sends))


def _credit(
    connection: duckdb.DuckDBPyConnection, sends: pd.DataFrame, clicks: pd.DataFrame, codes: Mapping[str, str]
) -> pd.DataFrame:
    asked = {
        "sends": pd.DataFrame(
            {
                "position": sends.index.to_numpy(dtype=np.int64),
                "customer": sends["customer"].to_numpy(dtype=np.int32),
                "stamped_at": sends["stamped_at"].array,
                "code": pd.array([codes.get(one, "").lower() or None for one in sends["id"]], dtype="string"),
            }
        ),
        "clicked": clicks.loc[clicks["human"].astype(bool), ["position", "at"]],
    }
    for name, table in asked.items():
        connection.register(name, table)
    try:
        days = {"code_days": CODE_DAYS, "click_days": CLICK_DAYS, "window_days": WINDOW_DAYS}
        found = connection.execute(CREDITED, days).fetchnumpy()
    finally:
        for name in asked:
            connection.unregister(name)
    return pd.DataFrame({name: np.asarray(values) for name, values in found.items()})


def _left(data: Decided, sends: pd.DataFrame) -> pd.DataFrame:
    """campaign, at of each unsubscribe: its message's, where that is known."""
    known = data.left[data.left["message"].notna()]
    named = data.messages.set_index("id")["campaign"].reindex(known["message"])
    found = pd.DataFrame({"campaign": named.to_numpy(), "at": known["at"].array}).dropna()
    unknown = data.left[data.left["message"].isna()]
    if not unknown.empty and not sends.empty:
        last = pd.merge_asof(
            unknown.sort_values("at"), sends[["customer", "stamped_at", "campaign"]].sort_values("stamped_at"),
            left_on="at", right_on="stamped_at", by="customer", tolerance=LEFT_WITHIN,
        )  # fmt: skip
        found = pd.concat([found, last.loc[last["campaign"].notna(), ["campaign", "at"]]])
    return found.astype({"campaign": np.int64})


def of_campaign(found: Followed, data: Decided, campaign_id: int, zone: ZoneInfo) -> dict[str, Any]:
    """One campaign's share: orders by way, clicks by link, doses, unsubscribes; and both by day of the shop."""
    sends = found.sends[found.sends["campaign"] == campaign_id]
    credited = found.credited[found.credited["position"].isin(sends.index)]
    clicks = found.clicks[found.clicks["position"].isin(sends.index)]
    left = found.left[found.left["campaign"] == campaign_id]
    return {
        "attribution": {
            "orders": len(credited),
            "revenue_minor": round(float(credited["net_minor"].sum())),
            "ways": [_way(credited, place, name) for place, name in enumerate(WAYS)],
        },
        "clicked": int(_human(clicks, sends)["customer"].nunique()),
        "ordered": int(sends.loc[credited["position"].unique(), "customer"].nunique()),
        "links": _links(clicks, sends, data.links),
        "doses": _doses(sends, credited, clicks),
        "unsubscribed": len(left),
        "days": _days(credited, left, zone),
        "by_code": {
            "orders": int((credited["way"] == 0).sum()),
            "given_minor": int(credited.loc[credited["way"] == 0, "discounts_minor"].sum()),
        },
    }


def _days(credited: pd.DataFrame, left: pd.DataFrame, zone: ZoneInfo) -> list[dict[str, Any]]:
    """Of the last days with any: credited orders, what they came to, and unsubscribes. The days' sums are the whole."""
    ordered = pd.to_datetime(credited["ordered"], unit="s", utc=True).dt.tz_convert(zone).dt.date
    unsubscribed = left["at"].dt.tz_convert(zone).dt.date
    days: dict[date, dict[str, int]] = defaultdict(lambda: {"orders": 0, "revenue_minor": 0, "unsubscribed": 0})
    for day, minor in zip(ordered, credited["net_minor"], strict=True):
        days[day]["orders"] += 1
        days[day]["revenue_minor"] += round(float(minor))
    for day in unsubscribed:
        days[day]["unsubscribed"] += 1
    return [{"day": day.isoformat(), **days[day]} for day in sorted(days)[-DAYS_KEPT:]]


def _way(credited: pd.DataFrame, place: int, name: str) -> dict[str, Any]:
    rows = credited[credited["way"] == place]
    return {"way": name, "orders": len(rows), "revenue_minor": round(float(rows["net_minor"].sum()))}


def _human(clicks: pd.DataFrame, sends: pd.DataFrame) -> pd.DataFrame:
    human = clicks[clicks["human"].astype(bool)]
    return human.assign(customer=sends.loc[human["position"], "customer"].to_numpy())


def _links(clicks: pd.DataFrame, sends: pd.DataFrame, addresses: Mapping[int, str]) -> list[dict[str, Any]]:
    human = _human(clicks, sends)
    lines = [
        {
            "url": addresses.get(int(rows["link"].iloc[0]), "A link that is gone"),
            "clicks": int((human["link"] == link).sum()),
            "customers": int(human.loc[human["link"] == link, "customer"].nunique()),
            "machine_clicks": int((~rows["human"].astype(bool)).sum()),
        }
        for link, rows in clicks.groupby("link")
    ]
    return sorted(lines, key=lambda one: (-one["customers"], -one["clicks"], one["url"]))


def _doses(sends: pd.DataFrame, credited: pd.DataFrame, clicks: pd.DataFrame) -> list[dict[str, Any]]:
    """What followed the first, second, n-th e-mail that a customer got of the campaign."""
    with_click = set(clicks.loc[clicks["human"].astype(bool), "position"])
    with_order = set(credited["position"])
    return [
        {
            "nth": int(rows["nth"].iloc[0]),
            "sent": len(rows),
            "clicked": sum(position in with_click for position in rows.index),
            "ordered": sum(position in with_order for position in rows.index),
        }
        for _, rows in sends.groupby("nth", sort=True)
    ]
