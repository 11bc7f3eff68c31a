"""Writing consent back to Shopify, which is where the merchant's other tools read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from app.domain.consent import SUBSCRIBED, UNSUBSCRIBED
from app.errors import Unavailable
from app.store.models.customers import ConsentEvent, Customer

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.shopify.graphql import AdminApi
    from app.store.session import Store


class ShopifyConsent:
    """A `ConsentWriter` by customerEmailMarketingConsentUpdate; repeating it changes nothing."""

    def __init__(self, api: AdminApi, store: Store) -> None:
        self._api, self._store = api, store

    def write(self, ctx: ShopContext, customer_no: int) -> None:
        """Tell Shopify what the customer said through a link of ours; a guest or a CSV shop has nothing to tell.

        Raises Unavailable if Shopify does not take it.
        """
        if not ctx.domain.endswith(".myshopify.com"):
            return
        told: dict[str, Any] | None = None
        # Again until what was told still stands: another job may have told Shopify what came in between, and
        # ours, slower, would have been the last word.
        while (said := self._standing(ctx, customer_no)) is not None and said != told:
            self._tell(ctx, said)
            told = said

    def _standing(self, ctx: ShopContext, customer_no: int) -> dict[str, Any] | None:
        """What to tell; nothing of a state that Shopify told us, or that it knows by itself."""
        with self._store.reading(ctx) as session:
            customer = session.get(Customer, {"shop_id": ctx.shop_id, "customer_no": customer_no})
            if customer is None or customer.shopify_id is None:
                return None
            if customer.merged_into is not None or customer.erased_at is not None:
                return None  # Shopify no longer has this customer
            if customer.email_consent == SUBSCRIBED:
                newest = select(ConsentEvent.source).where(
                    ConsentEvent.shop_id == ctx.shop_id,
                    ConsentEvent.customer_no == customer_no,
                    ConsentEvent.channel == "email",
                )
                if session.scalars(newest.order_by(ConsentEvent.id.desc()).limit(1)).first() != "undo_link":
                    return None
            elif customer.email_consent != UNSUBSCRIBED:
                return None
            at = customer.email_consent_at or customer.updated_at
            consent = {
                "marketingState": customer.email_consent,
                "marketingOptInLevel": customer.email_opt_in_level or "SINGLE_OPT_IN",
                "consentUpdatedAt": at.isoformat(),
            }
            return {"customerId": f"gid://shopify/Customer/{customer.shopify_id}", "emailMarketingConsent": consent}

    def _tell(self, ctx: ShopContext, said: dict[str, Any]) -> None:
        answer = self._api.run(ctx, "EmailConsentUpdate", {"input": said})["customerEmailMarketingConsentUpdate"]
        if answer["userErrors"]:
            codes = ", ".join(str(error["code"]) for error in answer["userErrors"])
            raise Unavailable(f"Shopify did not take the customer's choice ({codes}); it is kept here and tried again.")
