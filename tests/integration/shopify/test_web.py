"""What Shopify and the browser call: the document, the patch page, the API's door, the webhooks."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest
from sqlalchemy import select

from app.api.app import create_app
from app.errors import Unavailable
from app.services import deletions
from app.services import progress as progresses
from app.services.shops import active_shops
from app.shopify.effects import make_effects
from app.shopify.web import ShopifyWeb
from app.shopify.webhooks import Inbox, signature
from app.store.models.customers import Customer, Suppression
from app.store.models.sending import Cap
from app.store.models.shops import Shop, ShopToken, WebhookDelivery
from sandbox.shopify.tokens import mint_id_token
from tests.standins import SECRET, TINY, Connected

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient


@pytest.fixture
def inbox(encore: Connected) -> Inbox:
    return Inbox(encore.rooms, make_effects(encore.rooms, encore.installer))


@pytest.fixture
def browser(encore: Connected, inbox: Inbox) -> FlaskClient:
    web = ShopifyWeb(
        encore.rooms.settings, encore.installer, inbox, lambda: {"scripts": ["/assets/ui/main.js"], "styles": []}
    )
    return create_app(encore.rooms, web.authenticate, [web.blueprint()]).test_client()


def bearer(domain: str = TINY) -> dict[str, str]:
    return {"Authorization": f"Bearer {mint_id_token(domain, 42)}"}


def delivery(topic: str, payload: dict[str, Any], webhook_id: str = "w1", secret: str = SECRET) -> dict[str, Any]:
    body = json.dumps(payload).encode()
    headers = {
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-Sha256": signature(secret, body),
        "X-Shopify-Shop-Domain": TINY,
        "X-Shopify-Webhook-Id": webhook_id,
        "X-Shopify-API-Version": "2026-10",
    }
    return {"data": body, "headers": headers, "content_type": "application/json"}


class TestTheDocument:
    def test_the_first_visit_installs_the_shop_and_asks_for_an_import(
        self, encore: Connected, browser: FlaskClient
    ) -> None:
        answer = browser.get(f"/?shop={TINY}&embedded=1&id_token={mint_id_token(TINY, 42)}")
        assert answer.status_code == 200
        assert '<div id="root">' in answer.text
        assert [ctx.domain for ctx in active_shops(encore.rooms)] == [TINY]
        assert encore.jobs.asked == [(1, "import", "")]

    def test_a_second_visit_installs_nothing(self, encore: Connected, browser: FlaskClient) -> None:
        for _ in range(2):
            browser.get(f"/?shop={TINY}&id_token={mint_id_token(TINY, 42)}")
        assert len(active_shops(encore.rooms)) == 1
        assert set(encore.jobs.asked) == {(1, "import", "")}

    def test_only_the_shop_and_the_admin_may_frame_it(self, browser: FlaskClient) -> None:
        answer = browser.get(f"/?shop={TINY}&id_token={mint_id_token(TINY, 42)}")
        assert answer.headers["Content-Security-Policy"] == (
            f"frame-ancestors https://{TINY} https://admin.shopify.com;"
        )

    def test_without_a_token_it_goes_through_the_patch_page_and_comes_back(self, browser: FlaskClient) -> None:
        answer = browser.get(f"/segments/seg_1?shop={TINY}&host=h")
        assert answer.status_code == 302
        assert answer.location.startswith("/session-token?")
        assert "shopify-reload=%2Fsegments%2Fseg_1%3Fshop" in answer.location
        assert browser.get(answer.location).status_code == 200

    def test_a_token_of_another_shop_opens_nothing(self, encore: Connected, browser: FlaskClient) -> None:
        other = mint_id_token("other.myshopify.com", 42)
        assert browser.get(f"/?shop={TINY}&id_token={other}").status_code == 302
        assert active_shops(encore.rooms) == []

    @pytest.mark.parametrize("shop", ["", "evil.example", "a.myshopify.com.evil.example", "A.myshopify.com'--"])
    def test_a_strange_shop_gets_a_page_that_says_where_encore_lives(self, browser: FlaskClient, shop: str) -> None:
        answer = browser.get("/", query_string={"shop": shop})
        assert answer.status_code == 400
        assert "Encore lives in your Shopify admin" in answer.text

    def test_a_reload_address_outside_the_app_is_refused(self, browser: FlaskClient) -> None:
        query = {"shop": TINY, "shopify-reload": "https://evil.example/"}
        assert browser.get("/session-token", query_string=query).status_code == 400


class TestTheApisDoor:
    def test_without_a_token_it_asks_app_bridge_for_a_fresh_one(self, browser: FlaskClient) -> None:
        answer = browser.get("/api/shop")
        assert answer.status_code == 401
        assert answer.headers["X-Shopify-Retry-Invalid-Session-Request"] == "1"

    def test_a_stale_token_is_refused(self, encore: Connected, browser: FlaskClient) -> None:
        encore.install()
        stale = mint_id_token(TINY, 42, now=time.time() - 3600)
        assert browser.get("/api/shop", headers={"Authorization": f"Bearer {stale}"}).status_code == 401

    def test_a_token_signed_by_somebody_else_is_refused(self, encore: Connected, browser: FlaskClient) -> None:
        encore.install()
        forged = jwt.encode(
            jwt.decode(mint_id_token(TINY, 42), options={"verify_signature": False}), "x" * 40, algorithm="HS256"
        )
        assert browser.get("/api/shop", headers={"Authorization": f"Bearer {forged}"}).status_code == 401

    def test_the_shop_is_the_tokens(self, encore: Connected, browser: FlaskClient) -> None:
        encore.install()
        answer = browser.get("/api/shop", headers=bearer()).get_json()
        assert (answer["domain"], answer["currency"], answer["timezone"]) == (TINY, "USD", "America/New_York")

    def test_progress_tells_waiting_and_importing_apart(self, encore: Connected, browser: FlaskClient) -> None:
        ctx = encore.install()
        assert browser.get("/api/progress", headers=bearer()).get_json()["phase"] == "waiting"

        phases: list[str] = []
        encore.importer(lambda _: phases.append(progresses.progress(encore.rooms, ctx).phase)).everything(ctx)
        assert set(phases) == {"importing", "waiting"}

    def test_progress_says_that_the_first_import_failed_and_why(
        self, encore: Connected, stand_in: tuple[Flask, str], shop_url: str, browser: FlaskClient
    ) -> None:
        ctx = encore.install()
        httpx.post(f"{shop_url}/sandbox/faults", json={"kind": "http_500", "count": 500}).raise_for_status()
        try:
            with pytest.raises(Unavailable):
                encore.importer().everything(ctx)
        finally:
            stand_in[0].extensions["shopify"].faults.clear()
        answer = browser.get("/api/progress", headers=bearer()).get_json()
        assert answer["phase"] == "failed"
        assert "Shopify does not answer now" in answer["message"]


class TestWebhooks:
    def test_a_signed_delivery_is_stored_once_and_acknowledged_every_time(
        self, encore: Connected, browser: FlaskClient
    ) -> None:
        encore.install()
        for _ in range(3):
            assert browser.post("/webhooks/orders", **delivery("orders/create", {"id": 1})).status_code == 200
        with encore.rooms.store.operator_session() as session:
            rows = session.scalars(select(WebhookDelivery)).all()
        assert [(row.topic, row.api_version, row.state) for row in rows] == [("orders/create", "2026-10", "received")]

    def test_a_wrong_signature_is_401_and_stores_nothing(self, encore: Connected, browser: FlaskClient) -> None:
        wrong = delivery("orders/create", {"id": 1}, secret="another-secret-of-thirty-two-bytes")
        assert browser.post("/webhooks/orders", **wrong).status_code == 401
        assert browser.post("/webhooks/compliance", data=b"{}").status_code == 401
        with encore.rooms.store.operator_session() as session:
            assert session.scalars(select(WebhookDelivery)).all() == []

    def test_personal_data_of_a_payload_is_sealed(self, encore: Connected, browser: FlaskClient) -> None:
        browser.post("/webhooks/orders", **delivery("orders/create", {"email": "ann@example.com"}))
        with encore.rooms.store.operator_session() as session:
            row = session.scalars(select(WebhookDelivery)).one()
        assert b"ann@example.com" not in row.sealed_body

    def test_an_order_asks_for_an_import_of_changes(
        self, encore: Connected, browser: FlaskClient, inbox: Inbox
    ) -> None:
        ctx = encore.install()
        browser.post("/webhooks/orders", **delivery("orders/create", {"id": 1}))
        assert inbox.process() == 1
        assert encore.jobs.asked[-1] == (ctx.shop_id, "import_changes", "")
        assert inbox.process() == 0

    def test_an_unknown_topic_is_kept_as_dead_and_blocks_nothing(
        self, encore: Connected, browser: FlaskClient, inbox: Inbox
    ) -> None:
        encore.install()
        browser.post("/webhooks/orders", **delivery("themes/publish", {}, "w1"))
        browser.post("/webhooks/orders", **delivery("orders/create", {}, "w2"))
        assert inbox.process() == 1
        with encore.rooms.store.operator_session() as session:
            states = {row.topic: row.state for row in session.scalars(select(WebhookDelivery))}
        assert states == {"themes/publish": "dead", "orders/create": "done"}

    def test_a_delivery_that_fails_is_tried_again_later(
        self, encore: Connected, browser: FlaskClient, inbox: Inbox
    ) -> None:
        encore.install()
        browser.post("/webhooks/compliance", **delivery("customers/redact", {"no customer": 1}))
        assert inbox.process() == 0
        with encore.rooms.store.operator_session() as session:
            row = session.scalars(select(WebhookDelivery)).one()
        assert (row.state, row.attempts, row.error) == ("received", 1, "KeyError")
        assert row.not_before is not None
        assert row.not_before > encore.rooms.clock.now()

    def test_uninstalling_ends_the_token_at_once(self, encore: Connected, browser: FlaskClient, inbox: Inbox) -> None:
        ctx = encore.install()
        browser.post("/webhooks/app", **delivery("app/uninstalled", {"id": 1}))
        inbox.process()
        with encore.rooms.store.operator_session() as session:
            assert session.get(ShopToken, ctx.shop_id) is None
        assert browser.get("/api/shop", headers=bearer()).status_code == 401

    def test_a_redacted_customer_is_forgotten_and_never_mailed(
        self, encore: Connected, browser: FlaskClient, inbox: Inbox
    ) -> None:
        ctx = encore.install()
        encore.importer().everything(ctx)
        with encore.rooms.store.reading(ctx) as session:
            someone = session.scalars(select(Customer).where(Customer.email_hash.is_not(None))).first()
        assert someone is not None
        payload = {"customer": {"id": someone.shopify_id}}
        browser.post("/webhooks/compliance", **delivery("customers/redact", payload))
        inbox.process()
        with encore.rooms.store.reading(ctx) as session:
            after = session.get_one(Customer, (ctx.shop_id, someone.customer_no))
            suppressed = session.scalars(select(Suppression.email_hash)).all()
        assert (after.email_hash, after.email_consent) == (None, "REDACTED")
        assert encore.rooms.vault.open(ctx.shop_id, f"customer:{after.customer_no}", after.contact) == {}
        assert someone.email_hash in suppressed

    def test_merged_customers_share_one_week(self, encore: Connected, browser: FlaskClient, inbox: Inbox) -> None:
        ctx = encore.install()
        encore.importer().everything(ctx)
        with encore.rooms.store.session(ctx) as session:
            known = select(Customer).where(Customer.shopify_id.is_not(None)).order_by(Customer.customer_no).limit(2)
            kept, deleted = session.scalars(known).all()
            session.add(Cap(shop_id=1, key=f"c:{deleted.customer_no}", last_at=encore.rooms.clock.now(), holder="m1"))
        payload = {
            f"admin_graphql_api_customer_{which}_id": f"gid://shopify/Customer/{customer.shopify_id}"
            for which, customer in (("kept", kept), ("deleted", deleted))
        }
        for number in ("w1", "w2"):
            browser.post("/webhooks/customers", **delivery("customers/merge", payload, number))
        assert inbox.process() == 2
        with encore.rooms.store.reading(ctx) as session:
            assert session.get_one(Customer, (1, deleted.customer_no)).merged_into == kept.customer_no
            stamp = session.get_one(Cap, {"shop_id": 1, "key": f"c:{kept.customer_no}"})
        assert stamp.last_at == encore.rooms.clock.now()

    def test_an_erased_shop_leaves_no_row_and_no_file(
        self, encore: Connected, browser: FlaskClient, inbox: Inbox
    ) -> None:
        ctx = encore.install()
        encore.importer().everything(ctx)
        browser.post("/webhooks/app", **delivery("app/uninstalled", {}, "w1"))
        browser.post("/webhooks/compliance", **delivery("shop/redact", {}, "w2"))
        inbox.process()
        with encore.rooms.store.operator_session() as session:
            assert session.scalars(select(Shop)).all() == []
            assert session.scalars(select(Customer)).all() == []
        assert not encore.rooms.lake.shop_dir(ctx).exists()


class TestADeletionAtTheShop:
    @pytest.mark.parametrize(("topic", "kind"), [("products/delete", "product"), ("orders/delete", "order")])
    def test_is_noted_for_the_next_import(
        self, encore: Connected, inbox: Inbox, browser: FlaskClient, topic: str, kind: str
    ) -> None:
        ctx = encore.install()
        browser.post(f"/webhooks/{topic.split('/', maxsplit=1)[0]}", **delivery(topic, {"id": 77}))
        assert inbox.process() == 1
        assert deletions.pending(encore.rooms, ctx)[kind] == [77]
        assert encore.jobs.asked[-1] == (1, "import_changes", "")
