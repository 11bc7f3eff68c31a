"""Buttons, links, menus and other overlays by mouse and keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    Alone = Callable[[str], Page]

pytestmark = pytest.mark.browser

CLICKS = """() => { window.clicks = [];
    document.body.addEventListener("click", (event) => clicks.push(event.target.id || event.target.localName)); }"""
NAMED = """(names) => { window.heard = [];
    for (const name of names) document.body.firstElementChild.addEventListener(name, () => heard.push(name)); }"""


class TestAButton:
    @pytest.mark.parametrize("key", ["Enter", "Space"])
    def test_is_pressed_by_the_keyboard_once(self, alone: Alone, key: str) -> None:
        page = alone('<s-button id="save">Save</s-button>')
        page.evaluate(CLICKS)
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Save")).to_be_focused()
        page.keyboard.press(key)
        assert page.evaluate("clicks") == ["save"]

    @pytest.mark.parametrize("state", ["disabled", "loading"])
    def test_does_nothing_while_disabled_or_loading(self, alone: Alone, state: str) -> None:
        page = alone(f"<form><s-button type='submit' {state}>Save</s-button></form>")
        page.evaluate(CLICKS)
        page.evaluate(
            "() => { window.sent = 0; document.querySelector('form').onsubmit = () => { sent += 1; return false; }; }"
        )
        expect(page.get_by_role("button", name="Save")).to_be_disabled()
        page.evaluate("() => document.querySelector('s-button').click()")
        page.evaluate("() => new Promise((done) => setTimeout(done, 20))")
        assert page.evaluate("[clicks, sent]") == [[], 0]

    def test_submits_its_form_unless_the_click_is_prevented(self, alone: Alone) -> None:
        page = alone("<form><s-button type='submit'>Save</s-button></form>")
        page.evaluate("""() => { window.sent = 0; const form = document.querySelector("form");
            form.addEventListener("submit", (event) => { event.preventDefault(); sent += 1; });
            form.addEventListener("click", (event) => { if (window.hold) event.preventDefault(); }); }""")
        page.get_by_role("button", name="Save").click()
        page.wait_for_function("sent === 1")
        page.evaluate("() => { window.hold = true; }")
        page.get_by_role("button", name="Save").click()
        page.evaluate("() => new Promise((done) => setTimeout(done, 20))")
        assert page.evaluate("sent") == 1

    def test_with_an_address_is_a_link(self, alone: Alone) -> None:
        page = alone('<s-button href="/elsewhere">Go</s-button>')
        page.get_by_role("link", name="Go").click()
        page.wait_for_url("**/elsewhere")

    def test_with_an_icon_only_is_named_by_its_label(self, alone: Alone) -> None:
        page = alone('<s-button icon="delete" accessibilityLabel="Delete rule"></s-button>')
        expect(page.get_by_role("button", name="Delete rule")).to_be_visible()

    def test_is_as_wide_as_its_words_unless_told_to_fill(self, alone: Alone) -> None:
        page = alone("""<s-stack><s-button>Go</s-button><s-button inlineSize="fill">Fill</s-button></s-stack>""")
        widths = page.evaluate("() => [...document.querySelectorAll('s-button')].map((button) => button.offsetWidth)")
        assert widths[0] < 60
        assert widths[1] == page.evaluate("document.body.clientWidth")

    def test_keeps_the_focus_when_its_state_changes(self, alone: Alone) -> None:
        page = alone('<s-button icon="plus">Add</s-button>')
        page.get_by_role("button", name="Add").focus()
        page.evaluate("() => { document.querySelector('s-button').icon = 'check'; }")
        expect(page.get_by_role("button", name="Add")).to_be_focused()


MENU = """<s-button id="opener" commandFor="menu">More</s-button>
<s-menu id="menu" accessibilityLabel="More actions"><s-button id="a">Rename</s-button>
<s-button id="b" disabled>Export</s-button><s-button id="c" tone="critical">Delete</s-button></s-menu>"""


class TestAMenu:
    def test_opens_on_its_first_item_and_moves_by_arrows(self, alone: Alone) -> None:
        page = alone(MENU)
        page.get_by_role("button", name="More").press("Enter")
        menu = page.get_by_role("menu", name="More actions")
        expect(menu).to_be_visible()
        expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
        page.keyboard.press("ArrowDown")
        expect(page.get_by_role("menuitem", name="Delete")).to_be_focused()
        page.keyboard.press("ArrowDown")
        expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
        page.keyboard.press("End")
        expect(page.get_by_role("menuitem", name="Delete")).to_be_focused()

    def test_escape_closes_it_and_returns_to_the_opener(self, alone: Alone) -> None:
        page = alone(MENU)
        page.get_by_role("button", name="More").press("Enter")
        expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.get_by_role("menu")).to_be_hidden()
        expect(page.get_by_role("button", name="More")).to_be_focused()
        expect(page.get_by_role("button", name="More")).to_have_attribute("aria-expanded", "false")

    def test_choosing_presses_the_item_and_closes_it(self, alone: Alone) -> None:
        page = alone(MENU)
        page.evaluate(CLICKS)
        page.get_by_role("button", name="More").click()
        page.get_by_role("menuitem", name="Delete").click()
        expect(page.get_by_role("menu")).to_be_hidden()
        assert page.evaluate("clicks") == ["opener", "c"]

    def test_the_opener_closes_it_again_and_so_does_a_click_elsewhere(self, alone: Alone) -> None:
        page = alone(MENU)
        for close in (lambda: page.get_by_role("button", name="More").click(), lambda: page.mouse.click(600, 600)):
            page.get_by_role("button", name="More").click()
            expect(page.get_by_role("menu")).to_be_visible()
            close()
            expect(page.get_by_role("menu")).to_be_hidden()


class TestOtherOverlays:
    def test_a_popover_tells_when_it_shows_and_hides(self, alone: Alone) -> None:
        page = alone(
            """<s-popover id="pop"><s-text>Inside</s-text></s-popover><s-button commandFor="pop">Open</s-button>"""
        )
        page.evaluate(NAMED, ["show", "aftershow", "hide", "afterhide"])
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_text("Inside")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_text("Inside")).to_be_hidden()
        assert page.evaluate("heard") == ["show", "aftershow", "hide", "afterhide"]

    def test_a_modal_is_a_named_dialog_that_its_buttons_close(self, alone: Alone) -> None:
        page = alone("""<s-modal id="m" heading="Delete segment?">Gone for good.
            <s-button slot="secondary-actions" commandFor="m" command="--hide">Cancel</s-button></s-modal>
            <s-button commandFor="m">Delete</s-button>""")
        page.get_by_role("button", name="Delete").click()
        dialog = page.get_by_role("dialog", name="Delete segment?")
        expect(dialog).to_be_visible()
        page.get_by_role("button", name="Cancel").click()
        expect(dialog).to_be_hidden()
        page.get_by_role("button", name="Delete").click()
        expect(dialog).to_be_visible()
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()

    def test_a_tooltip_shows_for_the_keyboard_too(self, alone: Alone) -> None:
        page = alone("""<s-tooltip id="tip">Sends at 09:00</s-tooltip><s-button interestFor="tip">Send</s-button>""")
        tooltip = page.get_by_role("tooltip")
        expect(tooltip).to_be_hidden()
        page.get_by_role("button", name="Send").focus()
        expect(tooltip).to_be_visible()
        page.evaluate("() => document.activeElement.blur()")
        expect(tooltip).to_be_hidden()


class TestSmallThings:
    def test_a_banner_is_dismissed_with_its_events(self, alone: Alone) -> None:
        page = alone(
            '<s-banner tone="warning" heading="Only 60 days" dismissible>Orders before are missing.</s-banner>'
        )
        page.evaluate(NAMED, ["dismiss", "afterhide"])
        expect(page.get_by_role("alert")).to_contain_text("Only 60 days")
        page.get_by_role("button", name="Dismiss").press("Enter")
        expect(page.get_by_text("Orders before are missing.")).to_be_hidden()
        assert page.evaluate("heard") == ["dismiss", "afterhide"]

    def test_a_chip_is_removed_without_being_clicked(self, alone: Alone) -> None:
        page = alone("<s-clickable-chip removable>Milk</s-clickable-chip>")
        page.evaluate(NAMED, ["remove", "click"])
        page.get_by_role("button", name="Remove Milk").click()
        page.get_by_role("button", name="Milk", exact=True).click()
        assert page.evaluate("heard") == ["remove", "click"]

    def test_a_clickable_is_a_button_over_its_whole_box(self, alone: Alone) -> None:
        page = alone('<s-clickable id="card" padding="large-300"><s-text>Card</s-text></s-clickable>')
        page.evaluate(CLICKS)
        page.get_by_role("button", name="Card").click(position={"x": 3, "y": 3})
        assert page.evaluate("clicks") == ["card"]
