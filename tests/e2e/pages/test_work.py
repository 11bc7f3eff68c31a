"""What a merchant does on the pages, with real elements: clicks, typing, files, keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page, Response

    from tests.e2e.pages.fake_api import FakeApi

pytestmark = pytest.mark.browser


def saved(response: Response) -> bool:
    """Whether this answers a save of the wizard."""
    return response.request.method == "PATCH" and "/api/campaigns/" in response.url


class TestSegments:
    def test_chips_filter_and_stay_in_the_address(self, go: Callable[[str], Page]) -> None:
        page = go("/segments")
        page.get_by_role("button", name="Retain customers, 2 segments").click()
        expect(page).to_have_url(re.compile(r"\?categories=retain$"))
        with page.expect_request(re.compile(r"/api/segments\?exclude=retain&")):
            page.get_by_role("button", name="Retain customers, 2 segments, shown only").click()
        expect(page).to_have_url(re.compile(r"\?not=retain$"))
        page.get_by_role("button", name="Retain customers, 2 segments, hidden").click()
        expect(page).to_have_url(re.compile(r"/segments$"))

    def test_two_chosen_rows_show_whom_they_share(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        page = go("/segments")
        page.get_by_role("checkbox", name="Compare Active").check()
        expect(page.get_by_text("“Active” chosen; tick one or two more.")).to_be_visible()
        page.get_by_role("checkbox", name="Compare Due for Fluid Milk 1 gal").check()
        page.get_by_role("button", name="Compare", exact=True).click()
        expect(page.get_by_text("1,630 customers in at least one of them")).to_be_visible()
        assert api.asked("GET /api/segments/overlap") == [({"ids": ["seg_1,seg_7"]}, None)]
        expect(page).to_have_url(re.compile(r"/segments$"))  # a box in a row is no click on the row

    def test_a_search_asks_once_typing_stops(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        page = go("/segments")
        with page.expect_response(re.compile(r"search=milk")):
            page.get_by_label("Search").press_sequentially("milk")
        expect(page).to_have_url(re.compile(r"\?search=milk$"))
        searches = [query.get("search") for query, _ in api.asked("GET /api/segments")]
        assert searches == [None, ["milk"]]

    def test_a_link_changes_the_page_without_a_reload(self, go: Callable[[str], Page]) -> None:
        page = go("/segments")
        page.evaluate("window.kept = true")
        page.get_by_role("link", name="Due for Fluid Milk 1 gal").click()
        expect(page).to_have_url(re.compile(r"/segments/seg_7$"))
        expect(page.get_by_text("Expected to buy Fluid Milk again")).to_be_visible()
        assert page.evaluate("window.kept") is True


class TestSegmentDetails:
    def test_a_chart_can_be_read_as_a_table(self, go: Callable[[str], Page]) -> None:
        page = go("/segments/seg_7")
        chart = page.locator("s-section[heading='How likely members are to buy']")
        chart.get_by_role("button", name="Show table").click()
        expect(chart.get_by_text(re.compile("20%.30%"))).to_be_visible()
        expect(chart.get_by_text("121", exact=True)).to_be_visible()

    def test_more_opens_its_menu(self, go: Callable[[str], Page]) -> None:
        page = go("/segments/seg_21")
        page.get_by_role("button", name="More", exact=True).click()
        expect(page.get_by_role("menuitem", name="Duplicate")).to_be_visible()

    def test_a_download_says_what_is_in_the_file(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        api.answers["GET /api/segments/seg_7/exports/1/file"] = "customer_id,email"
        page = go("/segments/seg_7")
        page.get_by_role("button", name="Download").click()
        page.get_by_role("radio", name=re.compile("Meta customer list")).click()
        with page.expect_download() as started:
            page.get_by_role("button", name="Download").last.click()
        assert started.value.suggested_filename == "due_for_milk.csv"
        expect(page.get_by_text("207 customers saved to due_for_milk.csv")).to_be_visible()
        expect(page.get_by_text("less 105 (not reachable)")).to_be_visible()
        ((_, body),) = api.asked("POST /api/segments/seg_7/exports")
        assert (body["format"], body["hashed"], body["include_unsubscribed"]) == ("meta", False, False)

    def test_a_file_on_its_way_is_still_there_after_a_reload(self, go: Callable[[str], Page]) -> None:
        page = go("/segments/seg_7")
        page.get_by_role("button", name="Download").click()
        expect(page.get_by_text("44.9% done")).to_be_visible()
        page.reload()
        expect(page.get_by_text("44.9% done")).to_be_visible()
        expect(page.get_by_role("button", name="Save due_for_milk-tiktok.csv")).to_be_visible()

    def test_a_schedule_is_made_of_the_choices_above(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        page = go("/segments/seg_7?panel=download")
        page.get_by_role("radio", name=re.compile("Google")).click()
        expect(page.get_by_text("country and zip stay readable")).to_be_visible()
        page.get_by_role("button", name="Make it every day or week").click()
        page.get_by_role("combobox", name="How often").select_option("0")
        page.get_by_role("button", name="Save schedule").click()
        expect(page.get_by_role("button", name="Make it every day or week")).to_be_visible()
        ((_, body),) = api.asked("POST /api/segments/seg_7/export-schedules")
        assert (body["format"], body["hashed"], body["every"], body["weekday"], body["hour"]) == (
            "google", True, "week", 0, 6
        )  # fmt: skip


class TestSegmentBuilder:
    def test_a_rule_is_built_counted_undone_and_saved(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        page = go("/segments/new")
        page.get_by_role("textbox", name="Name").fill("Spenders")
        page.get_by_role("combobox", name="Add condition").select_option("attr:spend.net")
        page.get_by_label("Total spend").select_option("gte")
        page.get_by_label("Value (USD)").fill("1204.50")
        expect(page.get_by_text("of 2,469 (2.3%)")).to_be_visible()
        page.get_by_role("combobox", name="Add condition").select_option("reachable:email")
        expect(page.get_by_text("Can be reached by e-mail: subscribed")).to_be_visible()
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("Can be reached by e-mail: subscribed")).not_to_be_visible()
        page.get_by_role("button", name="Save segment").click()
        expect(page).to_have_url(re.compile(r"/segments/seg_21$"))
        ((_, body),) = api.asked("POST /api/segments")
        assert body == {
            "name": "Spenders",
            "rule": {"v": 1, "match": {"all": [{"attr": "spend.net", "op": "gte", "value": 120450}]}},
        }

    def test_an_objection_stands_at_its_condition(self, api: FakeApi, go: Callable[[str], Page], problems: Any) -> None:
        problems.allow("422")
        api.fail("POST /api/segments/preview", 422, "That product does not exist.", "rule.match.all[0].where[0].value")
        page = go("/segments/seg_21/edit")
        first = page.locator('.encore-leaf[data-invalid="true"]')
        expect(first).to_have_count(1)
        expect(first.get_by_text("That product does not exist.")).to_be_visible()

    def test_a_rule_can_be_changed_as_json(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        page = go("/segments/seg_21/edit")
        page.get_by_role("button", name="Show JSON").click()
        page.get_by_label("Rule as JSON").fill('{"v":1,"match":{"all":[{"reachable":"email"}]}}')
        page.get_by_role("button", name="Use this rule").click()
        expect(page.get_by_text("Can be reached by e-mail: subscribed")).to_be_visible()
        page.get_by_label("Rule as JSON").fill("{")
        page.get_by_role("button", name="Use this rule").click()
        expect(page.get_by_text("Can be reached by e-mail: subscribed")).to_be_visible()


class TestUpload:
    def test_a_file_is_mapped_and_every_row_accounted_for(self, go: Callable[[str], Page]) -> None:
        page = go("/segments/upload")
        content = b"E-Mail;Name\nada.winters@example.com;Ada\n"
        page.locator('input[type="file"]').set_input_files(
            {"name": "summer_guests.csv", "mimeType": "text/csv", "buffer": content}
        )
        expect(page.get_by_text("65 rows, utf-8, separated by semicolon")).to_be_visible()
        expect(page.get_by_label("Name of the list")).to_have_value("summer guests")
        page.get_by_role("button", name="Make a list from 65 rows").click()
        expect(page.get_by_text("50 + 11 + 3 + 1 = 65 rows")).to_be_visible()


class TestCampaignWizard:
    def test_typing_is_saved_and_errors_stand_at_their_fields(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        page = go("/campaigns/cmp_2/edit")
        with page.expect_response(saved):
            page.get_by_label("Campaign name").fill("Milk, again")
        expect(page.get_by_text("All changes saved")).to_be_visible()
        page.get_by_role("button", name="Next: sender").click()
        expect(page).to_have_url(re.compile(r"step=sender"))
        assert [body for _, body in api.asked("PATCH /api/campaigns/cmp_2")] == [{"name": "Milk, again"}]

    def test_the_browsers_back_leads_to_the_step_before_and_loses_nothing(
        self, api: FakeApi, go: Callable[[str], Page]
    ) -> None:
        page = go("/campaigns/cmp_3/edit")
        page.get_by_role("button", name="Next: sender").click()
        page.get_by_role("button", name="Next: audience").click()
        expect(page).to_have_url(re.compile(r"step=audience"))
        page.go_back()
        expect(page.get_by_role("button", name="Next: audience")).to_be_visible()
        page.go_back()
        name = page.get_by_label("Campaign name")
        with page.expect_response(saved):  # when the step goes, or before where the page is slow
            name.fill("Milk, once more")
            page.go_forward()
        expect(page).to_have_url(re.compile(r"step=sender"))
        expect(page.get_by_text("All changes saved")).to_be_visible()
        page.go_back()
        expect(name).to_have_value("Milk, once more")
        assert [body for _, body in api.asked("PATCH /api/campaigns/cmp_3")] == [{"name": "Milk, once more"}]

    def test_a_sender_is_made_without_leaving_the_draft(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        api.answers["GET /api/senders"] = {"items": [], "next": None}
        page = go("/campaigns/cmp_2/edit?step=sender")
        page.get_by_label("Display name").fill("Ann")
        page.get_by_label("From address").fill("ann@gmail.example")
        page.get_by_label("Company").fill("Ann Inc")
        page.get_by_label("Postal address").fill("1 Main Street\nCincinnati")
        with page.expect_response(saved):
            page.get_by_role("button", name="Create sender").click()
        expect(page.get_by_text("All changes saved")).to_be_visible()
        assert api.asked("POST /api/senders")[0][1]["postal_address"] == "1 Main Street\nCincinnati"
        assert api.asked("PATCH /api/campaigns/cmp_2", last={"sender_id": "snd_2"})[-1][1] == {"sender_id": "snd_2"}

    def test_a_placeholder_goes_in_where_the_cursor_stands(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        page = go("/campaigns/cmp_3/edit?step=content")
        body = page.get_by_label("Text", exact=True)
        with page.expect_response(saved):
            body.fill("Dear ,")
        body.evaluate("field => field.setSelectionRange(5, 5)")
        page.get_by_role("button", name="Insert a placeholder into the text").click()
        with page.expect_response(saved):
            page.get_by_role("menuitem", name="[Customer First Name]").locator("visible=true").click()
        expect(page.get_by_text("All changes saved")).to_be_visible()
        expect(body).to_have_value("Dear [Customer First Name],")
        last = api.asked("PATCH /api/campaigns/cmp_3")[-1][1]
        assert last["content"]["blocks"][0] == {"type": "text", "html": "<p>Dear [Customer First Name],</p>"}

    def test_a_block_moves_with_the_keyboard_and_keeps_the_focus(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        page = go("/campaigns/cmp_3/edit?step=content")
        page.get_by_role("button", name="Move down: Block 1, text").press("Enter")
        page.get_by_role("button", name="Move down: Block 2, text").press("Enter")
        expect(page.get_by_role("region", name="Block 3, text")).to_be_visible()
        expect(page.get_by_text("All changes saved")).to_be_visible()

        def kinds(body: Any) -> list[str]:
            return [block["type"] for block in body["content"]["blocks"]]

        # A slow page saves the first step by itself.
        moved = ["product", "discount", "text"]
        assert kinds(api.asked("PATCH /api/campaigns/cmp_3", lambda body: kinds(body) == moved)[-1][1]) == moved

    def test_a_save_on_its_way_is_told(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        api.hold("PATCH /api/campaigns/cmp_3")
        page = go("/campaigns/cmp_3/edit?step=content")
        page.get_by_label("Text", exact=True).fill("Dear you,")
        expect(page.get_by_text("Saving…")).to_be_visible()
        api.release()
        expect(page.get_by_text("All changes saved")).to_be_visible()

    def test_the_preview_is_the_rendered_mail(self, go: Callable[[str], Page]) -> None:
        page = go("/campaigns/cmp_3/edit?step=content")
        frame = page.frame_locator('iframe[title="E-mail preview"]')
        expect(frame.get_by_text("a while ago you bought Fluid Milk 1 gal")).to_be_visible()
        page.get_by_label("Show as").select_option("text")
        expect(page.locator(".encore-preview pre")).to_contain_text("Hi Ada,")

    def test_the_last_button_names_the_number_of_people(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        page = go("/campaigns/cmp_3/edit?step=review")
        start = page.get_by_role("button", name="Start: 118 people can be mailed")
        expect(start).to_be_visible()
        api.answers["GET /api/campaigns/cmp_3"] = api.sample("POST /api/campaigns/cmp_3/activate")
        start.click()
        expect(page).to_have_url(re.compile(r"/campaigns/cmp_3$"))
        assert len(api.asked("POST /api/campaigns/cmp_3/activate")) == 1


class TestConnections:
    def test_a_key_is_checked_and_never_shown(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        page = go("/connections")
        page.get_by_role("button", name="Connect Mailchimp").click()
        key = page.get_by_label("API key")
        expect(key).to_have_attribute("type", "password")
        key.fill("abc-us1")
        page.get_by_role("button", name="Check and connect").click()
        expect(key).not_to_be_visible()
        assert api.asked("POST /api/connections")[0][1] == {"vendor": "mailchimp", "api_key": "abc-us1"}

    def test_a_preview_comes_before_a_run(self, api: FakeApi, go: Callable[[str], Page]) -> None:
        page = go("/connections")
        page.get_by_role("button", name="Preview changes").click()
        expect(page.get_by_text("Nothing has been sent.")).to_be_visible()
        page.get_by_role("button", name="Run: 17 changes").click()
        expect(page.get_by_text("Nothing has been sent.")).not_to_be_visible()
        assert api.asked("POST /api/syncs/syn_1/run")[0][1] == {"approve_removals": False}


class TestNarrowScreen:
    @pytest.mark.parametrize("path", ["/", "/segments", "/segments/seg_7", "/campaigns/cmp_1", "/connections"])
    def test_nothing_scrolls_sideways(self, go: Callable[[str], Page], page: Page, path: str) -> None:
        page.set_viewport_size({"width": 390, "height": 800})
        go(path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth") is True


class TestPlaceOnAPage:
    def test_is_the_top_where_a_load_left_another_page_further_down(self, go: Callable[[str], Page]) -> None:
        page = go("/campaigns/cmp_1")
        expect(page.get_by_role("heading", name="Decisions")).to_be_visible()
        page.evaluate("scrollTo(0, 400)")
        go("/settings")
        expect(page.get_by_role("heading", name="Sending", exact=True)).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("[scrollY, document.documentElement.scrollHeight > innerHeight + 400]") == [0, True]
