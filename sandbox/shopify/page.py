"""The stand-in's own page and its JSON twins: place orders, let days pass, arrange failures, look at webhooks."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Flask, redirect, render_template, request, url_for

from sandbox.shopify.behaviour import Buyer, Refused, Wish
from sandbox.shopify.faults import KINDS, Fault
from sandbox.shopify.shop import stamp

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from sandbox.shopify.app import StandIn
    from sandbox.shopify.shop import Shop

LISTED = 25


def register_page(app: Flask, stand_in: StandIn) -> None:
    """Add /sandbox and its endpoints. A form post answers with the page, a JSON post with JSON."""

    @app.errorhandler(Refused)
    def refused(error: Refused) -> ResponseReturnValue:
        return {"error": str(error)}, HTTPStatus.UNPROCESSABLE_ENTITY

    _register_views(app, stand_in)
    _register_people(app, stand_in)
    _register_staff(app, stand_in)


def _input() -> dict[str, Any]:
    body = request.get_json(silent=True) if request.is_json else request.form.to_dict()
    return {key: value for key, value in (body or {}).items() if value not in ("", None)}


def _whole(body: dict[str, Any], name: str) -> int | None:
    """A whole number of the request, or None if it is not there. Refused if it is something else."""
    try:
        return int(str(body[name]).rsplit("/", 1)[-1]) if name in body else None
    except ValueError:
        raise Refused(f"{name} must be a whole number") from None


def _done(result: Any, shop: Shop, note: str) -> ResponseReturnValue:
    if request.is_json:
        return result  # type: ignore[no-any-return]
    return redirect(url_for("page", shop=shop.domain, note=note))


def _register_views(app: Flask, stand_in: StandIn) -> None:
    @app.get("/")
    def home() -> ResponseReturnValue:
        return redirect(url_for("page"))

    @app.get("/sandbox")
    def page() -> ResponseReturnValue:
        shop = stand_in.shop_of_request()
        kinds = ("Customer", "Order", "LineItem", "Product", "ProductVariant", "Metafield")
        search = f"%{request.args.get('find', '')}%"
        customers = shop.find(
            "Customer",
            "t.first_name || ' ' || t.last_name LIKE ?",
            (search,),
            f"ORDER BY t.orders_count DESC LIMIT {LISTED}",
        )
        products = shop.find("Product", "t.title LIKE ?", (search,), f"ORDER BY t.inventory DESC LIMIT {LISTED}")
        orders = shop.find("Order", "1", (), "ORDER BY t.processed_at DESC, t.id DESC LIMIT 10")
        return render_template(
            "sandbox.html", shop=shop, shops=stand_in.shops, now=stamp(shop.clock.now()), counts={
                kind: shop.count(kind) for kind in kinds
            }, customers=customers, products=products, orders=orders, kinds=KINDS, faults=stand_in.faults.waiting(),
            deliveries=stand_in.webhooks.recent(20), summary=stand_in.webhooks.summary(),
            note=request.args.get("note", ""), find=request.args.get("find", ""),
        )  # fmt: skip

    @app.get("/sandbox/served")
    def served() -> ResponseReturnValue:
        return stand_in.bulk.served()

    @app.get("/sandbox/webhooks")
    def webhooks() -> ResponseReturnValue:
        return {"summary": stand_in.webhooks.summary(), "recent": stand_in.webhooks.recent(200)}

    @app.get("/sandbox/marketing")
    def marketing() -> ResponseReturnValue:
        return {"activities": stand_in.marketing.listing(stand_in.shop_of_request())}

    @app.get("/sandbox/health")
    def health() -> ResponseReturnValue:
        return {"shops": {d: {"orders": s.count("Order"), **s.meta} for d, s in stand_in.shops.items()}}


def _register_people(app: Flask, stand_in: StandIn) -> None:
    @app.post("/sandbox/orders")
    def place_order() -> ResponseReturnValue:
        shop, body = stand_in.shop_of_request(), _input()
        asked = body.get("lines") or [body]
        wishes = [
            Wish(_whole(line, "quantity") or 1, _whole(line, "variant_id"), _whole(line, "product_id"))
            for line in asked
        ]
        buyer = Buyer(_whole(body, "customer_id"), body.get("email"))
        order = stand_in.behaviours[shop.domain].place_order(buyer, wishes, str(body.get("discount_code", "")))
        return _done((order, HTTPStatus.CREATED), shop, f"Order {order['name']} was placed.")

    @app.post("/sandbox/advance")
    def advance() -> ResponseReturnValue:
        shop, body = stand_in.shop_of_request(), _input()
        try:
            days = float(body.get("days", 1))
        except (TypeError, ValueError):
            raise Refused("days must be a number") from None
        if not 0 < days <= 366:  # noqa: PLR2004 - a year is all the history there is to repeat
            raise Refused("days must be above 0 and at most 366")
        result = stand_in.behaviours[shop.domain].advance(days)
        return _done(result, shop, f"It is now {result['now']}; {result['orders']} orders were placed.")

    @app.post("/sandbox/customers/<int:number>/consent")
    def consent(number: int) -> ResponseReturnValue:
        shop, body = stand_in.shop_of_request(), _input()
        state = str(body.get("state", "")).upper()
        changed = stand_in.behaviours[shop.domain].set_consent(number, state)
        return _done({"customer_id": number, "state": changed.values["email_state"]}, shop, f"Consent is now {state}.")


def _register_staff(app: Flask, stand_in: StandIn) -> None:
    @app.post("/sandbox/orders/<int:number>/<act>")
    def order_act(number: int, act: str) -> ResponseReturnValue:
        shop, body = stand_in.shop_of_request(), _input()
        merchant = stand_in.merchants[shop.domain]
        if act == "cancel":
            result = merchant.cancel(number)
        elif act == "refund":
            cents = _whole(body, "cents")
            result = (
                merchant.refund(number, _whole(body, "line_id"))
                if cents is None
                else merchant.refund_amount(number, cents)
            )
        else:
            raise Refused("an order can be cancelled or refunded")
        return _done(result, shop, f"Order {number}: {act} done.")

    @app.post("/sandbox/faults")
    def faults() -> ResponseReturnValue:
        shop, body = stand_in.shop_of_request(), _input()
        if body.get("kind") == "none":
            stand_in.faults.clear()
            return _done({"waiting": []}, shop, "No failures are arranged.")
        try:
            stand_in.faults.add(
                Fault(str(body.get("kind")), _whole(body, "count") or 1, str(body.get("match", "")),
                      float(body.get("seconds", 1)))
            )  # fmt: skip
        except ValueError as error:
            raise Refused(str(error)) from error
        waiting = [vars(fault) for fault in stand_in.faults.waiting()]
        return _done({"waiting": waiting}, shop, f"{body['kind']} will happen.")

    _register_app_life(app, stand_in)


def _register_app_life(app: Flask, stand_in: StandIn) -> None:
    @app.post("/sandbox/webhooks/<delivery>/again")
    def again(delivery: str) -> ResponseReturnValue:
        if not stand_in.webhooks.send_again(delivery):
            raise Refused("no such delivery")
        return _done({"id": delivery}, stand_in.shop_of_request(), "It goes out again, with the same ids.")

    @app.post("/sandbox/tokens/expire")
    def expire() -> ResponseReturnValue:
        shop = stand_in.shop_of_request()
        return _done({"expired": stand_in.tokens.expire_access(shop.domain)}, shop, "Access tokens have expired.")

    @app.post("/sandbox/uninstall")
    def uninstall() -> ResponseReturnValue:
        shop = stand_in.shop_of_request()
        stand_in.merchants[shop.domain].uninstall()
        return _done({"uninstalled": shop.domain}, shop, "The app was uninstalled.")

    @app.post("/sandbox/privacy")
    def privacy() -> ResponseReturnValue:
        shop, body = stand_in.shop_of_request(), _input()
        sent = stand_in.merchants[shop.domain].privacy_request(str(body.get("topic")), _whole(body, "customer_id"))
        return _done(sent, shop, f"{body.get('topic')} was sent.")
