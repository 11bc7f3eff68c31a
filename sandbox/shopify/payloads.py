"""Webhook bodies: the REST shapes that Shopify sends, with the fields that describe a record."""

import json
from typing import Any

from sandbox.shopify.shop import Row, Shop, listed

_ID = "admin_graphql_api_id"


def _money(cents: int) -> str:
    return f"{cents / 100:.2f}"


def _when(time: str | None) -> str | None:
    return time.replace("Z", "+00:00") if time else None


def customer(shop: Shop, row: Row) -> dict[str, Any]:
    """customers/create, customers/update. Tags and consent are not in it any longer: each has its own topic."""
    c = row.values
    return {
        "id": c["id"], _ID: f"gid://shopify/Customer/{c['id']}", "created_at": _when(c["created_at"]),
        "updated_at": _when(c["updated_at"]), "first_name": c["first_name"], "last_name": c["last_name"],
        "state": "disabled", "note": c["note"], "verified_email": c["email"] is not None, "tax_exempt": False,
        "email": c["email"], "phone": c["phone"], "currency": shop.currency,
        "default_address": _address(row) if c["city"] else None,
    }  # fmt: skip


def consent(row: Row) -> dict[str, Any]:
    """customers_email_marketing_consent/update."""
    c = row.values
    return {
        "customer_id": c["id"], "email_address": c["email"],
        "email_marketing_consent": {
            "state": c["email_state"].lower(), "opt_in_level": c["opt_in"].lower(),
            "consent_updated_at": _when(c["email_updated_at"]),
        },
    }  # fmt: skip


def order(shop: Shop, row: Row) -> dict[str, Any]:
    """orders/create, orders/updated, orders/cancelled."""
    o = row.values
    buyer = shop.get("Customer", o["customer_id"])
    lines = shop.find("LineItem", "t.order_id = ?", (o["id"],), "ORDER BY t.id")
    codes = listed(o["discount_codes"])
    return {
        "id": o["id"], _ID: f"gid://shopify/Order/{o['id']}", "name": o["name"], "order_number": o["number"],
        "number": o["number"] - 1000, "created_at": _when(o["created_at"]), "processed_at": _when(o["processed_at"]),
        "updated_at": _when(o["updated_at"]), "cancelled_at": _when(o["cancelled_at"]), "test": bool(o["test"]),
        "currency": shop.currency, "email": o["email"] or "", "contact_email": o["email"],
        "financial_status": o["financial_status"].lower(),
        "fulfillment_status": "fulfilled" if o["fulfillment_status"] == "FULFILLED" else None,
        "source_name": o["source_name"], "tags": ", ".join(listed(o["tags"])), "note": None,
        "buyer_accepts_marketing": bool(o["accepts_marketing"]),
        "total_price": _money(o["total"]), "subtotal_price": _money(o["subtotal"]),
        "current_total_price": _money(o["current_total"]), "total_discounts": _money(o["discounts"]),
        "total_tax": _money(o["tax"]),
        "discount_codes": [{"code": code, "amount": _money(o["discounts"]), "type": "fixed_amount"} for code in codes],
        "customer": customer(shop, buyer) if buyer else None,
        "shipping_address": _address(row) if o["city"] else None,
        "line_items": [_line(line) for line in lines],
        "refunds": [refund(o["id"], item) for item in json.loads(o["refunds"])],
    }  # fmt: skip


def refund(order_id: int, item: dict[str, Any]) -> dict[str, Any]:
    """refunds/create."""
    lines = [{"id": line["id"], "line_item_id": line["line"], "quantity": line["quantity"],
              "subtotal": line["cents"] / 100} for line in item["lines"]]  # fmt: skip
    return {
        "id": item["id"], _ID: f"gid://shopify/Refund/{item['id']}", "order_id": order_id,
        "created_at": _when(item["created_at"]), "processed_at": _when(item["created_at"]), "note": None,
        "refund_line_items": lines,
        "transactions": [{"kind": "refund", "status": "success", "amount": _money(item["cents"])}],
    }  # fmt: skip


def product(shop: Shop, row: Row) -> dict[str, Any]:
    """products/create, products/update."""
    p = row.values
    variants = shop.find("ProductVariant", "t.product_id = ?", (p["id"],), "ORDER BY t.position")
    return {
        "id": p["id"], _ID: f"gid://shopify/Product/{p['id']}", "title": p["title"], "handle": p["handle"],
        "vendor": p["vendor"], "product_type": p["product_type"], "status": p["status"].lower(),
        "created_at": _when(p["created_at"]), "updated_at": _when(p["updated_at"]),
        "tags": ", ".join(listed(p["tags"])),
        "variants": [
            {
                "id": v.values["id"], _ID: f"gid://shopify/ProductVariant/{v.values['id']}", "product_id": p["id"],
                "title": v.values["title"], "price": _money(v.values["price"]), "sku": v.values["sku"],
                "position": v.values["position"], "inventory_quantity": v.values["inventory"],
            }
            for v in variants
        ],
    }  # fmt: skip


def bulk_finished(operation: dict[str, Any]) -> dict[str, Any]:
    """bulk_operations/finish."""
    error = operation["errorCode"]
    return {
        _ID: operation["id"],
        "completed_at": _when(operation["completedAt"]),
        "created_at": _when(operation["createdAt"]),
        "error_code": error.lower() if error else None,
        "status": operation["status"].lower(),
        "type": "query",
    }


def _line(line: Row) -> dict[str, Any]:
    v = line.values
    off = v["unit"] * v["quantity"] - v["total"]
    return {
        "id": v["id"], _ID: f"gid://shopify/LineItem/{v['id']}", "product_id": v["product_id"],
        "variant_id": v["variant_id"], "title": v["title"] or v["product_title"], "variant_title": v["variant_title"],
        "sku": v["sku"], "vendor": v["vendor"], "quantity": v["quantity"], "current_quantity": v["current_quantity"],
        "price": _money(v["unit"]), "total_discount": _money(off), "gift_card": bool(v["is_gift_card"]),
        "requires_shipping": not v["is_gift_card"], "product_exists": v["product_id"] is not None,
    }  # fmt: skip


def _address(row: Row) -> dict[str, Any]:
    v = row.values
    return {
        "address1": v["address1"], "address2": None, "city": v["city"], "province": v["province"],
        "province_code": v["province_code"], "zip": v["zip"], "country": "United States", "country_code": "US",
    }  # fmt: skip
