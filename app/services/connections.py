"""A merchant's accounts at Klaviyo and Mailchimp: connect, check, disconnect. And the tiles that show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import func, select, update

from app.errors import Conflict, Invalid, NotFound, Unavailable
from app.services.sync_segment import connection_subject, number_of, open_destination
from app.store.counters import allocate
from app.store.models.connections import Connection, Sync
from app.store.models.shops import Shop, ShopToken
from connectors.base import ConnectorError, NotAuthorised, Throttled, Transient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.errors import EncoreError
    from app.services.rooms import Rooms
    from connectors.base import Account, Description

log = structlog.get_logger()

CONNECTED = "connected"
NEEDS_RECONNECT = "needs_reconnect"
AUTH_PROBLEM = "not_authorised"

SHOPIFY_SCOPES = {
    "read_all_orders": "To learn reorder rhythms from your whole order history.",
    "read_orders": "To see what was bought, when and by whom.",
    "read_products": "To name products and to recommend only what you sell.",
    "read_customers": "To segment customers and to respect their consent.",
    "write_customers": "To see customers and their consent, and to record an unsubscribe in your shop.",
    "write_discounts": "To create the discount codes that your campaigns promise.",
    "write_marketing_events": "To show your campaigns among your shop's marketing activities.",
}


def tiles(rooms: Rooms, ctx: ShopContext) -> dict[str, Any]:
    """Every vendor as a tile, the shop itself first."""
    with rooms.store.reading(ctx) as session:
        shop = session.get(Shop, ctx.shop_id)
        token = session.get(ShopToken, ctx.shop_id)
        rows = session.scalars(
            select(Connection).where(Connection.shop_id == ctx.shop_id).order_by(Connection.id)
        ).all()
        shown = [_shown(session, ctx, row) for row in rows]
    vendors = [_tile(description, shown) for description in rooms.connectors.descriptions()]
    return {"items": [_shopify_tile(ctx, shop, token), *vendors]}


def connect(rooms: Rooms, ctx: ShopContext, vendor: str, api_key: str) -> dict[str, Any]:
    """Check a key at the vendor and keep it sealed.

    A key of an account that is connected already replaces the old one: its syncs go on where they were.
    Raises Invalid (field api_key) when the vendor refuses it, Unavailable when it can't be reached.
    """
    credentials = {"api_key": api_key.strip()}
    account = _ask(rooms, vendor, credentials)
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        same = (Connection.shop_id == ctx.shop_id, Connection.vendor == vendor, Connection.account_id == account.id)
        row = session.scalars(select(Connection).where(*same)).one_or_none()
        if row is None:
            row = Connection(
                shop_id=ctx.shop_id,
                id=allocate(session, ctx.shop_id, "connections"),
                vendor=vendor,
                account_id=account.id,
                created_at=now,
            )
            session.add(row)
        row.account_name = account.name
        row.sealed = rooms.vault.seal(ctx.shop_id, connection_subject(row.id), credentials)
        _mark_working(session, ctx, row, now)
        session.flush()
        log.info("connection_made", vendor=vendor, connection_id=row.id)
        return _shown(session, ctx, row)


def disconnect(rooms: Rooms, ctx: ShopContext, reference: str) -> str:
    """Forget the key, its syncs and what they remember; answers what was left alone. Raises NotFound, Conflict."""
    with rooms.store.session(ctx) as session:
        row = _get(session, ctx, reference)
        busy = session.scalar(
            select(func.count()).where(
                Sync.shop_id == ctx.shop_id, Sync.connection_id == row.id, Sync.lease_until > rooms.clock.now()
            )
        )
        if busy:
            raise Conflict("A sync of this connection is running. Wait for it to end, or pause it first.")
        name, title = row.account_name, _description(rooms, row.vendor).title
        session.delete(row)  # its syncs and their logs follow by cascade
    return (
        f"{name} is disconnected and its key forgotten. Members whom Encore put on lists or tags "
        f"stay there: remove them at {title} if you want to."
    )


def check(rooms: Rooms, ctx: ShopContext, reference: str) -> dict[str, Any]:
    """Ask the vendor whether the key works, and remember the answer. Raises NotFound, Unavailable."""
    with rooms.store.reading(ctx) as session:
        row = _get(session, ctx, reference)
    try:
        account = _account(rooms, ctx, row)
    except NotAuthorised as fault:
        with rooms.store.session(ctx) as session:
            row = _get(session, ctx, reference)
            row.state, row.problem, row.checked_at = NEEDS_RECONNECT, fault.message, rooms.clock.now()
            return _shown(session, ctx, row)
    except ConnectorError as fault:
        raise as_encore(fault) from fault
    with rooms.store.session(ctx) as session:
        row = _get(session, ctx, reference)
        row.account_name = account.name
        _mark_working(session, ctx, row, rooms.clock.now())
        return _shown(session, ctx, row)


def targets(rooms: Rooms, ctx: ShopContext, reference: str) -> dict[str, Any]:
    """The lists or tags that exist at the vendor now. Raises NotFound, Unavailable, Invalid."""
    with rooms.store.reading(ctx) as session:
        row = _get(session, ctx, reference)
    capabilities = _description(rooms, row.vendor).capabilities
    try:
        destination = open_destination(rooms, ctx, row)
        try:
            found = destination.discover()
        finally:
            destination.close()
    except ConnectorError as fault:
        raise as_encore(fault) from fault
    return {
        "target_noun": capabilities.kind,
        "container_noun": capabilities.container_noun,
        "containers": [{"id": one.id, "name": one.name, "member_count": one.member_count} for one in found.containers],
        "items": [
            {
                "id": one.id,
                "name": one.name,
                "kind": one.kind,
                "container_id": one.container_id,
                "member_count": one.member_count,
            }
            for one in found.targets
        ],
    }


def as_encore(fault: ConnectorError) -> EncoreError:
    """A vendor's fault as the error that a page shows."""
    if isinstance(fault, Throttled | Transient):
        return Unavailable(f"{fault.message} Nothing was changed; try again in a few minutes.")
    if isinstance(fault, NotAuthorised):
        return Conflict(fault.message)
    return Invalid(fault.message)


def _ask(rooms: Rooms, vendor: str, credentials: dict[str, str]) -> Account:
    try:
        destination = rooms.connectors.open(vendor, credentials)
        try:
            return destination.check()
        finally:
            destination.close()
    except (Throttled, Transient) as fault:
        raise as_encore(fault) from fault
    except ConnectorError as fault:
        raise Invalid(fault.message, field="api_key") from fault


def _account(rooms: Rooms, ctx: ShopContext, row: Connection) -> Account:
    destination = open_destination(rooms, ctx, row)
    try:
        return destination.check()
    finally:
        destination.close()


def _mark_working(session: Session, ctx: ShopContext, row: Connection, now: Any) -> None:
    """The key works: clear the problem, and let syncs go on that only the key had stopped."""
    row.state, row.problem, row.checked_at = CONNECTED, None, now
    session.execute(
        update(Sync)
        .where(Sync.shop_id == ctx.shop_id, Sync.connection_id == row.id, Sync.problem_code == AUTH_PROBLEM)
        .values(state="active", problem_code=None, problem=None, not_before=None, faults_in_a_row=0)
    )


def _get(session: Session, ctx: ShopContext, reference: str) -> Connection:
    row = session.get(Connection, (ctx.shop_id, number_of(reference, "con")))
    if row is None:
        raise NotFound("This connection does not exist any more.")
    return row


def _description(rooms: Rooms, vendor: str) -> Description:
    return next(one for one in rooms.connectors.descriptions() if one.name == vendor)


def _shown(session: Session, ctx: ShopContext, row: Connection) -> dict[str, Any]:
    mine = (Sync.shop_id == ctx.shop_id, Sync.connection_id == row.id)
    return {
        "id": f"con_{row.id}",
        "vendor": row.vendor,
        "account_name": row.account_name,
        "account_id": row.account_id,
        "state": row.state,
        "problem": row.problem,
        "checked_at": row.checked_at,
        "created_at": row.created_at,
        "syncs": session.scalar(select(func.count()).select_from(Sync).where(*mine)) or 0,
    }


def _tile(description: Description, connections: Sequence[dict[str, Any]]) -> dict[str, Any]:
    mine = [row for row in connections if row["vendor"] == description.name]
    broken = [row for row in mine if row["state"] == NEEDS_RECONNECT]
    state = NEEDS_RECONNECT if broken else CONNECTED if mine else "not_connected"
    return {
        "vendor": description.name,
        "title": description.title,
        "state": state,
        "enables": description.enables,
        "consent": description.consent,
        "key_help": description.key_help,
        # Neither vendor tells which scopes a key has; a missing one shows in a call that needs it.
        "permissions": [{"name": one.name, "why": one.why, "granted": None} for one in description.permissions],
        "account_name": mine[0]["account_name"] if mine else None,
        "problem": broken[0]["problem"] if broken else None,
        "connections": mine,
    }


def _shopify_tile(ctx: ShopContext, shop: Shop | None, token: ShopToken | None) -> dict[str, Any]:
    granted = set((token.scopes if token else "").replace(" ", ",").split(",")) - {""}
    removed = shop is not None and shop.uninstalled_at is not None
    state = "not_connected" if token is None else NEEDS_RECONNECT if removed else CONNECTED
    return {
        "vendor": "shopify",
        "title": "Shopify",
        "state": state,
        "enables": "Orders, products and customers come in from here; unsubscribes go back.",
        "consent": "Encore never grants consent by itself. An unsubscribe from one of your campaigns is recorded in "
        "your shop, and so is a customer's taking it back.",
        "key_help": None,
        "permissions": [
            {"name": name, "why": SHOPIFY_SCOPES.get(name, "Granted at install."), "granted": True}
            for name in sorted(granted)
        ],
        "account_name": ctx.domain,
        "problem": "Encore was removed from the shop: install it again." if removed else None,
        "connections": [],
    }
