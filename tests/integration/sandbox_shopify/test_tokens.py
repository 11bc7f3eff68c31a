"""The token endpoint: exchange, expiry, rotation, and the errors that Shopify gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from shopify_app import ShopifyApp

from sandbox.shopify.install import sign_query, signed_launch_query
from sandbox.shopify.tokens import mint_id_token

from .conftest import OTHER, TINY

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Shopper, Stage


def changed(token: str) -> str:
    """The token with the first character of its signature replaced."""
    head, payload, signature = token.split(".")
    return ".".join((head, payload, ("B" if signature[0] == "A" else "A") + signature[1:]))


# Minted when a test asks: a token lives a minute, and a stale one would be refused for that alone.
WRONG: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "garbage": lambda: "not.a.token",
    "other shop": lambda: mint_id_token(OTHER, 7),
    "expired": lambda: mint_id_token(TINY, 7, now=1_600_000_000),
    "wrong secret": lambda: mint_id_token(TINY, 7, api_secret="a stranger's secret of thirty-two bytes"),
    "other app": lambda: mint_id_token(TINY, 7, api_key="another app"),
    "changed": lambda: changed(mint_id_token(TINY, 7)),
}


class TestExchange:
    def test_gives_an_expiring_token_with_the_apps_scopes(self, stage: Stage) -> None:
        body = stage.shopper().exchange().json()
        assert (body["expires_in"], body["refresh_token_expires_in"]) == (3600, 90 * 86_400)
        assert "write_customers" in body["scope"].split(",")
        assert body["access_token"] != body["refresh_token"]

    @pytest.mark.parametrize("name", list(WRONG))
    def test_refuses_an_id_token_that_is_not_right(self, shared_stage: Stage, name: str) -> None:
        answer = shared_stage.shopper().exchange(subject_token=WRONG[name]())
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_subject_token")

    def test_refuses_a_wrong_secret(self, shared_stage: Stage) -> None:
        answer = shared_stage.shopper().exchange(client_secret="guess")
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    def test_a_new_app_must_ask_for_expiring_tokens(self, shared_stage: Stage) -> None:
        assert shared_stage.shopper().exchange(expiring="0").json()["error"] == "invalid_request"

    def test_other_grants_are_not_supported(self, shared_stage: Stage) -> None:
        answer = shared_stage.shopper().exchange(grant_type="password")
        assert answer.json()["error"] == "unsupported_grant_type"


class TestExpiry:
    def test_an_access_token_ends_after_an_hour(self, stage: Stage, shopper: Shopper) -> None:
        stage.stand_in.clock.advance(1 / 24 + 0.001)
        assert shopper.post("{ shop { id } }").status_code == 401

    def test_a_refresh_token_ends_after_ninety_days(self, stage: Stage) -> None:
        shopper = stage.shopper()
        refresh = shopper.exchange().json()["refresh_token"]
        stage.stand_in.clock.advance(91)
        answer = shopper.refresh(refresh)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")

    def test_tokens_can_be_expired_on_demand(self, shopper: Shopper) -> None:
        assert shopper.sandbox("tokens/expire").json() == {"expired": 1}
        assert shopper.post("{ shop { id } }").status_code == 401


class TestRotation:
    def test_a_refresh_gives_a_new_pair_that_works(self, stage: Stage) -> None:
        shopper = stage.shopper()
        first = shopper.exchange().json()
        second = shopper.refresh(first["refresh_token"]).json()
        assert second["refresh_token"] != first["refresh_token"]
        shopper.token = second["access_token"]
        assert shopper.ask("{ shop { id } }")

    def test_the_old_refresh_token_works_until_the_new_pair_is_used(self, stage: Stage) -> None:
        shopper = stage.shopper()
        first = shopper.exchange().json()
        lost = shopper.refresh(first["refresh_token"]).json()  # as if the answer never arrived
        again = shopper.refresh(first["refresh_token"])
        assert again.status_code == 200
        assert shopper.refresh(lost["refresh_token"]).json()["error"] == "invalid_grant"

    def test_reusing_a_refresh_token_after_its_successor_was_used_is_refused(self, stage: Stage) -> None:
        shopper = stage.shopper()
        first = shopper.exchange().json()
        shopper.token = shopper.refresh(first["refresh_token"]).json()["access_token"]
        shopper.ask("{ shop { id } }")
        assert shopper.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"

    def test_uninstalling_ends_every_token(self, shopper: Shopper) -> None:
        shopper.sandbox("uninstall")
        assert shopper.post("{ shop { id } }").status_code == 401


class TestLaunch:
    """The query that the admin opens the app with, read by Shopify's own library."""

    def test_its_id_token_is_accepted_by_shopifys_package(self, stage: Stage) -> None:
        options = stage.stand_in.options
        query = signed_launch_query(TINY, options=options)
        app = ShopifyApp(client_id=options.api_key, client_secret=options.api_secret)
        url = "https://app.example.com/?" + "&".join(f"{key}={value}" for key, value in query.items())
        found = app.verify_app_home_req(
            {"method": "GET", "headers": {}, "url": url, "body": ""}, app_home_patch_id_token_path="/session-token"
        )
        assert found.ok, found.log
        assert found.shop == TINY.split(".")[0]

    def test_its_signature_covers_every_parameter(self) -> None:
        query = signed_launch_query(TINY)
        assert query["hmac"] == sign_query(query, "encore-sandbox-secret-0123456789abcdef")
        assert query["hmac"] != sign_query(query | {"shop": OTHER}, "encore-sandbox-secret-0123456789abcdef")
