"""What each webhook topic does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from app.services import deletions, erase, merge

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms
    from app.shopify.install import Installer

    Effect = Callable[[ShopContext, dict[str, Any], datetime | None], None]

log = structlog.get_logger()

CHANGED = (
    "orders/create",
    "orders/updated",
    "orders/cancelled",
    "refunds/create",
    "customers/create",
    "customers/update",
    "customers_email_marketing_consent/update",
    "products/create",
    "products/update",
)


def _number(gid: str) -> int:
    return int(gid.rsplit("/", 1)[-1])


def _deleted(rooms: Rooms, kind: deletions.Kind) -> Effect:
    def note(ctx: ShopContext, payload: dict[str, Any], _at: datetime | None) -> None:
        deletions.note(rooms, ctx, kind, int(payload["id"]))

    return note


def make_effects(rooms: Rooms, installer: Installer) -> dict[str, Effect]:
    """Topic → effect of shop, payload and the instant that Shopify names; each may happen twice without harm."""

    def import_changes(ctx: ShopContext, _payload: dict[str, Any], _at: datetime | None) -> None:
        rooms.jobs.enqueue(ctx, "import_changes")

    def uninstalled(ctx: ShopContext, _payload: dict[str, Any], at: datetime | None) -> None:
        installer.uninstalled(ctx, at)

    def redact_customer(ctx: ShopContext, payload: dict[str, Any], _at: datetime | None) -> None:
        erase.erase_customer(rooms, ctx, int(payload["customer"]["id"]))

    def deleted_customer(ctx: ShopContext, payload: dict[str, Any], _at: datetime | None) -> None:
        erase.erase_customer(rooms, ctx, int(payload["id"]))

    def merged_customers(ctx: ShopContext, payload: dict[str, Any], _at: datetime | None) -> None:
        kept, deleted = (_number(payload[f"admin_graphql_api_customer_{which}_id"]) for which in ("kept", "deleted"))
        merge.merge_customers(rooms, ctx, kept=kept, deleted=deleted)
        rooms.jobs.enqueue(ctx, "import_changes")

    def redact_shop(ctx: ShopContext, _payload: dict[str, Any], _at: datetime | None) -> None:
        erase.erase_shop(rooms, ctx)

    def data_request(ctx: ShopContext, payload: dict[str, Any], _at: datetime | None) -> None:
        # The merchant answers the person; the log line says that the request came and for which number.
        log.info("data_request", shop_id=ctx.shop_id, request=payload.get("data_request", {}).get("id"))

    def noted(ctx: ShopContext, _payload: dict[str, Any], _at: datetime | None) -> None:
        log.info("webhook_noted", shop_id=ctx.shop_id)

    return {
        **dict.fromkeys(CHANGED, import_changes),
        "app/uninstalled": uninstalled,
        "app/scopes_update": noted,
        "bulk_operations/finish": noted,  # the import polls; the webhook only confirms
        "customers/delete": deleted_customer,
        "customers/merge": merged_customers,
        "customers/redact": redact_customer,
        "customers/data_request": data_request,
        "orders/delete": _deleted(rooms, "order"),
        "products/delete": _deleted(rooms, "product"),
        "shop/redact": redact_shop,
    }
