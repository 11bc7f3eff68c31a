"""Who is mailed what and why nobody else: the rules once more, by hand, customer by customer, for small shops.

Written from the specification. Nothing of the application is used, so that a mistake there is none here.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from tests.integration.sending.random_shops import RandomShop

WEEK_AND_MARGIN = timedelta(hours=169)
USUAL_SHARE_OF_SHOP = 0.03  # customers whom no campaign mails, where the merchant did not choose
DAY = timedelta(days=1)
ZONES = {
    ("DE", None): "Europe/Berlin", ("US", "CA"): "America/Los_Angeles", ("JP", "JP-13"): "Asia/Tokyo",
    ("ES", "GC"): "Atlantic/Canary", ("GB", "ENG"): "Europe/London",
}  # fmt: skip


@dataclass
class Mailed:
    """A message that a tick makes."""

    customer_no: int
    campaign_id: int
    product_no: int
    kind: str
    because: int | None
    probability: float
    lift: float | None
    occurrence: str
    held_out: bool
    not_before: datetime | None
    expires_at: datetime


@dataclass
class Answer:
    """says: campaign → customer → what is said. mailed: by customer."""

    says: dict[int, dict[int, str]] = field(default_factory=dict)
    mailed: dict[int, Mailed] = field(default_factory=dict)


def answer(shop: RandomShop) -> Answer:
    """What the tick must do to the shop."""
    found = Answer()
    chances: dict[int, list[tuple[Any, dict[str, Any], dict[str, Any]]]] = {}
    running = [one for one in shop.campaigns if one["state"] == "active" and not _over(shop, one)]
    for campaign in running:
        said = found.says[campaign["id"]] = {}
        for customer in _audience(shop, campaign):
            pairs = _pairs(shop, campaign, customer)
            reason, good = _verdict(shop, campaign, customer, pairs)
            said[customer] = reason or "better_campaign"
            for pair in good:
                chances.setdefault(customer, []).append((_rank(shop, campaign, pair), campaign, pair))
    taken = {name for name, at in shop.caps if at > shop.tick - WEEK_AND_MARGIN}
    for customer in sorted(chances):
        _, campaign, pair = min(chances[customer], key=lambda one: one[0])
        if _held_out(shop, campaign, customer):
            keys = {f"c:{customer}", f"e:{_customer(shop, customer)['email_hash']}"}
            if keys & taken:
                found.says[campaign["id"]][customer] = "weekly_cap"
                continue
            taken |= keys
            found.says[campaign["id"]][customer] = "held_out"
        else:
            found.says[campaign["id"]][customer] = "selected"
        found.mailed[customer] = _mail(shop, campaign, customer, pair)
    return found


def _over(shop: RandomShop, campaign: dict[str, Any]) -> bool:
    today = shop.tick.astimezone(ZoneInfo(shop.zone)).date()
    return campaign["ends_on"] is not None and campaign["ends_on"] < today


def _customer(shop: RandomShop, number: int) -> dict[str, Any] | None:
    return next((one for one in shop.customers if one["customer_no"] == number), None)


def _audience(shop: RandomShop, campaign: dict[str, Any]) -> list[int]:
    if campaign["about"] == "gone":
        return []
    if campaign["about"] != "automatic":
        return list(campaign["members"])
    return sorted({pair["customer_no"] for pair in shop.pairs if _likely(shop, pair)})


def _pairs(shop: RandomShop, campaign: dict[str, Any], customer: int) -> list[dict[str, Any]]:
    mine = [pair for pair in shop.pairs if pair["customer_no"] == customer]
    if campaign["about"] == "product":
        wanted = {campaign["product_no"]}
    elif campaign["about"] == "type":
        wanted = {p["product_no"] for p in shop.products if p["product_type"] == campaign["product_type"]}
    else:
        return [pair for pair in mine if _likely(shop, pair)]
    return [pair for pair in mine if pair["product_no"] in wanted and pair["kind"] == campaign["category"]]


def _likely(shop: RandomShop, pair: dict[str, Any]) -> bool:
    same = (pair["product_no"], pair["kind"])
    rates = [row["base_rate"] for row in shop.base_rates if (row["product_no"], row["kind"]) == same]
    rate = _number(rates[0]) if rates else None
    return bool(pair["probability"] >= max(0.1 if pair["kind"] == "repurchase" else 0.01, 2 * (rate or 0.0)))


def _verdict(
    shop: RandomShop, campaign: dict[str, Any], customer: int, pairs: list[dict[str, Any]]
) -> tuple[str | None, list[dict[str, Any]]]:
    """(why not, the pairs that may be sent)."""
    reason = _of_customer(shop, campaign, customer)
    if reason is None and not pairs:
        reason = "no_product"
    if reason is not None:
        return reason, []
    pairs = sorted(pairs, key=lambda pair: _rank(shop, campaign, pair))
    against = [_of_product(shop, campaign, pair) for pair in pairs]
    good = [pair for pair, why in zip(pairs, against, strict=True) if why is None]
    if not good:
        return against[0], []
    if shop.sender["verified_address"] != "a@shop.example":
        return "sender_not_verified", []
    if not shop.sender["postal_address"].strip():
        return "no_postal_address", []
    if _opens(shop, campaign, customer) - shop.tick > DAY:
        return "quiet_hours", []
    return None, good


def _of_customer(shop: RandomShop, campaign: dict[str, Any], number: int) -> str | None:  # noqa: PLR0911 - one each
    customer = _customer(shop, number)
    if customer is None or any(customer[name] is not None for name in ("merged_into", "erased_at", "gone_at")):
        return "erased"
    if customer["email_hash"] is None:
        return "no_address"
    if not customer["email_valid"]:
        return "invalid_address"
    if customer["email_hash"] in shop.suppressed:
        return "suppressed"
    if customer["email_consent"] != "SUBSCRIBED":
        return "not_subscribed"
    if any(m["customer_no"] == number and _under_way(shop, m) for m in shop.messages):
        return "message_under_way"
    keys = {f"c:{number}", f"e:{customer['email_hash']}"}
    if any(name in keys and at > shop.tick - WEEK_AND_MARGIN for name, at in shop.caps):
        return "weekly_cap"
    orders = [o["processed_at"] for o in shop.orders if o["customer_no"] == number and o["counts"]]
    if orders and shop.tick - max(orders) < campaign["wait_days"] * DAY:
        return "wait_after_purchase"
    return _again(shop, campaign, number)


def _under_way(shop: RandomShop, message: dict[str, Any]) -> bool:
    """What was in line of a campaign whose last day is over is in line no more."""
    campaign = next(one for one in shop.campaigns if one["id"] == message["campaign_id"])
    ends = campaign["state"] in {"active", "paused"} and _over(shop, campaign)
    return message["state"] == "sending" or (message["state"] == "queued" and not ends)


def _again(shop: RandomShop, campaign: dict[str, Any], number: int) -> str | None:
    got = [m for m in _had(shop, campaign, number) if m["stamped_at"] is not None]
    if not got:
        return None
    if campaign["frequency"] == "once":
        return "once_only"
    newest = max(m["stamped_at"] for m in got)
    if campaign["frequency"] == "every":
        return "frequency" if shop.tick - newest < campaign["every_days"] * DAY else None
    drawn = next(m["days"] for m in got if m["stamped_at"] == newest)
    return "frequency" if shop.tick - newest < (drawn or 21) * DAY else None


def _had(shop: RandomShop, campaign: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """What was handed over or withheld, to this customer or to whoever became them."""
    states = {"sending", "sent", "unknown", "held_out"}
    return [
        m
        for m in shop.messages
        if m["campaign_id"] == campaign["id"] and m["state"] in states and _now(shop, m["customer_no"]) == number
    ]


def _now(shop: RandomShop, number: int) -> int:
    seen = {number}
    while True:
        customer = _customer(shop, number)
        into = customer["merged_into"] if customer else None
        if into is None or into in seen:
            return number
        seen.add(into)
        number = into


def _declines(shop: RandomShop, number: int, topic: str) -> bool:
    """Whether the customer, somebody who became them or anybody with their address did not want such e-mails."""
    customer = _customer(shop, number)
    address = customer["email_hash"] if customer else None
    return any(
        one["topic"] == topic
        and (_now(shop, one["customer_no"]) == number or (address is not None and one["email_hash"] == address))
        for one in shop.declined
    )


def _of_product(shop: RandomShop, campaign: dict[str, Any], pair: dict[str, Any]) -> str | None:  # noqa: PLR0911
    if _declines(shop, pair["customer_no"], pair["kind"]):
        return "topic_declined"
    product = next(p for p in shop.products if p["product_no"] == pair["product_no"])
    if product["status"] != "ACTIVE" or product["is_gift_card"]:
        return "product_inactive"
    if product["total_inventory"] == 0:
        return "out_of_stock"
    lines = [
        line
        for line in shop.lines
        if line["counts"] and (line["customer_no"], line["product_no"]) == (pair["customer_no"], pair["product_no"])
    ]
    if pair["kind"] == "cross_sell":
        if lines:
            return "already_bought"
        if campaign["names_purchase"] and pair["because_product_no"] is None:
            return "no_product"
    elif any(line["by_subscription"] and line["ordered_at"] > shop.tick - 60 * DAY for line in lines):
        return "has_subscription"
    since = max((line["ordered_at"] for line in lines), default=None)
    got = [
        m
        for m in _had(shop, campaign, pair["customer_no"])
        if m["product_no"] == pair["product_no"]
        and m["stamped_at"] is not None
        and (since is None or m["stamped_at"] > since)
    ]
    return "repeat_limit" if len(got) >= campaign["repeats"] else None


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _lift(shop: RandomShop, pair: dict[str, Any]) -> float | None:
    for row in shop.associations:
        known = row["lift_shrunk"] is not None
        if known and (row["a"], row["b"]) == (pair["because_product_no"], pair["product_no"]):
            return _number(row["lift_shrunk"])
    return _number(pair["lift"])


def _rank(shop: RandomShop, campaign: dict[str, Any], pair: dict[str, Any]) -> tuple[Any, ...]:
    last = (campaign["created_at"], campaign["id"], pair["product_no"])
    if pair["kind"] == "repurchase":
        overdue = -math.inf if pair["expected_at"] is None else (shop.tick - pair["expected_at"]).total_seconds()
        return 0, -pair["probability"], -overdue, *last
    return 1, -(_lift(shop, pair) or 0.0), -pair["probability"], *last


def _opens(shop: RandomShop, campaign: dict[str, Any], number: int) -> datetime:
    """The first moment, to the second, at which the campaign's hours are open where the customer lives."""
    customer = _customer(shop, number)
    assert customer is not None
    zone = ZoneInfo(ZONES.get((customer["country"], customer["province"]), shop.zone))

    def is_open(moment: datetime) -> bool:
        local = moment.astimezone(zone)
        first, end = campaign["send_from_hour"], campaign["send_until_hour"]
        days = campaign["send_weekdays"]
        return (first is None or first <= local.hour < end) and (days is None or local.weekday() in days)

    if is_open(shop.tick):
        return shop.tick
    moment = shop.tick.replace(minute=0, second=0, microsecond=0)
    for quarter in range(1, 4 * 24 * 15):
        if is_open(moment + quarter * timedelta(minutes=15)):
            return (moment + quarter * timedelta(minutes=15)).astimezone(UTC)
    raise AssertionError("never opens")


def _held_out(shop: RandomShop, campaign: dict[str, Any], number: int) -> bool:
    of_shop = _coin(f"holdout of the shop:{shop.shop_id}:{number}") < USUAL_SHARE_OF_SHOP
    return of_shop or _coin(f"holdout:{shop.shop_id}:{campaign['id']}:{number}") < campaign["holdout_percent"] / 100


def _coin(text: str) -> float:
    return float((int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 11) / 2**53)


def _mail(shop: RandomShop, campaign: dict[str, Any], number: int, pair: dict[str, Any]) -> Mailed:
    product = pair["product_no"]
    bought = [
        line["ordered_at"] for line in shop.lines
        if line["counts"] and (line["customer_no"], line["product_no"]) == (number, product)
    ]  # fmt: skip
    again = pair["kind"] == "repurchase"
    cycle = f"{max(bought):%Y%m%dT%H%M%S}" if again and bought else "life"
    earlier = sum(
        m["campaign_id"] == campaign["id"] and m["product_no"] == product and _now(shop, m["customer_no"]) == number
        for m in shop.messages
    )
    opens = _opens(shop, campaign, number)
    return Mailed(
        customer_no=number,
        campaign_id=campaign["id"],
        product_no=product,
        kind=pair["kind"],
        because=product if again else pair["because_product_no"],
        probability=pair["probability"],
        lift=None if again else _lift(shop, pair),
        occurrence=f"{product}:{cycle}:{earlier + 1}",
        held_out=_held_out(shop, campaign, number),
        not_before=opens if opens > shop.tick else None,
        expires_at=opens + DAY,
    )
