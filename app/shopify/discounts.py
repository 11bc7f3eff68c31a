"""Discounts at Shopify: found, made, given codes by the hundred, and cleaned up.

Adding codes is asynchronous there: a call gives an operation to ask about. Codes that exist already are refused as
TAKEN, which after a crash is the answer that was hoped for: their texts are unguessable, so who else would have them.
Reference: https://shopify.dev/docs/apps/build/discounts
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from app.domain.money import exponent
from app.errors import Conflict, Invalid, Unavailable
from app.services.shop_ports import FoundDiscount, NewDiscount

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.domain.context import ShopContext
    from app.shopify.graphql import AdminApi

MOST_CODES = 250  # Shopify's limit of one call
POLL_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
POLLS = 60
CODE_NODE = "DiscountCodeBasic"


class ShopifyDiscounts:
    """A `DiscountShop`. sleep: waits between questions; tests give one that only counts."""

    def __init__(self, api: AdminApi, sleep: Callable[[float], None] = time.sleep) -> None:
        self._api, self._sleep = api, sleep

    def find(self, ctx: ShopContext, code: str) -> FoundDiscount | None:
        """The discount that has this code, of whatever kind."""
        node = self._api.run(ctx, "DiscountByCode", {"code": code})["codeDiscountNodeByCode"]
        if node is None:
            return None
        found = node["codeDiscount"]
        items = (found.get("customerGets") or {}).get("items") or {}
        named = items.get("products") or {"nodes": [], "pageInfo": {"hasNextPage": True}}
        whole = not named["pageInfo"]["hasNextPage"]  # of more than a page it is not said which
        return FoundDiscount(
            gid=node["id"],
            status=found["status"],
            summary=found.get("summary") or found.get("title") or "",
            ends_at=datetime.fromisoformat(found["endsAt"]).astimezone(UTC) if found["endsAt"] else None,
            product_ids=frozenset(int(one["id"].rsplit("/", 1)[-1]) for one in named["nodes"]) if whole else None,
            usage_limit=found["usageLimit"],
            used=found["asyncUsageCount"],
        )

    def create(self, ctx: ShopContext, new: NewDiscount) -> str:
        """Make the discount; if its first code exists, as after a crash, that is it. Raises Conflict or Invalid."""
        floor = {"subtotal": {"greaterThanOrEqualToSubtotal": _amount(ctx, new.min_basket_minor)}}
        wanted: dict[str, Any] = {
            "title": new.title,
            "code": new.code,
            "startsAt": new.starts_at.isoformat(),
            "endsAt": new.ends_at.isoformat() if new.ends_at else None,
            "usageLimit": new.usage_limit,
            "appliesOncePerCustomer": True,
            "context": {"all": "ALL"},
            "customerGets": {
                "items": {"all": True},
                # Split over the order: on each item, a basket of ten would get it ten times.
                "value": {"discountAmount": {"amount": _amount(ctx, new.amount_minor), "appliesOnEachItem": False}},
            },
            "minimumRequirement": floor if new.min_basket_minor else None,
            "combinesWith": {"orderDiscounts": False, "productDiscounts": False, "shippingDiscounts": True},
        }
        answer = self._api.run(ctx, "DiscountCreate", {"discount": wanted})["discountCodeBasicCreate"]
        if not answer["userErrors"]:
            return str(answer["codeDiscountNode"]["id"])
        if any(error["code"] == "TAKEN" for error in answer["userErrors"]):
            raise Conflict("Your store has this code already.", field="discount.code")
        raise Invalid("Shopify did not take the discount: " + _reasons(answer), field="discount.code")

    def add_codes(self, ctx: ShopContext, gid: str, codes: Sequence[str]) -> set[str]:
        """Add codes and wait until Shopify has; answers those that exist now. Raises Unavailable."""
        if not 0 < len(codes) <= MOST_CODES:
            raise ValueError(f"1 to {MOST_CODES} codes a call")
        asked = {"discountId": gid, "codes": [{"code": code} for code in codes]}
        answer = self._api.run(ctx, "DiscountCodesAdd", asked)["discountRedeemCodeBulkAdd"]
        if answer["userErrors"]:
            raise Unavailable("Shopify did not take discount codes: " + _reasons(answer))
        operation = answer["bulkCreation"]["id"]
        for turn in range(POLLS):
            found = self._api.run(ctx, "DiscountCodesAdded", {"id": operation})["discountRedeemCodeBulkCreation"]
            if found is None:
                break
            if found["done"]:
                return set(codes) - (self._refused(ctx, operation) if found["failedCount"] else set())
            self._sleep(POLL_SECONDS[min(turn, len(POLL_SECONDS) - 1)])
        raise Unavailable("Shopify is still making discount codes. Encore asks again by itself.")

    def _refused(self, ctx: ShopContext, operation: str) -> set[str]:
        """The codes of an addition that exist neither from it nor from before. Asked for apart: it costs much."""
        refused: set[str] = set()
        after: str | None = None
        while True:
            found = self._api.run(ctx, "DiscountCodesRefused", {"id": operation, "after": after})
            page = found["discountRedeemCodeBulkCreation"]["codes"]
            refused |= {
                one["code"]
                for one in page["nodes"]
                if not one["discountRedeemCode"] and [error["code"] for error in one["errors"]] != ["TAKEN"]
            }
            if not page["pageInfo"]["hasNextPage"]:
                return refused
            after = page["pageInfo"]["endCursor"]

    def codes(self, ctx: ShopContext, gid: str) -> dict[str, tuple[str, int]]:
        """Every code of the discount → (its id, how often it was used); empty if the discount is gone."""
        found: dict[str, tuple[str, int]] = {}
        after: str | None = None
        while True:
            node = self._api.run(ctx, "DiscountCodes", {"id": gid, "after": after})["node"]
            if node is None or node["codeDiscount"]["__typename"] != CODE_NODE:
                return found
            page = node["codeDiscount"]["codes"]
            found |= {one["code"]: (one["id"], one["asyncUsageCount"]) for one in page["nodes"]}
            if not page["pageInfo"]["hasNextPage"]:
                return found
            after = page["pageInfo"]["endCursor"]

    def remove_codes(self, ctx: ShopContext, gid: str, code_gids: Sequence[str]) -> None:
        """Delete up to 250 codes and wait until they are gone. Raises Unavailable."""
        answer = self._api.run(ctx, "DiscountCodesRemove", {"discountId": gid, "ids": list(code_gids)})
        answer = answer["discountCodeRedeemCodeBulkDelete"]
        if answer["userErrors"]:
            raise Unavailable("Shopify did not remove discount codes: " + _reasons(answer))
        job = answer["job"]
        for turn in range(POLLS):
            if job is None or job["done"]:
                return
            self._sleep(POLL_SECONDS[min(turn, len(POLL_SECONDS) - 1)])
            job = self._api.run(ctx, "JobDone", {"id": job["id"]})["job"]
        raise Unavailable("Shopify is still removing discount codes. Encore asks again by itself.")


def _amount(ctx: ShopContext, minor: int) -> str:
    """Minor units as the decimal that the Admin API takes."""
    return str(Decimal(minor).scaleb(-exponent(ctx.currency)))


def _reasons(answer: dict[str, Any]) -> str:
    return "; ".join(str(error["message"]) for error in answer["userErrors"])
