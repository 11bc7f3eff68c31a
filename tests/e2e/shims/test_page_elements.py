"""Pages, sections, tables and layout: what stands where, and what it is for assistive technology."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from sandbox.shims.lint import built

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    Alone = Callable[[str], Page]

pytestmark = pytest.mark.browser

TABLE = """<s-section padding="none" heading="Segments"><s-table paginate hasNextPage>
<s-table-header-row><s-table-header listSlot="primary">Name</s-table-header>
<s-table-header listSlot="labeled" format="numeric">Members</s-table-header></s-table-header-row>
<s-table-body>
<s-table-row clickDelegate="go">
<s-table-cell><s-link id="go" href="/segments/1">Lapsing</s-link></s-table-cell>
<s-table-cell>88</s-table-cell></s-table-row>
<s-table-row><s-table-cell>New</s-table-cell><s-table-cell>12</s-table-cell></s-table-row>
</s-table-body></s-table></s-section>"""
BOX = (
    "(element) => { const { x, y, width, height } = element.getBoundingClientRect(); return { x, y, width, height }; }"
)


class TestATable:
    def test_has_rows_and_cells_under_headers(self, alone: Alone) -> None:
        page = alone(TABLE)
        expect(page.get_by_role("columnheader")).to_have_text(["Name", "Members"])
        expect(page.get_by_role("row")).to_have_count(3)
        expect(page.get_by_role("row", name="New 12").get_by_role("cell")).to_have_text(["New", "12"])
        header, cell = page.get_by_role("columnheader").nth(1), page.get_by_role("cell").nth(1)
        assert header.evaluate(BOX)["x"] == cell.evaluate(BOX)["x"]
        expect(cell).to_have_css("text-align", "end")

    def test_turns_pages_by_events(self, alone: Alone) -> None:
        page = alone(TABLE)
        page.evaluate("""() => { window.heard = []; const table = document.querySelector("s-table");
            for (const name of ["nextpage", "previouspage"]) table.addEventListener(name, () => heard.push(name)); }""")
        expect(page.get_by_role("button", name="Previous page")).to_be_disabled()
        page.get_by_role("button", name="Next page").click()
        page.evaluate(
            "() => Object.assign(document.querySelector('s-table'), { hasNextPage: false, hasPreviousPage: true })"
        )
        expect(page.get_by_role("button", name="Next page")).to_be_disabled()
        page.get_by_role("button", name="Previous page").click()
        assert page.evaluate("heard") == ["nextpage", "previouspage"]

    def test_says_while_it_loads_and_offers_no_page_then(self, alone: Alone) -> None:
        page = alone(TABLE)
        page.evaluate("() => { document.querySelector('s-table').loading = true; }")
        expect(page.get_by_role("table")).to_have_attribute("aria-busy", "true")
        expect(page.get_by_role("button", name="Next page")).to_be_disabled()

    def test_a_row_hands_its_click_to_the_link_it_names(self, alone: Alone) -> None:
        page = alone(TABLE)
        page.get_by_role("cell", name="88").click()
        page.wait_for_url("**/segments/1")

    def test_becomes_a_list_on_a_narrow_screen(self, alone: Alone) -> None:
        page = alone(TABLE)
        page.set_viewport_size({"width": 390, "height": 800})
        cells = page.get_by_role("row").nth(1).get_by_role("cell")
        expect(cells.nth(1)).to_have_css("display", "flex")
        assert cells.nth(1).evaluate(BOX)["y"] > cells.nth(0).evaluate(BOX)["y"]
        # The header's words stand beside the value, since the header itself is out of sight.
        assert cells.nth(1).evaluate("(cell) => getComputedStyle(cell, '::before').content") == '"Members"'
        assert page.evaluate("document.documentElement.scrollWidth") == 390

    def test_arranges_rows_that_come_later(self, alone: Alone) -> None:
        page = alone(TABLE)
        page.evaluate("""() => document.querySelector("s-table-body").insertAdjacentHTML("beforeend",
            "<s-table-row><s-table-cell>Late</s-table-cell><s-table-cell>1</s-table-cell></s-table-row>")""")
        expect(page.get_by_role("row", name="Late 1").get_by_role("cell").nth(1)).to_have_css("text-align", "end")


class TestAPage:
    def test_shows_its_heading_and_actions_outside_the_admin(self, alone: Alone) -> None:
        page = alone(
            """<s-page heading="Segments"><s-button slot="primary-action">Create</s-button>
            <s-section>Body</s-section></s-page>"""
        )
        expect(page.get_by_role("heading", name="Segments", level=1)).to_be_visible()
        expect(page.get_by_role("button", name="Create")).to_be_visible()

    def test_puts_the_aside_beside_the_content_where_there_is_room(self, alone: Alone) -> None:
        page = alone(
            """<s-page><s-section id="main">Main</s-section>
            <s-section id="side" slot="aside">Aside</s-section></s-page>"""
        )
        main, side = page.locator("#main"), page.locator("#side")
        assert side.evaluate(BOX)["x"] > main.evaluate(BOX)["x"]
        page.set_viewport_size({"width": 600, "height": 800})
        assert side.evaluate(BOX)["y"] > main.evaluate(BOX)["y"]

    def test_headings_go_down_a_level_with_each_section(self, alone: Alone) -> None:
        page = alone(
            '<s-section heading="Outer"><s-section heading="Inner"><s-heading>Own</s-heading></s-section></s-section>'
        )
        for name, level in (("Outer", 2), ("Inner", 3), ("Own", 4)):
            expect(page.get_by_role("heading", name=name, level=level)).to_be_visible()


class TestLayout:
    def test_a_stack_lays_its_children_out_as_told(self, alone: Alone) -> None:
        page = alone(
            """<s-stack direction="inline" gap="large-100"><s-box id="a" inlineSize="50px">a</s-box>
            <s-box id="b">b</s-box></s-stack>"""
        )
        a, b = page.locator("#a").evaluate(BOX), page.locator("#b").evaluate(BOX)
        assert (a["width"], b["x"] - a["x"], b["y"] - a["y"]) == (50, 70, 0)

    def test_a_responsive_value_follows_its_container(self, alone: Alone) -> None:
        page = alone("""<s-query-container><s-grid gridTemplateColumns="@container (inline-size > 600px) 1fr 1fr, 1fr">
            <s-box id="a">a</s-box><s-box id="b">b</s-box></s-grid></s-query-container>""")
        assert page.locator("#a").evaluate(BOX)["y"] == page.locator("#b").evaluate(BOX)["y"]
        page.set_viewport_size({"width": 500, "height": 800})
        assert page.locator("#a").evaluate(BOX)["y"] < page.locator("#b").evaluate(BOX)["y"]

    def test_something_for_screen_readers_only_takes_no_room(self, alone: Alone) -> None:
        page = alone('<s-text accessibilityVisibility="exclusive">Sorted by name</s-text>')
        box = page.get_by_text("Sorted by name").evaluate(BOX)
        assert (box["width"], box["height"]) == (1, 1)


class TestTheElements:
    def test_are_those_that_the_build_lists_with_the_same_attributes(self, alone: Alone) -> None:
        page = alone("<p>empty</p>")
        observed = page.evaluate(
            """(tags) => Object.fromEntries(
                tags.map((tag) => [tag, [...customElements.get(tag).observedAttributes].sort()]))""",
            sorted(built()),
        )
        assert observed == {tag: sorted(names) for tag, names in built().items()}

    def test_every_one_can_be_made_and_taken_away(self, alone: Alone) -> None:
        page = alone("<p>empty</p>")
        page.evaluate(
            """(tags) => { for (const tag of tags) { const made = document.createElement(tag);
            document.body.append(made); made.remove(); document.body.append(made); made.remove(); } }""",
            sorted(built()),
        )

    def test_have_an_icon_for_every_name_that_the_package_ships(self, alone: Alone) -> None:
        page = alone("<s-icon type='delete'></s-icon><s-icon type='no-such-icon'></s-icon>")
        drawn = page.evaluate(
            """() => [...document.querySelectorAll("s-icon")].map(
                (icon) => icon.shadowRoot.querySelectorAll("path").length > 0)"""
        )
        assert drawn == [True, False]
