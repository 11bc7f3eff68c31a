"""What a managed discount may be: its bounds, its codes, its periods, its words."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal

from app.domain.campaigns import Unresolved
from app.domain.money import to_text

if TYPE_CHECKING:
    from app.domain.context import ShopContext

MAX_LEVELS = 4
MIN_VALIDITY_DAYS, MAX_VALIDITY_DAYS = 3, 60
MIN_NONE_PERCENT, MAX_NONE_PERCENT = 5, 50
MOST_MINOR = 10_000_000_00
PERCENT = 100
GIVE_DAYS = 7  # how long codes of one pool are handed out: a code works for the promised days and up to a week more
ALL = "all"
# No vowels and nothing that reads as something else: no words by chance, no I and 1, no O and 0.
ALPHABET = "23456789BCDFGHJKLMNPQRSTVWXZ"
CODE_LENGTH = 14  # 28^14 = 2^67: guessing a million a second finds none of a million codes within a year

Period = Literal["campaign", "month"]


@dataclass(frozen=True)
class Plan:
    """What a merchant allows; amounts in minor units of the shop's currency.

    levels:         fixed amounts, one of which a customer may get
    none_percent:   get none by chance whatever the policy says, so that the effect can be measured
    margin_percent: what the shop keeps of a price before a discount; the policy weighs a discount against it
    """

    levels: tuple[int, ...] = ()
    ceiling_minor: int = 0
    min_basket_minor: int = 0
    validity_days: int = 14
    budget_minor: int = 0
    budget_period: Period = "campaign"
    none_percent: int = 10
    margin_percent: int = 50

    def problems(self, currency: str) -> list[Unresolved]:
        """What keeps the plan from being used, each under its field; the first of a field says it."""
        most = max(self.levels, default=0)
        checks = (
            ("levels", not self.levels, "Give at least one amount."),
            ("levels", len(self.levels) > MAX_LEVELS, f"At most {MAX_LEVELS} amounts, so that each is tried often."),
            ("levels", min(self.levels, default=1) <= 0, "Amounts are above zero."),
            ("levels", len(set(self.levels)) != len(self.levels), "Each amount stands once."),
            ("ceiling_minor", not 0 < self.ceiling_minor <= MOST_MINOR, "Say what a code may be worth at most."),
            ("levels", most > self.ceiling_minor,
             f"No amount may be above your maximum of {to_text(self.ceiling_minor, currency)}."),
            ("min_basket_minor", not 0 <= self.min_basket_minor <= MOST_MINOR, "The smallest order is zero or more."),
            ("min_basket_minor", 0 < self.min_basket_minor < most,
             "The smallest order must not be below the largest amount."),
            ("validity_days", not MIN_VALIDITY_DAYS <= self.validity_days <= MAX_VALIDITY_DAYS,
             f"Between {MIN_VALIDITY_DAYS} and {MAX_VALIDITY_DAYS} days."),
            ("budget_minor", not 0 < self.budget_minor <= MOST_MINOR, "Say what all codes together may cost."),
            ("budget_minor", self.budget_minor < most, "The budget does not pay for one code."),
            ("none_percent", not MIN_NONE_PERCENT <= self.none_percent <= MAX_NONE_PERCENT,
             f"Between {MIN_NONE_PERCENT} and {MAX_NONE_PERCENT} percent: it is what the effect is measured against."),
            ("margin_percent", not 1 <= self.margin_percent <= PERCENT, "Between 1 and 100 percent."),
        )  # fmt: skip
        found: dict[str, str] = {}
        for name, wrong, text in checks:
            if wrong:
                found.setdefault(name, text)
        return [Unresolved("discount", name, text) for name, text in found.items()]


@dataclass(frozen=True)
class Given:
    """A code as one message shows it."""

    code: str
    text: str
    amount_minor: int = 0
    ends_at: datetime | None = None


@dataclass
class Claims:
    """What a claim came to. given: by message. waiting: were promised a code and none is ready. fresh: offered now."""

    given: dict[str, Given] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    fresh: set[str] = field(default_factory=set)


def new_code() -> str:
    """A code nobody can guess, from the system's own randomness: `XXXX-XXXXX-XXXXX`."""
    text = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    return f"{text[:4]}-{text[4:9]}-{text[9:]}"


def period_of(ctx: ShopContext, kind: str, now: datetime) -> str:
    """The budget that an offer made now comes from."""
    return f"{now.astimezone(ctx.zone):%Y-%m}" if kind == "month" else ALL


def window(ctx: ShopContext, validity_days: int, now: datetime) -> tuple[datetime, datetime]:
    """(until when codes of the current pool are handed out, until when they work), both at the shop's midnight.

    Weeks are counted from a fixed Monday, so that every process finds the same pool.
    """
    day = now.astimezone(ctx.zone).date()
    start = day - timedelta(days=(day.toordinal() - 1) % GIVE_DAYS)
    until = start + timedelta(days=GIVE_DAYS)
    return _midnight(ctx, until), _midnight(ctx, until + timedelta(days=validity_days))


def _midnight(ctx: ShopContext, day: date) -> datetime:
    return datetime.combine(day, time(), ctx.zone).astimezone(UTC)


def words(ctx: ShopContext, amount_minor: int, min_basket_minor: int, ends_at: datetime) -> str:
    """What stands beside a code. ends_at: the first instant at which it no longer works."""
    last = (ends_at - timedelta(seconds=1)).astimezone(ctx.zone)
    floor = f" of {to_text(min_basket_minor, ctx.currency)} or more" if min_basket_minor else ""
    return f"{to_text(amount_minor, ctx.currency)} off one order{floor}, until {last:%-d %B %Y}"
