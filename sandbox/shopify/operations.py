"""The root fields that the stand-in answers: queries, and mutations that really change the records."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from graphql import GraphQLError

from sandbox.shopify.behaviour import Behaviour, Refused
from sandbox.shopify.bulk import Bulk
from sandbox.shopify.discounts import Discounts
from sandbox.shopify.marketing import Marketing
from sandbox.shopify.records import ROOTS
from sandbox.shopify.resolve import Visit, count, number_of, page
from sandbox.shopify.shop import Shop
from sandbox.shopify.tokens import Grant

COUNTS = {"customersCount": "Customer", "ordersCount": "Order", "productsCount": "Product",
          "productVariantsCount": "ProductVariant"}  # fmt: skip
ONE = {"customer": "Customer", "order": "Order", "product": "Product", "productVariant": "ProductVariant",
       "collection": "Collection"}  # fmt: skip
TAGGED = ("Customer", "Order", "Product")
MAX_INPUT = 250


class Operations:
    """Builds the root value of a request."""

    def __init__(
        self, bulk: Bulk, behaviours: Mapping[str, Behaviour], discounts: Discounts, marketing: Marketing
    ) -> None:
        self._bulk, self._behaviours = bulk, behaviours
        self._discounts, self._marketing = discounts, marketing

    def roots(self, visit: Visit, grant: Grant) -> dict[str, Any]:
        """Every root field that has an answer, as a value or a function of its arguments."""
        shop = visit.shop
        roots: dict[str, Any] = {
            "shop": _shop(shop),
            "currentAppInstallation": _installation(grant),
            "bulkOperation": lambda id: self._bulk.get(shop, number_of(id, "BulkOperation")),  # noqa: A006
            "bulkOperations": partial(self._bulk_list, shop),
            "bulkOperationRunQuery": partial(self._bulk_run, shop, grant),
            "bulkOperationCancel": partial(self._bulk_cancel, shop),
            "customerEmailMarketingConsentUpdate": partial(self._consent, shop),
            "tagsAdd": lambda id, tags: self._tags(shop, id, add=tags),  # noqa: A006
            "tagsRemove": lambda id, tags: self._tags(shop, id, remove=tags),  # noqa: A006
        }
        roots |= self._discounts.roots(shop) | self._marketing.roots(shop)
        for name, kind in ROOTS.items():
            roots[name] = partial(_connection, visit, kind)
        for name, kind in COUNTS.items():
            roots[name] = partial(_count, visit, kind)
        for name, kind in ONE.items():
            roots[name] = partial(_one, visit, kind)
        return roots

    def _bulk_list(self, shop: Shop, **arguments: Any) -> dict[str, Any]:
        """Operations by `status:` and `operation_type:`; anything else in the search is refused."""
        found = self._bulk.listing(shop)
        for term in (arguments.get("query") or "").split():
            name, _, value = term.partition(":")
            key = {"status": "status", "operation_type": "type"}.get(name)
            if key is None:
                raise GraphQLError(f"stand-in does not know the search term {name!r} for BulkOperation")
            found = [item for item in found if item[key].lower() == value.strip("'\"").lower()]
        if arguments.get("reverse"):
            found.reverse()
        first = arguments.get("first") or MAX_INPUT
        if arguments.get("after"):
            ids = [item["id"] for item in found]
            found = found[ids.index(arguments["after"]) + 1 :] if arguments["after"] in ids else []
        nodes = found[:first]
        info = {
            "hasNextPage": len(found) > first,
            "hasPreviousPage": bool(arguments.get("after")),
            "startCursor": nodes[0]["id"] if nodes else None,
            "endCursor": nodes[-1]["id"] if nodes else None,
        }
        edges = [{"node": item, "cursor": item["id"]} for item in nodes]
        return {"nodes": nodes, "edges": edges, "pageInfo": info}

    def _bulk_run(self, shop: Shop, grant: Grant, *, query: str, **_: Any) -> dict[str, Any]:
        operation, errors = self._bulk.run(shop, query, grant.scopes)
        return {"bulkOperation": operation, "userErrors": errors}

    def _bulk_cancel(self, shop: Shop, *, id: str) -> dict[str, Any]:  # noqa: A002 - Shopify's name
        operation, errors = self._bulk.cancel(shop, number_of(id, "BulkOperation"))
        return {"bulkOperation": operation, "userErrors": errors}

    def _consent(self, shop: Shop, *, input: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002 - Shopify's name
        asked = input["emailMarketingConsent"]
        number = number_of(input["customerId"], "Customer")
        try:
            changed = self._behaviours[shop.domain].set_consent(
                number or 0, asked["marketingState"], asked.get("marketingOptInLevel"), asked.get("consentUpdatedAt")
            )
        except Refused as refused:
            field = ["input", "emailMarketingConsent", "marketingState"]
            if "not found" in str(refused):
                field = ["input", "customerId"]
            return {"customer": None, "userErrors": [{"field": field, "message": str(refused), "code": "INVALID"}]}
        return {"customer": changed, "userErrors": []}

    def _tags(self, shop: Shop, gid: str, **change: list[str]) -> dict[str, Any]:
        kind = gid.removeprefix("gid://shopify/").split("/")[0]
        number = number_of(gid, kind)
        if kind not in TAGGED or number is None:
            raise GraphQLError(f"stand-in cannot tag {gid}")
        if any(len(tags) > MAX_INPUT for tags in change.values()):
            raise GraphQLError(f"The input array size is greater than the maximum allowed of {MAX_INPUT}.")
        try:
            row = self._behaviours[shop.domain].change_tags(kind, number, **change)
        except Refused as refused:
            return {"node": None, "userErrors": [{"field": ["id"], "message": str(refused)}]}
        return {"node": row, "userErrors": []}


def _connection(visit: Visit, kind: str, **arguments: Any) -> dict[str, Any]:
    return page(visit, kind, arguments)


def _count(visit: Visit, kind: str, **arguments: Any) -> dict[str, Any]:
    return count(visit, kind, arguments)


def _one(visit: Visit, kind: str, *, id: str) -> Any:  # noqa: A002 - Shopify's name
    number = number_of(id, kind)
    if number is None:
        raise GraphQLError(f"Invalid id: {id}")
    seen, since = visit.visible(kind)
    found = visit.shop.find(kind, f"t.id = ? AND {seen}", (number, *since))
    return found[0] if found else None


def _installation(grant: Grant) -> dict[str, Any]:
    return {
        "id": "gid://shopify/AppInstallation/1",
        "accessScopes": [{"handle": scope, "description": scope.replace("_", " ")} for scope in sorted(grant.scopes)],
        "activeSubscriptions": [],
    }


def _shop(shop: Shop) -> dict[str, Any]:
    address: dict[str, Any] = {
        "id": "gid://shopify/ShopAddress/1", "address1": "1 Market Square", "address2": None, "city": "Cincinnati",
        "province": "Ohio", "provinceCode": "OH", "zip": "45202", "country": "United States", "countryCodeV2": "US",
        "company": shop.meta["name"], "phone": "+15135550199",
    }  # fmt: skip
    web = shop.meta.get("primary_domain", shop.domain)
    return {
        "id": "gid://shopify/Shop/1", "name": shop.meta["name"], "email": "owner@example.com",
        "contactEmail": "hello@example.com", "myshopifyDomain": shop.domain,
        "primaryDomain": {"id": "gid://shopify/Domain/1", "host": web, "url": f"https://{web}"},
        "url": f"https://{web}", "currencyCode": shop.currency, "ianaTimezone": shop.meta["timezone"],
        "weightUnit": "POUNDS", "shopAddress": address, "createdAt": "2016-01-01T00:00:00Z",
        "plan": {"publicDisplayName": "Basic", "partnerDevelopment": True, "shopifyPlus": False},
    }  # fmt: skip


Root = Callable[..., Any]
