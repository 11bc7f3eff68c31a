"""The admin around the app: navigation, title bar, address, toasts, and what fits a telephone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import FrameLocator, Page

    from tests.e2e.shims.conftest import EmbeddedApp

    Embed = Callable[..., FrameLocator]

pytestmark = pytest.mark.browser

NAV = """<s-app-nav><s-link href="/" rel="home">Home</s-link><s-link href="/segments">Segments</s-link>
<s-link href="/campaigns">Campaigns</s-link></s-app-nav>"""
# A page whose router follows links without a reload, as Encore's does.
ROUTER = """<p id="where"></p><script>
const show = () => { document.querySelector("#where").textContent = location.pathname; };
document.addEventListener("shopify:navigate", (event) => {
  history.pushState(null, "", event.target.getAttribute("href"));
  show();
});
addEventListener("popstate", show);
show();
</script>"""
ROUTED = f"{NAV}<s-page heading='Encore'></s-page><s-link href='/segments/7?tab=orders'>Seven</s-link>{ROUTER}"
ENCORE = "/store/first-shop/apps/encore"


def on_loads(frame: FrameLocator) -> float:
    """When the frame's document was loaded: the same number means the same document."""
    return float(frame.locator("body").evaluate("() => performance.timeOrigin"))


class TestNavigation:
    def test_lists_the_apps_links_but_not_its_home(self, embed: Embed, page: Page) -> None:
        embed(ROUTED)
        expect(page.locator("#app-nav a")).to_have_text(["Segments", "Campaigns"])

    def test_a_link_is_followed_by_the_apps_router_without_a_reload(self, embed: Embed, page: Page) -> None:
        frame = embed(ROUTED)
        loaded = on_loads(frame)
        page.locator("#app-nav").get_by_text("Segments").click()
        expect(frame.locator("#where")).to_have_text("/segments")
        expect(page.locator("#app-nav a", has_text="Segments")).to_have_attribute("aria-current", "page")
        page.get_by_role("link", name="Encore", exact=True).click()
        expect(frame.locator("#where")).to_have_text("/")
        assert on_loads(frame) == loaded

    def test_a_link_is_loaded_where_the_app_has_no_router(self, embed: Embed, page: Page) -> None:
        frame = embed(f"{NAV}<s-page heading='Encore'></s-page>")
        loaded = on_loads(frame)
        page.locator("#app-nav").get_by_text("Campaigns").click()
        page.wait_for_url(f"**{ENCORE}/campaigns")
        assert on_loads(frame) != loaded

    def test_links_inside_the_page_reach_the_router_too(self, embed: Embed, page: Page) -> None:
        frame = embed(ROUTED)
        loaded = on_loads(frame)
        frame.get_by_role("link", name="Seven").click()
        page.wait_for_url(f"**{ENCORE}/segments/7?tab=orders")
        assert on_loads(frame) == loaded

    def test_an_address_of_the_admin_leaves_the_app(self, embed: Embed, page: Page) -> None:
        frame = embed("<s-page heading='Encore'></s-page><s-link href='shopify://admin/products'>Products</s-link>")
        frame.get_by_role("link", name="Products").click()
        page.wait_for_url("**/store/first-shop/products")
        expect(page.get_by_role("heading", name="Not part of the sandbox: products")).to_be_visible()

    def test_a_link_to_the_top_leaves_the_frame(self, embed: Embed, page: Page, app: EmbeddedApp) -> None:
        frame = embed("<s-page heading='Encore'></s-page><a href='/terms' target='_top'>Terms</a>")
        frame.get_by_role("link", name="Terms").click()
        page.wait_for_url(f"{app.url}/terms")


class TestTheAddress:
    def test_a_deep_link_opens_the_same_page_of_the_app(self, embed: Embed, page: Page) -> None:
        frame = embed(ROUTED, "/segments/7?tab=orders")
        assert frame.locator("body").evaluate(
            "() => [location.pathname, new URLSearchParams(location.search).get('tab')]"
        ) == [
            "/segments/7",
            "orders",
        ]
        # What belongs to the launch stays out of the bar.
        expect(page).to_have_url(page.url.split("/store")[0] + f"{ENCORE}/segments/7?tab=orders")

    def test_follows_the_app_and_survives_a_reload(self, embed: Embed, page: Page) -> None:
        frame = embed(ROUTED)
        page.locator("#app-nav").get_by_text("Campaigns").click()
        page.wait_for_url(f"**{ENCORE}/campaigns")
        page.reload()
        expect(frame.locator("#where")).to_have_text("/campaigns")
        page.wait_for_url(f"**{ENCORE}/campaigns")

    def test_back_and_forward_walk_the_apps_pages(self, embed: Embed, page: Page) -> None:
        frame = embed(ROUTED)
        for name in ("Segments", "Campaigns"):
            page.locator("#app-nav").get_by_text(name).click()
            expect(frame.locator("#where")).to_have_text(f"/{name.lower()}")
        page.go_back()
        expect(frame.locator("#where")).to_have_text("/segments")
        page.wait_for_url(f"**{ENCORE}/segments")
        page.go_forward()
        expect(frame.locator("#where")).to_have_text("/campaigns")
        page.wait_for_url(f"**{ENCORE}/campaigns")


class TestTheTitleBar:
    BAR = """<s-page heading="Segment"><s-link slot="breadcrumb-actions" href="/segments">Segments</s-link>
        <s-badge slot="accessory" tone="success">Active</s-badge>
        <s-button slot="secondary-actions" commandFor="more">More</s-button>
        <s-button slot="primary-action" id="sync" disabled>Sync</s-button></s-page>
        <s-menu id="more"><s-button id="rename">Rename</s-button></s-menu><script>window.clicks = [];
        document.addEventListener("click", (event) => clicks.push(event.target.id));</script>"""

    def test_shows_the_pages_heading_breadcrumb_badge_and_actions(self, embed: Embed, page: Page) -> None:
        frame = embed(self.BAR)
        bar = page.locator(".titlebar")
        expect(bar.get_by_role("heading", name="Segment")).to_be_visible()
        expect(bar.get_by_role("button", name="Segments")).to_be_visible()
        expect(bar.get_by_text("Active")).to_be_visible()
        expect(bar.get_by_role("button", name="Sync")).to_be_disabled()
        expect(page).to_have_title("Segment · Encore · Sandbox admin")
        # And the page itself does not repeat them.
        expect(frame.get_by_role("button", name="Sync")).to_be_hidden()

    def test_follows_changes_and_presses_the_pages_buttons(self, embed: Embed, page: Page) -> None:
        body = embed(self.BAR).locator("body")
        bar = page.locator(".titlebar")
        body.evaluate(
            "() => { const s = document.querySelector('#sync'); s.disabled = false; s.textContent = 'Sync now'; }"
        )
        bar.get_by_role("button", name="Sync now").click()
        bar.get_by_role("button", name="More").click()
        bar.get_by_role("menuitem", name="Rename").click()
        assert body.evaluate("() => new Promise((done) => setTimeout(() => done(clicks), 50))") == ["sync", "rename"]

    def test_the_breadcrumb_leads_back(self, embed: Embed, page: Page) -> None:
        embed(self.BAR)
        page.locator(".titlebar").get_by_role("button", name="Segments").click()
        page.wait_for_url(f"**{ENCORE}/segments")


class TestMessages:
    PAGE = "<s-page heading='Encore'></s-page>"

    def test_a_toast_shows_and_is_hidden_by_its_id(self, embed: Embed, page: Page) -> None:
        body = embed(self.PAGE).locator("body")
        first = body.evaluate("() => shopify.toast.show('Segment saved')")
        second = body.evaluate("() => shopify.toast.show('Sync failed', { isError: true, duration: 60000 })")
        assert first != second
        status = page.get_by_role("status")
        expect(status.get_by_text("Segment saved")).to_be_visible()
        body.evaluate("(_, id) => shopify.toast.hide(id)", first)
        expect(status.get_by_text("Segment saved")).to_have_count(0)
        expect(status.get_by_text("Sync failed")).to_be_visible()

    def test_a_toast_goes_by_itself_and_its_action_is_told(self, embed: Embed, page: Page) -> None:
        body = embed(self.PAGE).locator("body")
        body.evaluate("""() => { window.told = [];
            const told_ = (word) => () => told.push(word);
            const more = { duration: 60000, action: "Undo", onAction: told_("undo"), onDismiss: told_("gone") };
            shopify.toast.show("Deleted", more);
            shopify.toast.show("Short", { duration: 100 }); }""")
        expect(page.get_by_text("Short")).to_have_count(0)
        page.get_by_role("button", name="Undo").click()
        page.get_by_role("button", name="Dismiss").click()
        expect(page.get_by_text("Deleted")).to_have_count(0)
        body.evaluate("() => new Promise((done) => setTimeout(done, 50))")
        assert body.evaluate("() => told") == ["undo", "gone"]

    def test_loading_shows_a_bar_until_it_is_over(self, embed: Embed, page: Page) -> None:
        body = embed(self.PAGE).locator("body")
        bar = page.get_by_role("progressbar", name="Loading")
        expect(bar).to_be_hidden()
        body.evaluate("() => shopify.loading(true)")
        expect(bar).to_be_visible()
        body.evaluate("() => shopify.loading(false)")
        expect(bar).to_be_hidden()


class TestTheFrameOfTheAdmin:
    def test_says_that_the_shop_is_a_sandbox(self, embed: Embed, page: Page) -> None:
        embed("<s-page heading='Encore'></s-page>")
        expect(page.get_by_text("invented customers, public research purchases")).to_be_visible()
        expect(page.get_by_role("navigation", name="Stand-ins").get_by_role("link")).to_have_text(
            ["Shopify stand-in", "Klaviyo", "Mailchimp", "Inbox"]
        )

    def test_opens_each_store_as_itself(self, page: Page, app: EmbeddedApp) -> None:
        app.body = "<s-page heading='Encore'></s-page>"
        page.goto(f"{app.admin_url}/store/second-shop/apps/encore")
        frame = page.frame_locator("#app-frame")
        token = frame.locator("body").evaluate("() => shopify.idToken()")
        assert app.claims(token)["dest"] == "https://second-shop.myshopify.com"
        expect(page.get_by_text("Second Shop").first).to_be_visible()

    def test_folds_its_navigation_on_a_telephone(self, embed: Embed, page: Page) -> None:
        page.set_viewport_size({"width": 390, "height": 800})
        embed(ROUTED)
        item = page.locator("#app-nav").get_by_text("Segments")
        expect(item).to_be_hidden()
        toggle = page.get_by_role("button", name="Navigation")
        toggle.click()
        expect(toggle).to_have_attribute("aria-expanded", "true")
        item.click()
        page.wait_for_url(f"**{ENCORE}/segments")
        expect(item).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
