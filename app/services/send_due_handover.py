"""From stamped messages to the mail server: each is composed, all are handed over, every ending is told."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from app.domain.machines import DEFAULT_OPEN_TRACKING, may_observe_opens
from app.mail.delivery import GIVE_UP_AFTER, Delivery
from app.services import discounts, mail_events, senders
from app.services.campaigns_audience import newest_history, products
from app.services.plan_sends_candidates import Purchases, purchases
from app.services.plan_sends_facts import zones_of
from app.services.send_due_compose import (
    Addressee,
    Contact,
    Frame,
    contact_of,
    envelope,
    public_url,
    rendered,
    with_code,
)
from app.store import outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from zoneinfo import ZoneInfo

    from app.domain.campaigns import TimingRules
    from app.domain.context import ShopContext
    from app.domain.discounts import Given
    from app.domain.timetable import Window
    from app.mail.delivery import Envelope
    from app.services.campaigns_audience import Product
    from app.services.rooms import Rooms
    from app.store.models.campaigns import Campaign
    from app.store.models.senders import Sender
    from app.store.outbox import Due

log = structlog.get_logger()


class Running(NamedTuple):
    """A campaign as it stands, and what follows from it. row: all of its columns, to notice any change."""

    row: tuple[Any, ...]
    campaign: Campaign
    timing: TimingRules
    window: Window


@dataclass
class Desk:
    """What composing needs, read together with the stamps.

    read_customers, read_products: whom and what the lake was asked about. Of anybody else a missing
    purchase says nothing.
    managed: a campaign leaves its discounts to Encore, so baskets are read. codes: by message. offered: messages whose
    offer was drawn in this transaction.
    left: how many of the messages that it was read for may still be in line.
    campaigns, senders: by number, with the row that they were made from.
    links: of the campaigns `linked`, up to the link `newest_link`.
    """

    customers: dict[int, Addressee] = field(default_factory=dict)
    frames: dict[tuple[int, int, int], Frame] = field(default_factory=dict)
    campaigns: dict[int, Running] = field(default_factory=dict)
    senders: dict[int, tuple[tuple[Any, ...], Sender]] = field(default_factory=dict)
    links: dict[tuple[int, str], int] = field(default_factory=dict)
    linked: set[int] = field(default_factory=set)
    newest_link: int | None = None
    products: dict[int, Product] = field(default_factory=dict)
    purchases: Purchases = field(default_factory=Purchases)
    zones: dict[int, ZoneInfo] = field(default_factory=dict)
    history: int | None = None
    read_customers: set[int] = field(default_factory=set)
    read_products: set[int] = field(default_factory=set)
    managed: bool = False
    baskets: dict[int, int] = field(default_factory=dict)
    codes: dict[str, Given] = field(default_factory=dict)
    offered: set[str] = field(default_factory=set)
    left: int = 0
    open_tracking: str = DEFAULT_OPEN_TRACKING

    def frame_of(self, message: Due) -> Frame:
        """What the message shares with others."""
        return self.frames[message.campaign_id, message.content_version, message.sender_id]

    def covers(self, messages: Iterable[Due]) -> bool:
        """Whether the lake was asked about all of these."""
        return all(m.customer_no in self.read_customers and products_of(m) <= self.read_products for m in messages)


def products_of(message: Due) -> set[int]:
    """The products that a message's words speak of."""
    return {number for number in (message.product_no, message.purchased_product_no) if number is not None}


def fill_from_lake(rooms: Rooms, ctx: ShopContext, messages: Sequence[Due], desk: Desk) -> None:
    """Read all that these messages need; what was read for others is forgotten, it may be older."""
    history = newest_history(rooms, ctx)
    if history is None:
        return
    desk.history, connection = history
    desk.read_customers = {m.customer_no for m in messages}
    desk.read_products = {number for m in messages for number in products_of(m)}
    desk.products = products(connection, ctx, desk.read_products)
    desk.purchases = purchases(connection, desk.read_customers, desk.read_products)
    desk.zones = zones_of(connection, ctx, desk.read_customers)
    if desk.managed:
        desk.baskets = discounts.baskets(connection, desk.read_customers)
    connection.close()


def left_by_domain(stamped: Sequence[Due], desk: Desk, outcomes: Sequence[outbox.Outcome]) -> Counter[str]:
    """How many messages left, or may have, from each domain."""
    left = {outcome.message_id for outcome in outcomes if outcome.result in {"accepted", "unknown"}}
    frames = (desk.frame_of(message) for message in stamped if message.id in left)
    return Counter(frame.from_address.rpartition("@")[2].lower() for frame in frames)


def hand_over(
    rooms: Rooms,
    ctx: ShopContext,
    stamped: Sequence[Due],
    desk: Desk,
    started: float,
    monotonic: Callable[[], float],
) -> tuple[list[outbox.Outcome], bool]:
    """(how each ended, whether the mail server seems to be away)."""
    outcomes: list[outbox.Outcome] = []
    packed: list[Envelope] = []
    for message in stamped:
        try:
            packed.append(_compose(rooms, ctx, message, desk))
        except Exception as fault:  # noqa: BLE001 - nothing was said to the server yet: one odd message, not the batch
            kind = type(fault).__name__
            log.warning("message_not_composed", shop_id=ctx.shop_id, message=message.id, kind=kind)
            outcomes.append(outbox.Outcome(message.id, "refused", f"compose: {kind}"))
    deliveries = _deliver(rooms, ctx, packed, lambda: outbox.in_time(started, monotonic()))
    for envelope_, delivery in zip(packed, deliveries, strict=True):
        outcomes.append(outbox.Outcome(envelope_.message_id, delivery.result, delivery.detail))
    return outcomes, sum(delivery.unreachable for delivery in deliveries) >= GIVE_UP_AFTER


def _deliver(
    rooms: Rooms, ctx: ShopContext, packed: Sequence[Envelope], still_allowed: Callable[[], bool]
) -> list[Delivery]:
    if not packed:
        return []
    try:
        return rooms.transport.deliver_many(packed, still_allowed)
    except Exception as fault:  # noqa: BLE001 - whatever it was, each may have been after its final dot
        # The kind alone: the text and the traceback may hold an address.
        log.error("transport_failed", shop_id=ctx.shop_id, messages=len(packed), kind=type(fault).__name__)  # noqa: TRY400
        return [Delivery("unknown", f"transport: {type(fault).__name__}")] * len(packed)


def _compose(rooms: Rooms, ctx: ShopContext, message: Due, desk: Desk) -> Envelope:
    customer = desk.customers[message.customer_no]
    contact = contact_of(rooms, ctx, customer)
    product = desk.products[message.product_no]
    frame = with_code(desk.frame_of(message), desk.codes.get(message.id))
    shown, unsubscribe = rendered(
        rooms,
        ctx,
        frame,
        message_id=message.id,
        customer_no=message.customer_no,
        first_name=contact.first_name,
        recommended=product,
        purchased=desk.products.get(message.purchased_product_no or 0),
        tracked=desk.links,
        open_url=_open_url(rooms, ctx, desk, customer, message),
    )
    name = mail_events.reference(ctx, message.id)
    return envelope(
        rooms,
        frame,
        shown,
        to_address=_stamped_address(rooms, customer, contact),
        message_id=message.id,
        unsubscribe_url=unsubscribe,
        now=rooms.clock.now(),
        bounces_to=return_address(rooms.settings.bounce_address, name),
        reference=name,
    )


def _open_url(rooms: Rooms, ctx: ShopContext, desk: Desk, customer: Addressee, message: Due) -> str | None:
    """The picture that tells of an opening, for those whose openings may be observed."""
    if not may_observe_opens(desk.open_tracking, customer.open_tracking):
        return None
    return public_url(rooms, f"o/{senders.tokens(rooms).make('open', [ctx.shop_id, message.id])}")


def return_address(bounce_address: str, name: str) -> str:
    """Where bounces of a message go: our address, with the message's name in it; empty where none is set up."""
    local, at, domain = bounce_address.rpartition("@")
    return f"{local}+{name}@{domain}" if at else ""


def _stamped_address(rooms: Rooms, customer: Addressee, contact: Contact) -> str:
    """The contact's address, if it is the one whose week was stamped. Raises LookupError."""
    if rooms.vault.email_hash(contact.email or "") != customer.email_hash:
        raise LookupError("the sealed address and its hash differ")
    return contact.email or ""
