"""app-bridge.js in an embedded page: tokens, requests, messages, navigation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flask import Flask, jsonify, request
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, FrameLocator, Page

    from tests.e2e.conftest import Problems
    from tests.e2e.shims.conftest import EmbeddedApp

    Embed = Callable[..., FrameLocator]

pytestmark = pytest.mark.browser

PLAIN = "<s-page heading='Home'></s-page>"
FETCH = "(_, address) => fetch(address).then((answer) => answer.json())"
XHR = """(_, [method, address, body]) => new Promise((done) => {
    const request = new XMLHttpRequest(), seen = [];
    request.onreadystatechange = () => seen.push(request.readyState);
    request.onload = () => seen.push("load");
    request.addEventListener("loadend", () => done([request.status, request.responseText, seen]));
    request.open(method, address); request.setRequestHeader("X-Own", "kept"); request.send(body); })"""


class TestTheSessionToken:
    def test_is_fresh_with_every_call_and_names_the_shop(self, embed: Embed, app: EmbeddedApp) -> None:
        body = embed(PLAIN).locator("body")
        first, second = body.evaluate("() => Promise.all([shopify.idToken(), shopify.idToken()])")
        assert first != second
        assert app.claims(first)["dest"] == "https://first-shop.myshopify.com"
        assert app.claims(first)["jti"] != app.claims(second)["jti"]

    def test_is_not_to_be_had_outside_the_admin(self, page: Page, app: EmbeddedApp) -> None:
        page.goto(app.url)
        refused = page.evaluate("() => shopify.idToken().catch((error) => error.message)")
        assert refused == "no session token: this page is not embedded in the admin"
        assert page.evaluate("shopify.environment.embedded") is False

    def test_is_refused_to_another_frame_of_the_apps_own_origin(
        self, embed: Embed, page: Page, app: EmbeddedApp
    ) -> None:
        embed(PLAIN)
        page.evaluate(ADD_FRAME, app.url)
        assert page.frame_locator("#second").locator("body").evaluate(ASKED) == "silence"

    def test_is_refused_to_another_origin_in_the_apps_frame(
        self, chromium: Browser, app: EmbeddedApp, serve: Callable[[Flask], str], problems: Problems
    ) -> None:
        # Without the admin's content policy, which would not even load the stranger: one wall at a time.
        context = chromium.new_context(bypass_csp=True)
        page = context.new_page()
        problems.watch(page)
        stranger = Flask("stranger")
        stranger.get("/")(lambda: app.document("<h1>Stranger</h1>"))
        page.goto(f"{app.admin_url}/store/first-shop/apps/encore")
        frame = page.frame_locator("#app-frame")
        assert frame.locator("body").evaluate(ASKED) == "a token"
        page.evaluate("(address) => { document.querySelector('#app-frame').src = address; }", serve(stranger))
        expect(frame.get_by_role("heading", name="Stranger")).to_be_visible()
        assert frame.locator("body").evaluate(ASKED) == "silence"
        context.close()

    def test_the_admin_loads_no_other_origin_into_the_apps_frame(
        self, embed: Embed, page: Page, serve: Callable[[Flask], str], problems: Problems
    ) -> None:
        problems.allow("Content Security Policy")
        embed(PLAIN)
        with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
            page.evaluate(
                "(address) => { document.querySelector('#app-frame').src = address; }", serve(Flask("stranger"))
            )

    def test_the_page_believes_no_message_but_the_admins(self, embed: Embed) -> None:
        body = embed(PLAIN).locator("body")
        believed = body.evaluate("""() => new Promise((done) => {
            const forged = { "encore-sandbox-bridge": 1, kind: "id-token", id: 1, token: "forged" };
            window.postMessage(forged, "*");
            shopify.idToken().then(done); })""")
        assert believed != "forged"


ADD_FRAME = """(address) => new Promise((done) => {
    const frame = document.createElement("iframe");
    Object.assign(frame, { id: "second", src: address, onload: done });
    document.body.append(frame); })"""
ASKED = """() => new Promise((done) => {
    addEventListener("message", (event) => { if (event.data.kind === "id-token") done("a token"); });
    parent.postMessage({ "encore-sandbox-bridge": 1, kind: "id-token", id: 7 }, "*");
    setTimeout(() => done("silence"), 500); })"""


class TestTheConfiguration:
    def test_names_key_shop_host_and_locale(self, embed: Embed, app: EmbeddedApp) -> None:
        frame = embed(PLAIN)
        body = frame.locator("body")
        body.evaluate("() => shopify.ready")
        config = body.evaluate("() => ({ ...shopify.config, plain: atob(shopify.config.host) })")
        assert config["apiKey"] == "encore-sandbox-key"
        assert config["shop"] == "first-shop.myshopify.com"
        assert config["plain"].endswith("/store/first-shop")
        assert config["locale"] == "en"
        assert body.evaluate("() => [shopify.origin, shopify.environment.embedded]") == [app.admin_url, True]

    def test_is_kept_for_later_pages_of_the_app(self, embed: Embed, page: Page) -> None:
        frame = embed(f"{PLAIN}<a href='/later'>Later</a>")
        frame.get_by_role("link", name="Later").click()
        # The admin's address follows what the new document reports of itself.
        page.wait_for_url("**/apps/encore/later")
        kept = frame.locator("body").evaluate("() => [location.search, shopify.config.shop]")
        assert kept == ["", "first-shop.myshopify.com"]


class TestRequestsToTheApp:
    def test_fetch_carries_a_token_and_the_language(self, embed: Embed, app: EmbeddedApp) -> None:
        answer = embed(PLAIN).locator("body").evaluate(FETCH, "/api")
        assert app.claims(answer["token"].removeprefix("Bearer "))["aud"] == "encore-sandbox-key"
        assert app.headers[-1]["Accept-Language"] == "en"

    def test_a_stale_session_is_tried_again_once_with_another_token(
        self, embed: Embed, app: EmbeddedApp, problems: Problems
    ) -> None:
        problems.allow("401")
        body = embed(PLAIN).locator("body")
        app.headers.clear()
        app.refusals = 1
        answer = body.evaluate("() => fetch('/api', { method: 'POST', body: 'kept' }).then((a) => a.json())")
        tokens = [headers["Authorization"] for headers in app.headers]
        assert len(set(tokens)) == 2
        assert answer == {"token": tokens[-1], "body": "kept"}
        app.headers.clear()
        app.refusals = 5
        assert body.evaluate("() => fetch('/api').then((answer) => answer.status)") == 401
        assert len(app.headers) == 2

    def test_another_401_is_the_pages_to_handle(self, embed: Embed, app: EmbeddedApp, problems: Problems) -> None:
        problems.allow("401")
        body = embed(PLAIN).locator("body")
        app.headers.clear()
        assert body.evaluate("() => fetch('/unauthorised').then((answer) => answer.status)") == 401
        assert len(app.headers) == 1

    def test_an_authorization_of_the_pages_own_is_left_alone(self, embed: Embed) -> None:
        script = "() => fetch('/api', { headers: { Authorization: 'Basic x' } }).then((answer) => answer.json())"
        assert embed(PLAIN).locator("body").evaluate(script)["token"] == "Basic x"

    def test_no_token_goes_to_another_origin(self, embed: Embed, serve: Callable[[Flask], str]) -> None:
        other = Flask("other")

        @other.get("/")
        def headers() -> object:
            answer = jsonify(authorization=request.headers.get("Authorization"))
            answer.headers["Access-Control-Allow-Origin"] = "*"
            return answer

        assert embed(PLAIN).locator("body").evaluate(FETCH, serve(other)) == {"authorization": None}

    def test_xmlhttprequest_does_the_same(self, embed: Embed, app: EmbeddedApp, problems: Problems) -> None:
        problems.allow("401")
        body = embed(PLAIN).locator("body")
        app.headers.clear()
        app.refusals = 1
        status, text, seen = body.evaluate(XHR, ["POST", "/api", "kept"])
        assert status == 200
        assert '"body":"kept"' in text
        # The page sees one answer, as if the first had never come.
        assert seen == [1, 2, 3, 4, "load"]
        assert [headers["X-Own"] for headers in app.headers] == ["kept", "kept"]
        assert len({headers["Authorization"] for headers in app.headers}) == 2


class TestTheReloadPage:
    def test_brings_a_token_to_a_document_that_was_opened_without_one(self, embed: Embed, app: EmbeddedApp) -> None:
        frame = embed(f"{PLAIN}<a href='/guarded'>Guarded</a>")
        frame.get_by_role("link", name="Guarded").click()
        expect(frame.locator("s-page")).to_have_attribute("heading", "Guarded")
        assert app.claims(app.tokens[-1])["dest"] == "https://first-shop.myshopify.com"

    def test_reloads_nothing_of_another_origin(self, embed: Embed, page: Page, problems: Problems) -> None:
        problems.allow("shopify-reload must stay")
        body = embed(PLAIN).locator("body")
        with page.expect_event("pageerror", lambda error: "shopify-reload must stay" in str(error)):
            body.evaluate("() => { location.href = '/patch?shopify-reload=https%3A%2F%2Fexample.com%2F'; }")


class TestOverlaysOfTheBridge:
    def test_modal_show_and_hide_work_by_id(self, embed: Embed) -> None:
        frame = embed(f"{PLAIN}<s-modal id='m' heading='Sure?'>Yes?</s-modal>")
        body = frame.locator("body")
        body.evaluate("() => shopify.modal.show('m')")
        expect(frame.get_by_role("dialog", name="Sure?")).to_be_visible()
        body.evaluate("() => shopify.modal.hide('m')")
        expect(frame.get_by_role("dialog", name="Sure?")).to_be_hidden()
        assert "no modal" in body.evaluate("() => shopify.modal.show('x').catch((error) => error.message)")
