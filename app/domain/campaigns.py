"""What a campaign may be: its states, its timing, the closed list of reasons, the holdout coin."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from app.domain.timetable import EVERY_DAY, HOURS, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

MIN_EVERY_DAYS = 7
MAX_EVERY_DAYS = 365
MAX_WAIT_DAYS = 90
MAX_REPEATS = 10
MAX_NAME_LENGTH = 120
DEFAULT_EVERY_DAYS = 21
DEFAULT_WAIT_DAYS = 14
DEFAULT_REPEATS = 2
DEFAULT_HOLDOUT_PERCENT = 10
GOOD_FOR = timedelta(hours=24)  # a message that waits longer is decided anew, never sent late

Kind = Literal["repurchase", "cross_sell"]
Frequency = Literal["once", "every", "optimise"]
State = Literal["draft", "active", "paused", "ended", "deleted"]

TRANSITIONS: Mapping[State, tuple[State, ...]] = {
    "draft": ("active", "deleted"),
    "active": ("paused", "ended", "deleted"),
    "paused": ("active", "ended", "deleted"),
    "ended": ("deleted",),
    "deleted": ("draft", "paused", "ended"),
}
"""Where a campaign may go from where. Ended is the end: who wants it again clones it, and its numbers stay its own.

A deletion can be taken back; what ran before goes by way of paused, so that it starts only if nothing is missing.
"""


class Reason(StrEnum):
    """Why a customer was not mailed. Closed: whoever is left out has exactly one of these."""

    ERASED = "erased"
    NO_ADDRESS = "no_address"
    INVALID_ADDRESS = "invalid_address"
    SUPPRESSED = "suppressed"
    NOT_SUBSCRIBED = "not_subscribed"
    NOT_IN_SEGMENT = "not_in_segment"
    NO_PRODUCT = "no_product"
    PRODUCT_INACTIVE = "product_inactive"
    OUT_OF_STOCK = "out_of_stock"
    WAIT_AFTER_PURCHASE = "wait_after_purchase"
    ALREADY_BOUGHT = "already_bought"
    HAS_SUBSCRIPTION = "has_subscription"
    REPEAT_LIMIT = "repeat_limit"
    ONCE_ONLY = "once_only"
    FREQUENCY = "frequency"
    MESSAGE_UNDER_WAY = "message_under_way"
    QUIET_HOURS = "quiet_hours"
    WEEKLY_CAP = "weekly_cap"
    BETTER_CAMPAIGN = "better_campaign"
    HELD_OUT = "held_out"
    CAMPAIGN_NOT_ACTIVE = "campaign_not_active"
    CAMPAIGN_CHANGED = "campaign_changed"
    SENDER_NOT_VERIFIED = "sender_not_verified"
    NO_POSTAL_ADDRESS = "no_postal_address"
    EXPIRED = "expired"
    RESTORED = "restored"
    TOPIC_DECLINED = "topic_declined"


REASON_TEXTS: Mapping[Reason, str] = {
    Reason.ERASED: "The customer's data was erased",
    Reason.NO_ADDRESS: "No e-mail address is known",
    Reason.INVALID_ADDRESS: "The e-mail address can't be mailed",
    Reason.SUPPRESSED: "The address is suppressed after a bounce or complaint",
    Reason.NOT_SUBSCRIBED: "Not subscribed to e-mail marketing",
    Reason.NOT_IN_SEGMENT: "No longer in the segment",
    Reason.NO_PRODUCT: "No product is likely enough for this customer",
    Reason.PRODUCT_INACTIVE: "The product is not on sale",
    Reason.OUT_OF_STOCK: "The product is out of stock",
    Reason.WAIT_AFTER_PURCHASE: "Bought too recently",
    Reason.ALREADY_BOUGHT: "Has bought the product already",
    Reason.HAS_SUBSCRIPTION: "Gets the product by subscription",
    Reason.REPEAT_LIMIT: "Has received this e-mail as often as allowed",
    Reason.ONCE_ONLY: "Has received this campaign, which mails once",
    Reason.FREQUENCY: "Received this campaign too recently",
    Reason.MESSAGE_UNDER_WAY: "Another message is on its way",
    Reason.QUIET_HOURS: "The campaign's hours and weekdays are more than a day away where the customer lives",
    Reason.WEEKLY_CAP: "Weekly cap: mailed within the last seven days",
    Reason.BETTER_CAMPAIGN: "Another campaign or product suited better",
    Reason.HELD_OUT: "Held out, to measure what the campaign adds",
    Reason.CAMPAIGN_NOT_ACTIVE: "The campaign was not active at hand-over",
    Reason.CAMPAIGN_CHANGED: "The campaign was changed while the message waited; it is decided anew",
    Reason.SENDER_NOT_VERIFIED: "The sender was not verified at hand-over",
    Reason.NO_POSTAL_ADDRESS: "The sender had no postal address at hand-over",
    Reason.EXPIRED: "The message was not handed over in time",
    Reason.RESTORED: "The store was restored from a backup; the message is decided anew",
    Reason.TOPIC_DECLINED: "Does not want this kind of e-mail",
}


@dataclass(frozen=True)
class Unresolved:
    """One thing that keeps a campaign from being activated."""

    step: str
    field: str
    message: str


@dataclass(frozen=True)
class TimingRules:
    """How often one customer may get a campaign, and how soon after an order.

    every_days: only read when frequency is `every`; from the last hand-over of this campaign.
    With `optimise` the wait was drawn for each customer when they got the campaign last.
    send_from_hour, send_until_hour, send_weekdays: when messages may leave, on the customer's clock; None: no limit.
    ends_on: the last day, of the shop's calendar; None: until somebody ends it.
    """

    frequency: Frequency = "once"
    every_days: int = DEFAULT_EVERY_DAYS
    wait_days: int = DEFAULT_WAIT_DAYS
    repeats: int = DEFAULT_REPEATS
    send_from_hour: int | None = None
    send_until_hour: int | None = None
    send_weekdays: tuple[int, ...] | None = None
    ends_on: date | None = None

    @property
    def window(self) -> Window:
        """The hours and weekdays at which messages may leave."""
        return Window(
            0 if self.send_from_hour is None else self.send_from_hour,
            HOURS if self.send_until_hour is None else self.send_until_hour,
            EVERY_DAY if self.send_weekdays is None else frozenset(self.send_weekdays),
        )

    def too_soon(self, last: datetime | None, now: datetime, drawn_days: int | None = None) -> Reason | None:
        """Why a customer may not get the campaign again, given when they got it last.

        drawn_days: the wait that was drawn then; None if the app did not choose yet.
        """
        if last is None:
            return None
        if self.frequency == "once":
            return Reason.ONCE_ONLY
        days = self.every_days if self.frequency == "every" else drawn_days or DEFAULT_EVERY_DAYS
        return Reason.FREQUENCY if now - last < timedelta(days=days) else None

    def used_up(self, times: Iterable[datetime], since: datetime | None) -> Reason | None:
        """Whether a customer got a product's e-mail as often as allowed. since: only later ones count."""
        count = sum(since is None or at > since for at in times)
        return Reason.REPEAT_LIMIT if count >= self.repeats else None

    def problems(self) -> list[Unresolved]:
        """What is out of bounds, with the reason."""
        found: list[Unresolved] = []
        if self.frequency not in {"once", "every", "optimise"}:
            text = "Choose once, every so many days, or let the app optimise."
            found.append(Unresolved("timing", "frequency", text))
        if self.frequency == "every" and self.every_days < MIN_EVERY_DAYS:
            found.append(
                Unresolved(
                    "timing",
                    "every_days",
                    f"At least {MIN_EVERY_DAYS} days: nobody gets more than one e-mail in a rolling week.",
                )
            )
        if self.every_days > MAX_EVERY_DAYS:
            found.append(Unresolved("timing", "every_days", f"At most {MAX_EVERY_DAYS} days."))
        if not 0 <= self.wait_days <= MAX_WAIT_DAYS:
            found.append(Unresolved("timing", "wait_days", f"Between 0 and {MAX_WAIT_DAYS} days."))
        if not 1 <= self.repeats <= MAX_REPEATS:
            found.append(Unresolved("timing", "repeats", f"Between 1 and {MAX_REPEATS} times."))
        window = self.window
        if not 0 <= window.from_hour < window.until_hour <= HOURS:
            text = "The hours must begin before they end, within one day."
            found.append(Unresolved("timing", "send_from_hour", text))
        if not window.weekdays or not window.weekdays <= EVERY_DAY:
            found.append(Unresolved("timing", "send_weekdays", "Choose at least one weekday."))
        return found

    def is_over(self, today: date) -> bool:
        """Whether the last day has passed. today: of the shop's calendar."""
        return self.ends_on is not None and self.ends_on < today


def name_problems(name: str | None, taken: bool) -> list[Unresolved]:  # noqa: FBT001 - reads well at its one call
    """What is wrong with a campaign's internal name. `taken`: another campaign has it, ignoring case."""
    text = (name or "").strip()
    if not text:
        return [Unresolved("name", "name", "Give the campaign a name; customers never see it.")]
    if len(text) > MAX_NAME_LENGTH:
        return [Unresolved("name", "name", f"At most {MAX_NAME_LENGTH} characters.")]
    if taken:
        return [Unresolved("name", "name", "Another campaign has this name.")]
    return []


def fold_name(name: str) -> str:
    """The form in which two campaign names are the same name."""
    return " ".join(name.split()).casefold()


def is_held_out(shop_id: int, campaign_id: int, customer_no: int, percent: int) -> bool:
    """The holdout coin: the same customer always lands in the same arm of the same campaign."""
    return uniform("holdout", shop_id, campaign_id, customer_no) < percent / 100


def uniform(*parts: str | int) -> float:
    """A number in [0, 1) that is always the same for the same parts, and as good as random over different ones."""
    digest = hashlib.sha256(":".join(str(part) for part in parts).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def next_states(state: State) -> tuple[State, ...]:
    """Where a campaign may go from `state`; nowhere from a state that there is not."""
    return TRANSITIONS.get(state, ())
