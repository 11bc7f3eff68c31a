"""Writing an unsubscribe back to Shopify, which is where the merchant's other tools read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from app.errors import Unavailable
from app.store.models.customers import Customer

if TYPE_CHECKING:
    from app.domain.clock import Clock
    from app.domain.context import ShopContext
    from app.shopify.graphql import AdminApi
    from app.store.session import Store


class ShopifyConsent:
    """A `ConsentWriter` by customerEmailMarketingConsentUpdate; repeating it changes nothing."""

    def __init__(self, api: AdminApi, store: Store, clock: Clock) -> None:
        self._api, self._store, self._clock = api, store, clock

    def write_unsubscribe(self, ctx: ShopContext, customer_no: int) -> None:
        """Tell Shopify that this customer unsubscribed; a guest or a CSV shop has nothing to tell."""
        with self._store.reading(ctx) as session:
            customer = session.scalars(
                select(Customer).where(Customer.shop_id == ctx.shop_id, Customer.customer_no == customer_no)
            ).one_or_none()
        if customer is None or customer.shopify_id is None or not ctx.domain.endswith(".myshopify.com"):
            return
        if customer.email_consent == "SUBSCRIBED":
            return  # taken back in the meantime
        at = customer.email_consent_at or self._clock.now()
        consent = {
            "marketingState": "UNSUBSCRIBED",
            "marketingOptInLevel": customer.email_opt_in_level or "SINGLE_OPT_IN",
            "consentUpdatedAt": at.isoformat(),
        }
        variables = {
            "input": {"customerId": f"gid://shopify/Customer/{customer.shopify_id}", "emailMarketingConsent": consent}
        }
        answer = self._api.run(ctx, "EmailConsentUpdate", variables)["customerEmailMarketingConsentUpdate"]
        if answer["userErrors"]:
            codes = ", ".join(str(error["code"]) for error in answer["userErrors"])
            raise Unavailable(f"Shopify did not take the unsubscribe ({codes}); it is kept here and tried again.")
