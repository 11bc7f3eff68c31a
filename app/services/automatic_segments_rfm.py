"""The RFM grid: recency against frequency and spend, both in fifths, cut into the eleven groups merchants know.

Every cell of the grid is in exactly one group, so the groups split all buyers. How the scores come about:
`customer_features`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.services.automatic_segments import Definition, all_of, attr

if TYPE_CHECKING:
    import duckdb

Span = tuple[int, int]
BEST = 5


@dataclass(frozen=True)
class Group:
    """A rectangle of the grid: both ends of a span are in."""

    key: str
    name: str
    recency: Span
    worth: Span
    category: str
    why: str
    action: str


GROUPS = (
    Group("champions", "Champions", (5, 5), (4, 5), "behavioral",
          "They ordered last, often, and for much.", "Ask for reviews and referrals; give them the new things first."),
    Group("loyal", "Loyal", (3, 4), (4, 5), "behavioral",
          "They come often and spend well.", "Recommend by their history; leave discounts to others."),
    Group("potential", "Potential loyalists", (4, 5), (2, 3), "behavioral",
          "They were here lately and came more than once.", "Help the habit along: bundles, a second product type."),
    Group("new", "New", (5, 5), (1, 1), "behavioral",
          "They have just found you.", "Welcome them, and show what others bought next."),
    Group("promising", "Promising", (4, 4), (1, 1), "behavioral",
          "Not long ago, and not much yet.", "Remind them of the first order, and suggest the second."),
    Group("attention", "Need attention", (3, 3), (2, 3), "retain",
          "Average customers who begin to go quiet.", "Write now, with what they usually buy."),
    Group("sleepy", "About to sleep", (3, 3), (1, 1), "retain",
          "They bought little, and some time ago.", "One good recommendation; no costly offer."),
    Group("at_risk", "At risk", (1, 2), (3, 4), "retain",
          "Good customers who have not been here for long.", "Ask what was missing, with a reason to return."),
    Group("cant_lose", "Can't lose them", (1, 2), (5, 5), "retain",
          "Once among your best, and silent now.", "Contact them personally, before anybody else."),
    Group("hibernating", "Hibernating", (2, 2), (1, 2), "retain",
          "Little bought, long ago.", "A seasonal mail is enough."),
    Group("lost", "Lost", (1, 1), (1, 2), "retain",
          "Little bought, and longest ago.", "One last offer, then leave them out of campaigns."),
)  # fmt: skip

KEYS = tuple(f"auto:rfm_{group.key}" for group in GROUPS)
"""Disjoint, and together all buyers."""


def definitions(connection: duckdb.DuckDBPyConnection) -> list[Definition]:
    """The eleven groups. The days in brackets are those that the scores stand for in this shop now."""
    days = {
        score: (newest, oldest)
        for score, newest, oldest in connection.execute(
            "SELECT rfm_recency, min(days_since_order), max(days_since_order) FROM features GROUP BY 1"
        ).fetchall()
    }
    return [
        Definition(
            f"auto:rfm_{group.key}", f"RFM: {group.name}", group.category,
            f"Recency score {_words(group.recency)}{_bracket(group.recency, days)}, frequency and spend score"
            f" {_words(group.worth)}, each of {BEST}.",
            group.why, group.action,
            all_of(_scored("rfm.recency", group.recency), _scored("rfm.worth", group.worth)),
        )
        for group in GROUPS
    ]  # fmt: skip


def _scored(name: str, span: Span) -> dict[str, Any]:
    low, high = span
    return attr(name, "is", low) if low == high else attr(name, "between", [low, high])


def _words(span: Span) -> str:
    low, high = span
    return f"{low}" if low == high else f"{low} to {high}"


def _bracket(span: Span, days: dict[int, tuple[int, int]]) -> str:
    found = [days[score] for score in range(span[0], span[1] + 1) if score in days]
    if not found:
        return ""
    newest, oldest = min(one[0] for one in found), max(one[1] for one in found)
    return f" (last order {newest:,} to {oldest:,} days ago)"
