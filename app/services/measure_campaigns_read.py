"""What measuring reads: every decision with its arm, what became of messages, and what customers then ordered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sqlalchemy import func, select

from app.domain.campaigns import DEFAULT_HOLDOUT_PERCENT
from app.services import topics
from app.services.import_customers import UNDO, survivors
from app.store.models.campaigns import Campaign, Link
from app.store.models.customers import ConsentEvent
from app.store.models.mail_events import MailEvent
from app.store.models.sending import MAILED, Message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    import duckdb
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext

MESSAGE_COLUMNS = (
    "id", "campaign", "customer", "product", "kind", "probability", "state", "planned_at", "stamped_at", "held",
    "held_shop", "held_by",
)  # fmt: skip
LINK_SOURCES = ("unsubscribe_link", "one_click")

PLACED = """
CREATE TEMP TABLE placed AS
SELECT coalesce(m.survivor, o.customer_no) AS customer, o.order_id, o.processed_at,
       coalesce(o.discounts_minor, 0) AS discounts_minor,
       list_transform(coalesce(o.discount_codes, []), lambda code: lower(code)) AS codes,
       CAST(coalesce(s.net_minor, 0) AS DOUBLE) AS net_minor, coalesce(s.products, []) AS products
FROM orders o
LEFT JOIN merged m ON m.loser = o.customer_no
LEFT JOIN (SELECT order_id, sum(net_minor) FILTER (WHERE NOT coalesce(is_gift_card, FALSE)) AS net_minor,
                  list(DISTINCT product_no) FILTER (WHERE counts) AS products
           FROM order_lines WHERE ordered_at >= $first GROUP BY order_id) s USING (order_id)
WHERE o.counts AND o.processed_at >= $first AND o.processed_at < $until
      AND coalesce(m.survivor, o.customer_no) IN (SELECT customer FROM customers_decided)"""

ORDERS = """
SELECT e.position, p.order_id, epoch(p.processed_at) - epoch(e.at) AS seconds, p.net_minor,
       list_contains(p.products, e.product) AS own
FROM entries e JOIN placed p
    ON p.customer = e.customer AND p.processed_at >= e.before AND p.processed_at < e.until
ORDER BY ALL"""


@dataclass(frozen=True)
class Decided:
    """Everything of a shop's campaigns that does not come from its orders.

    messages: one row per decision that a coin fell for, oldest first: MESSAGE_COLUMNS; customer is who they are after
              merges, held and held_shop are the chances in force of being held out
    clicks:   message, link, at, human
    left:     customer, at: unsubscribes by a link of ours
    links:    link number → address
    into:     merged customer → who they are now
    """

    campaigns: list[Campaign]
    messages: pd.DataFrame
    clicks: pd.DataFrame
    left: pd.DataFrame
    links: Mapping[int, str]
    into: Mapping[int, int]


@dataclass(frozen=True)
class Observed:
    """What mail servers and mailboxes told of a campaign's messages; None where nothing observes it."""

    delivered: int | None = None
    opened: int | None = None
    bounced: int | None = None
    complained: int | None = None


def decided(session: Session, ctx: ShopContext) -> Decided:
    """Read it all, as of now."""
    campaigns = list(session.scalars(select(Campaign).where(Campaign.shop_id == ctx.shop_id).order_by(Campaign.id)))
    into = survivors(session, ctx)
    percent = {row.id: row.holdout_percent for row in campaigns}
    rows = session.execute(
        select(
            Message.id, Message.campaign_id, Message.customer_no, Message.product_no, Message.kind, Message.probability,
            Message.state, Message.planned_at, Message.stamped_at, Message.holdout_probability,
            Message.shop_holdout_probability, Message.held_by,
        )
        .where(Message.shop_id == ctx.shop_id)
        .order_by(Message.planned_at, Message.id)
    ).all()  # fmt: skip
    messages = pd.DataFrame([tuple(row) for row in rows], columns=list(MESSAGE_COLUMNS))
    messages["customer"] = [into.get(number, number) for number in messages["customer"]]
    # Messages from before the chances were kept fell under the campaign's percentage, which never changed then.
    assumed = [percent.get(number, DEFAULT_HOLDOUT_PERCENT) / 100 for number in messages["campaign"]]
    messages["held"] = messages["held"].astype(float).fillna(pd.Series(assumed, index=messages.index, dtype=float))
    messages["held_shop"] = messages["held_shop"].astype(float).fillna(0.0)
    for column in ("planned_at", "stamped_at"):
        messages[column] = pd.to_datetime(messages[column], utc=True)
    addresses = session.execute(select(Link.id, Link.url).where(Link.shop_id == ctx.shop_id))
    links = {row.id: row.url for row in addresses}
    return Decided(campaigns, messages, _clicks(session, ctx), _left(session, ctx, into), links, into)


def _clicks(session: Session, ctx: ShopContext) -> pd.DataFrame:
    """Clicks as they are recorded; a person's is one that no machine is known to have made."""
    rows = session.execute(
        select(MailEvent.message_id, MailEvent.link_id, MailEvent.at, MailEvent.machine)
        .where(MailEvent.shop_id == ctx.shop_id, MailEvent.kind == "clicked", MailEvent.link_id.is_not(None))
        .order_by(MailEvent.at, MailEvent.id)
    )
    found = [(message, link, at, not machine) for message, link, at, machine in rows]
    frame = pd.DataFrame(found, columns=["message", "link", "at", "human"])
    frame["at"] = pd.to_datetime(frame["at"], utc=True)
    return frame


def _left(session: Session, ctx: ShopContext, into: Mapping[int, int]) -> pd.DataFrame:
    """customer, at, message: who left e-mail, or a topic of it, by a link of ours and did not come back by the same.

    Each message once, at the first such moment, however many records have its address. message is None for what was
    written before messages were: there each customer counts once.
    """
    query = select(
        ConsentEvent.customer_no, ConsentEvent.at, ConsentEvent.message_id, ConsentEvent.channel, ConsentEvent.state,
        ConsentEvent.source,
    ).where(
        ConsentEvent.shop_id == ctx.shop_id, ConsentEvent.source.in_((*LINK_SOURCES, UNDO, topics.SOURCE))
    ).order_by(ConsentEvent.id)  # fmt: skip
    gone: dict[str | int, tuple[int, datetime, str | None, set[str]]] = {}
    for number, at, message, channel, state, source in session.execute(query):
        customer = into.get(number, number)
        topic, _, choice = state.partition(":") if channel == topics.CHANNEL else ("", "", "")
        if source in LINK_SOURCES or choice == topics.DECLINED:
            gone.setdefault(message or customer, (customer, at, message, set()))[3].add(topic)
        elif (standing := gone.get(message or customer)) is not None:
            standing[3].discard(topic)
            if not standing[3]:
                del gone[message or customer]
    frame = pd.DataFrame([one[:3] for one in gone.values()], columns=["customer", "at", "message"])
    frame["at"] = pd.to_datetime(frame["at"], utc=True)
    return frame


def observed(session: Session, ctx: ShopContext, campaign_ids: Sequence[int]) -> dict[int, Observed]:
    """What was observed of each campaign's messages, each message counted once; openings by people only.

    Where nothing of a kind was ever told of the shop's messages, the kind is not observed there at all. What was
    refused at the hand-over never left: it is no bounce among these messages.
    """
    seen: dict[tuple[int, str], int] = {}
    kinds: set[str] = set()
    rows = session.execute(
        select(MailEvent.campaign_id, MailEvent.kind, func.count(MailEvent.message_id.distinct()))
        .where(
            MailEvent.shop_id == ctx.shop_id,
            MailEvent.source != "smtp",
            ~((MailEvent.kind == "opened") & MailEvent.machine),
        )
        .group_by(MailEvent.campaign_id, MailEvent.kind)
    )
    for campaign, kind, count in rows:
        seen[campaign, kind] = count
        kinds.add(kind)

    def told(number: int, kind: str) -> int | None:
        return seen.get((number, kind), 0) if kind in kinds else None

    return {
        number: Observed(*(told(number, kind) for kind in ("delivered", "opened", "bounced", "complained")))
        for number in campaign_ids
    }


def mailed(messages: pd.DataFrame) -> pd.DataFrame:
    """The messages that left, or may have left."""
    return messages[messages["state"].isin(MAILED) & messages["stamped_at"].notna()]


def place(connection: duckdb.DuckDBPyConnection, data: Decided, before: timedelta, until: datetime) -> None:
    """Gather, as the table `placed`, all orders that count of the customers at hand: once, for every campaign.

    From `before` the first decision up to `until`, under the number that each customer has after merges. net_minor is
    as segments count net sales; products are those really bought.
    """
    merged = {
        "loser": np.array(list(data.into), dtype=np.int32),
        "survivor": np.array(list(data.into.values()), dtype=np.int32),
    }
    connection.register("merged", merged)
    connection.register("customers_decided", {"customer": data.messages["customer"].unique().astype(np.int32)})
    try:
        first = (data.messages["planned_at"].min() - before).to_pydatetime()
        connection.execute(PLACED, {"first": first, "until": until})
    finally:
        connection.unregister("merged")
        connection.unregister("customers_decided")


def orders_around(
    connection: duckdb.DuckDBPyConnection,
    entries: pd.DataFrame,
    *,
    window: timedelta,
    before: timedelta,
) -> pd.DataFrame:
    """The orders, among those in `placed`, of each entry's customer from `before` it to `window` after it.

    entries: customer, product, at; the place of a row is its position.

    Returns position, order_id, seconds (from the entry; negative: before), net_minor, own (whether the entry's product
    was bought).
    """
    asked = pd.DataFrame(
        {
            "position": np.arange(len(entries)),
            "customer": entries["customer"].to_numpy(dtype=np.int32),
            "product": entries["product"].to_numpy(dtype=np.int32),
            "at": entries["at"].array,
            "before": (entries["at"] - before).array,
            "until": (entries["at"] + window).array,
        }
    )
    connection.register("entries", asked)
    try:
        found: dict[str, Any] = connection.execute(ORDERS).fetchnumpy()
    finally:
        connection.unregister("entries")
    return pd.DataFrame({name: np.asarray(values) for name, values in found.items()})
