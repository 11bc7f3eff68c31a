"""The save bar and modals of an embedded page, as the admin around it draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import FrameLocator, Page

    Embed = Callable[..., FrameLocator]

pytestmark = pytest.mark.browser

PAGE = """<s-app-nav><a href="/" rel="home">Home</a><a href="/other">Other</a></s-app-nav>
<s-page heading="Form"></s-page><ol id="said"></ol>
<ui-save-bar id="bar" discardConfirmation><button variant="primary" id="save"></button><button id="discard"></button>
</ui-save-bar><script>
const say = (text) => { const li = document.createElement("li"); li.textContent = text; said.append(li); };
for (const name of ["save", "discard"]) document.getElementById(name).addEventListener("click", () => say(name));
document.addEventListener("shopify:navigate", (event) => say("to " + event.target.getAttribute("href")));
</script>"""
MODAL = """<s-page heading="Form"></s-page><s-modal id="sure" heading="Sure?"><p>Really?</p></s-modal>"""


def shown(embed: Embed) -> FrameLocator:
    frame = embed(PAGE)
    frame.locator("body").evaluate("() => shopify.saveBar.show('bar')")
    return frame


class TestTheSaveBar:
    def test_stands_in_the_admin_while_the_page_wants_it(self, embed: Embed, page: Page) -> None:
        frame = embed(PAGE)
        expect(page.locator("#save-bar")).to_be_hidden()
        frame.locator("body").evaluate("() => shopify.saveBar.show('bar')")
        expect(page.locator("#save-bar")).to_contain_text("Unsaved changes")
        assert frame.locator("#bar").evaluate("(bar) => bar.showing") is True
        frame.locator("body").evaluate("() => shopify.saveBar.hide('bar')")
        expect(page.locator("#save-bar")).to_be_hidden()

    def test_presses_the_buttons_of_the_page(self, embed: Embed, page: Page) -> None:
        frame = shown(embed)
        page.locator("#save-bar").get_by_role("button", name="Save").click()
        expect(frame.locator("#said li")).to_have_text(["save"])

    def test_asks_before_it_discards_if_told_to(self, embed: Embed, page: Page) -> None:
        frame = shown(embed)
        page.locator("#save-bar").get_by_role("button", name="Discard").click()
        question = page.get_by_role("dialog", name="Discard all unsaved changes?")
        question.get_by_role("button", name="Continue editing").click()
        expect(frame.locator("#said li")).to_have_count(0)
        page.locator("#save-bar").get_by_role("button", name="Discard").click()
        question.get_by_role("button", name="Discard changes").click()
        expect(frame.locator("#said li")).to_have_text(["discard"])

    def test_shows_that_saving_is_on_its_way(self, embed: Embed, page: Page) -> None:
        frame = shown(embed)
        frame.locator("#save").evaluate("(button) => button.setAttribute('loading', '')")
        expect(page.locator("#save-bar").get_by_role("button", name="Save")).to_be_disabled()
        frame.locator("#save").evaluate("(button) => button.removeAttribute('loading')")
        expect(page.locator("#save-bar").get_by_role("button", name="Save")).to_be_enabled()

    def test_goes_with_its_element(self, embed: Embed, page: Page) -> None:
        frame = shown(embed)
        expect(page.locator("#save-bar")).to_be_visible()
        frame.locator("#bar").evaluate("(bar) => bar.remove()")
        expect(page.locator("#save-bar")).to_be_hidden()

    def test_of_an_unknown_id_is_an_error(self, embed: Embed) -> None:
        said = (
            embed(PAGE).locator("body").evaluate("() => shopify.saveBar.show('none').catch((error) => error.message)")
        )
        assert "no ui-save-bar" in said


class TestLeaving:
    def test_asks_first_and_may_be_refused(self, embed: Embed, page: Page) -> None:
        frame = shown(embed)
        page.get_by_role("link", name="Other").click()
        question = page.get_by_role("dialog", name="Leave page with unsaved changes?")
        question.get_by_role("button", name="Stay").click()
        expect(frame.locator("#said li")).to_have_count(0)
        expect(page.locator("#save-bar")).to_be_visible()
        page.get_by_role("link", name="Other").click()
        question.get_by_role("button", name="Leave page").click()
        expect(frame.locator("#said li")).to_have_text(["to /other"])
        expect(page.locator("#save-bar")).to_be_hidden()

    def test_to_the_rest_of_the_admin_asks_too(self, embed: Embed, page: Page) -> None:
        shown(embed)
        page.get_by_role("link", name="Orders").click()
        page.get_by_role("dialog").get_by_role("button", name="Leave page").click()
        page.wait_for_url("**/store/first-shop/orders")

    def test_is_free_without_unsaved_changes(self, embed: Embed, page: Page) -> None:
        frame = embed(PAGE)
        frame.locator("body").evaluate("() => shopify.saveBar.leaveConfirmation()")
        page.get_by_role("link", name="Other").click()
        expect(frame.locator("#said li")).to_have_text(["to /other"])

    def test_by_the_page_itself_waits_for_the_answer(self, embed: Embed, page: Page) -> None:
        frame = shown(embed)
        asking = "() => { shopify.saveBar.leaveConfirmation().then(() => say('left')); }"
        frame.locator("body").evaluate(asking)
        page.get_by_role("dialog").get_by_role("button", name="Stay").click()
        expect(page.locator("#save-bar")).to_be_visible()
        expect(frame.locator("#said li")).to_have_count(0)
        frame.locator("body").evaluate(asking)
        page.get_by_role("dialog").get_by_role("button", name="Leave page").click()
        expect(frame.locator("#said li")).to_have_text(["left"])


class TestAModal:
    def test_makes_the_whole_admin_wait(self, embed: Embed, page: Page) -> None:
        frame = embed(MODAL)
        frame.locator("body").evaluate("() => shopify.modal.show('sure')")
        expect(frame.get_by_role("dialog", name="Sure?")).to_be_visible()
        expect(page.locator("nav.nav")).to_have_attribute("inert", "")
        frame.locator("body").evaluate("() => shopify.modal.hide('sure')")
        expect(page.locator("nav.nav")).not_to_have_attribute("inert", "")

    def test_that_goes_with_its_page_lets_the_admin_go_on(self, embed: Embed, page: Page) -> None:
        frame = embed(MODAL)
        frame.locator("body").evaluate("() => shopify.modal.show('sure')")
        expect(page.locator("nav.nav")).to_have_attribute("inert", "")
        frame.locator("#sure").evaluate("(modal) => modal.remove()")
        expect(page.locator("nav.nav")).not_to_have_attribute("inert", "")
