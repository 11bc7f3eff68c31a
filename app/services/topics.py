"""Which kinds of marketing e-mail customers do not want, although they are subscribed.

Two topics, as campaigns have two kinds. Shopify knows only "subscribed": a topic is Encore's own, and is
never written back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from app.store.counters import allocate
from app.store.models.customers import ConsentEvent, Customer
from app.store.models.topics import DeclinedTopic
from app.store.rowset import packed, statement

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext

TOPICS: Mapping[str, str] = {
    "repurchase": "Reminders to buy something again",
    "cross_sell": "Suggestions of products that are new to me",
}
DECLINED_BY = """WITH asked AS (
    SELECT c.shop_id, c.customer_no, c.email_hash FROM {rows}
    JOIN customers c ON c.shop_id = :shop AND c.customer_no = r.id
)
SELECT a.customer_no, d.topic FROM asked a
JOIN declined_topics d ON d.shop_id = a.shop_id AND d.customer_no = a.customer_no
UNION SELECT a.customer_no, d.topic FROM asked a
JOIN declined_topics d ON d.shop_id = a.shop_id AND d.email_hash = a.email_hash
UNION SELECT a.customer_no, d.topic FROM asked a
JOIN customers m ON m.shop_id = a.shop_id AND m.merged_into = a.customer_no
JOIN declined_topics d ON d.shop_id = m.shop_id AND d.customer_no = m.customer_no"""
DECLINED, WANTED = "declined", "wanted"
SOURCE = "preferences"
CHANNEL = "topic"  # of consent events; what Shopify and the unsubscribe link say is `email`


def declined(session: Session, ctx: ShopContext, customers: Collection[int] | None = None) -> set[tuple[int, str]]:
    """(customer number, topic) of all that must not be mailed, or of these customers alone.

    A choice follows the person: to whom the customer was merged into, and to every record with the address.
    Lock the customers first where a choice that is made at the same time must be seen.
    """
    same_shop = DeclinedTopic.shop_id == Customer.shop_id
    number, survivor = Customer.customer_no, Customer.merged_into
    found: set[tuple[int, str]] = set()
    for column, joined in (
        (number, Customer.customer_no == DeclinedTopic.customer_no),
        (survivor, Customer.customer_no == DeclinedTopic.customer_no),
        (number, Customer.email_hash == DeclinedTopic.email_hash),
    ):
        query = select(column, DeclinedTopic.topic).join(DeclinedTopic, same_shop & joined)
        query = query.where(Customer.shop_id == ctx.shop_id, column.is_not(None))
        if customers is not None:
            query = query.where(column.in_(list(customers)))
        found.update((int(who), topic) for who, topic in session.execute(query) if who is not None)
    return found


def declined_by(session: Session, ctx: ShopContext, customers: Iterable[int]) -> set[tuple[int, str]]:
    """The same of these customers alone."""
    rows = packed(session, [{"id": number} for number in customers])
    found = session.execute(statement(session, DECLINED_BY, id="integer"), {"shop": ctx.shop_id, "rows": rows})
    return {(who, topic) for who, topic in found}


def choose(
    session: Session,
    ctx: ShopContext,
    customers: Iterable[Customer],
    wanted: Collection[str],
    now: datetime,
    message_id: str | None = None,
) -> bool:
    """Write which topics these customers want, all others being declined; says whether anything changed.

    customers: locked, and all records of one person: what any of them declined, all of them did. message_id: whose link
    they followed.
    """
    rows = list(customers)
    standing = declined(session, ctx, [row.customer_no for row in rows])
    changed = False
    for topic in TOPICS:
        for row in rows:
            was, is_now = (row.customer_no, topic) in standing, topic not in wanted
            if was == is_now:
                continue
            changed = True
            event = ConsentEvent(
                shop_id=ctx.shop_id,
                id=allocate(session, ctx.shop_id, "consent_events"),
                customer_no=row.customer_no,
                channel=CHANNEL,
                state=f"{topic}:{DECLINED if is_now else WANTED}",
                previous=f"{topic}:{DECLINED if was else WANTED}",
                at=now,
                source=SOURCE,
                message_id=message_id,
            )
            session.add(event)
            if is_now:
                session.merge(
                    DeclinedTopic(
                        shop_id=ctx.shop_id,
                        customer_no=row.customer_no,
                        topic=topic,
                        email_hash=row.email_hash,
                        declined_at=now,
                    )
                )
    taken_back = [topic for topic in TOPICS if topic in wanted]
    numbers = [row.customer_no for row in rows]
    merged = select(Customer.customer_no).where(Customer.shop_id == ctx.shop_id, Customer.merged_into.in_(numbers))
    hashes = [row.email_hash for row in rows if row.email_hash is not None]
    session.execute(
        delete(DeclinedTopic).where(
            DeclinedTopic.shop_id == ctx.shop_id,
            DeclinedTopic.topic.in_(taken_back),
            DeclinedTopic.customer_no.in_(numbers)
            | DeclinedTopic.customer_no.in_(merged)
            | DeclinedTopic.email_hash.in_(hashes),
        )
    )
    session.flush()
    return changed
