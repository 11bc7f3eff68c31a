"""The form elements as a page's form and a keyboard see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    Alone = Callable[[str], Page]

pytestmark = pytest.mark.browser

FORM_DATA = "() => [...new FormData(document.querySelector('form')).entries()].map(([k, v]) => [k, v.name ?? v])"
EVENTS = """() => { window.heard = []; for (const name of ["input", "change"])
document.body.addEventListener(name, (event) => heard.push([name, event.target.localName, event.target.value])); }"""
SENT = """() => { window.sent = 0; document.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault(); sent += 1; }); }"""

EVERY_FIELD = """<form>
<s-text-field name="text" label="Text" value="a"></s-text-field>
<s-text-area name="area" label="Area" value="b"></s-text-area>
<s-number-field name="number" label="Number" value="3"></s-number-field>
<s-email-field name="email" label="E-mail" value="ann@example.com"></s-email-field>
<s-search-field name="search" label="Search" value="milk"></s-search-field>
<s-url-field name="url" label="URL" value="https://example.com"></s-url-field>
<s-money-field name="money" label="Money" value="9.99" currencyCode="USD"></s-money-field>
<s-date-field name="date" label="Date" value="2026-11-02"></s-date-field>
<s-password-field name="password" label="Password" value="secret" autocomplete="off"></s-password-field>
<s-select name="select" label="Select" value="y"><s-option value="x">X</s-option>
<s-option value="y">Y</s-option></s-select>
<s-checkbox name="box" label="Box" value="yes" checked></s-checkbox>
<s-checkbox name="unticked" label="Unticked"></s-checkbox>
<s-switch name="switch" label="Switch" checked></s-switch>
<s-choice-list name="one" label="One"><s-choice value="p">P</s-choice>
<s-choice value="q" selected>Q</s-choice></s-choice-list>
<s-choice-list name="many" label="Many" multiple><s-choice value="m" selected>M</s-choice>
<s-choice value="n" selected>N</s-choice></s-choice-list>
<s-text-field label="Without a name" value="z"></s-text-field>
</form>"""


class TestAForm:
    def test_holds_the_value_of_every_named_field(self, alone: Alone) -> None:
        page = alone(EVERY_FIELD)
        assert page.evaluate(FORM_DATA) == [
            ["text", "a"],
            ["area", "b"],
            ["number", "3"],
            ["email", "ann@example.com"],
            ["search", "milk"],
            ["url", "https://example.com"],
            ["money", "9.99"],
            ["date", "2026-11-02"],
            ["password", "secret"],
            ["select", "y"],
            ["box", "yes"],
            ["switch", "on"],
            ["one", "q"],
            ["many", "m"],
            ["many", "n"],
        ]

    def test_reset_returns_to_what_the_markup_said(self, alone: Alone) -> None:
        page = alone(EVERY_FIELD)
        before = page.evaluate(FORM_DATA)
        page.get_by_label("Text").fill("changed")
        page.get_by_label("Select").select_option("x")
        page.get_by_label("Box").uncheck()
        page.get_by_role("radio", name="P", exact=True).check()
        page.get_by_role("checkbox", name="M", exact=True).uncheck()
        assert page.evaluate(FORM_DATA) != before
        page.evaluate("() => document.querySelector('form').reset()")
        assert page.evaluate(FORM_DATA) == before

    def test_is_not_sent_while_a_required_field_is_empty(self, alone: Alone) -> None:
        page = alone("""<form><s-text-field label="Name" name="name" required></s-text-field>
            <s-button type="submit">Save</s-button></form>""")
        page.evaluate(SENT)
        save = page.get_by_role("button", name="Save")
        save.click()
        expect(page.get_by_label("Name")).to_be_focused()
        assert page.evaluate("sent") == 0
        page.get_by_label("Name").fill("Ann")
        save.click()
        page.wait_for_function("sent === 1")

    def test_is_sent_by_enter_in_a_field(self, alone: Alone) -> None:
        page = alone('<form><s-text-field label="Name" name="name"></s-text-field></form>')
        page.evaluate(SENT)
        page.get_by_label("Name").press("Enter")
        assert page.evaluate("sent") == 1

    def test_refuses_an_address_that_is_none(self, alone: Alone) -> None:
        page = alone('<form><s-email-field label="E-mail" name="email"></s-email-field></form>')
        page.get_by_label("E-mail").fill("nobody")
        assert page.evaluate("() => document.querySelector('form').checkValidity()") is False
        page.get_by_label("E-mail").fill("ann@example.com")
        assert page.evaluate("() => document.querySelector('form').checkValidity()") is True


class TestATextField:
    def test_tells_each_keystroke_as_input_and_leaving_as_change(self, alone: Alone) -> None:
        page = alone('<s-text-field label="Name" value="A"></s-text-field><button>other</button>')
        page.evaluate(EVENTS)
        page.get_by_label("Name").press("End")
        page.keyboard.type("nn")
        page.get_by_role("button").focus()
        name = "s-text-field"
        assert page.evaluate("heard") == [
            ["input", name, "An"],
            ["input", name, "Ann"],
            ["change", name, "Ann"],
        ]

    def test_takes_over_properties_set_before_it_was_defined(self, alone: Alone) -> None:
        page = alone("<p>empty</p>")
        value = page.evaluate("""() => {
            // An element of another document has no definition yet: as a framework may make it.
            const early = new DOMParser().parseFromString("<s-text-field></s-text-field>", "text/html").body.firstChild;
            early.value = "early"; early.label = "Early"; early.disabled = true;
            document.body.append(early);
            return [early.value, early.getAttribute("label"), early.hasAttribute("disabled")];
        }""")
        assert value == ["early", "Early", True]
        expect(page.get_by_label("Early")).to_have_value("early")
        expect(page.get_by_label("Early")).to_be_disabled()

    def test_reflects_properties_and_attributes_both_ways(self, alone: Alone) -> None:
        page = alone('<s-text-field label="Name"></s-text-field>')
        reflected = page.evaluate("""() => {
            const field = document.querySelector("s-text-field");
            field.label = "Title"; field.required = true; field.readOnly = true; field.maxLength = 5;
            const set = [...field.attributes].map(({name, value}) => [name, value]).sort();
            field.required = false; field.label = undefined;
            return [set, field.hasAttribute("required"), field.hasAttribute("label"), field.label];
        }""")
        assert reflected == [
            [["label", "Title"], ["maxlength", "5"], ["readonly", ""], ["required", ""]],
            False,
            False,
            "",
        ]

    def test_setting_the_value_sends_no_event(self, alone: Alone) -> None:
        page = alone('<s-text-field label="Name"></s-text-field>')
        page.evaluate(EVENTS)
        page.evaluate("() => { document.querySelector('s-text-field').value = 'Ann'; }")
        expect(page.get_by_label("Name")).to_have_value("Ann")
        assert page.evaluate("heard") == []

    def test_describes_itself_by_details_and_error(self, alone: Alone) -> None:
        page = alone('<s-text-field label="Name" details="As customers see it"></s-text-field>')
        field = page.get_by_label("Name")
        expect(field).to_have_accessible_description("As customers see it")
        expect(field).to_have_attribute("aria-invalid", "false")
        page.evaluate("() => { document.querySelector('s-text-field').error = 'Enter a name'; }")
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description("Enter a name As customers see it")

    def test_keeps_its_name_when_the_label_is_hidden(self, alone: Alone) -> None:
        page = alone('<s-text-field label="Filter" labelAccessibilityVisibility="exclusive"></s-text-field>')
        expect(page.get_by_role("textbox", name="Filter")).to_be_visible()


class TestASelect:
    def test_tells_a_choice_and_sends_it(self, alone: Alone) -> None:
        page = alone("""<form><s-select name="s" label="Sort"><s-option value="a">A</s-option>
            <s-option-group label="More"><s-option value="b">B</s-option></s-option-group></s-select></form>""")
        page.evaluate(EVENTS)
        page.get_by_label("Sort").select_option("b")
        assert page.evaluate("heard") == [["input", "s-select", "b"], ["change", "s-select", "b"]]
        assert page.evaluate(FORM_DATA) == [["s", "b"]]

    def test_shows_the_placeholder_until_something_is_chosen(self, alone: Alone) -> None:
        page = alone("""<s-select label="Sort" placeholder="Choose one"><s-option value="a">A</s-option></s-select>""")
        assert page.evaluate("() => document.querySelector('s-select').value") == ""
        assert page.get_by_label("Sort").evaluate("(s) => s.selectedOptions[0].text") == "Choose one"

    def test_follows_options_that_come_later(self, alone: Alone) -> None:
        page = alone("""<s-select label="Sort" value="late"></s-select>""")
        page.evaluate(
            """() => { document.querySelector("s-select").innerHTML = '<s-option value="late">Late</s-option>'; }"""
        )
        expect(page.get_by_label("Sort")).to_have_value("late")


class TestAChoiceList:
    RADIOS = """<s-choice-list label="Send to" name="to"><s-choice value="all" selected>Everyone</s-choice>
        <s-choice value="off" disabled>Nobody</s-choice><s-choice value="some">Some</s-choice></s-choice-list>"""

    def test_is_a_named_group_of_radios(self, alone: Alone) -> None:
        page = alone(self.RADIOS)
        expect(page.get_by_role("radiogroup", name="Send to")).to_be_visible()
        expect(page.get_by_role("radio", name="Everyone")).to_be_checked()

    def test_arrow_keys_move_and_choose_past_a_disabled_one(self, alone: Alone) -> None:
        page = alone(self.RADIOS)
        page.evaluate("""() => { window.changes = []; const list = document.querySelector("s-choice-list");
            list.addEventListener("change", () => changes.push(list.values)); }""")
        page.get_by_role("radio", name="Everyone").focus()
        page.keyboard.press("ArrowDown")
        expect(page.get_by_role("radio", name="Some")).to_be_focused()
        expect(page.get_by_role("radio", name="Some")).to_be_checked()
        expect(page.get_by_role("radio", name="Everyone")).not_to_be_checked()
        assert page.evaluate("changes") == [["some"]]

    def test_takes_its_values_as_a_property(self, alone: Alone) -> None:
        page = alone("""<s-choice-list label="Days" multiple><s-choice value="mo">Mon</s-choice>
            <s-choice value="tu">Tue</s-choice></s-choice-list>""")
        page.evaluate("() => { document.querySelector('s-choice-list').values = ['tu']; }")
        expect(page.get_by_role("checkbox", name="Tue")).to_be_checked()
        page.get_by_role("checkbox", name="Mon").press("Space")
        assert page.evaluate("() => document.querySelector('s-choice-list').values") == ["mo", "tu"]


class TestToggles:
    @pytest.mark.parametrize(("tag", "role"), [("s-checkbox", "checkbox"), ("s-switch", "switch")])
    def test_space_turns_them_and_they_say_so(self, alone: Alone, tag: str, role: str) -> None:
        page = alone(f'<form><{tag} label="Active" name="active"></{tag}></form>')
        page.evaluate(
            "() => { window.on = []; document.body.addEventListener('change', (e) => on.push(e.target.checked)); }"
        )
        page.get_by_role(role, name="Active").press("Space")  # type: ignore[arg-type]
        assert page.evaluate("on") == [True]
        assert page.evaluate(FORM_DATA) == [["active", "on"]]


class TestADropZone:
    def test_holds_the_chosen_file_and_sends_it(self, alone: Alone) -> None:
        page = alone('<form><s-drop-zone label="List" name="list" accept=".csv"></s-drop-zone></form>')
        page.get_by_label("List").set_input_files({"name": "a.csv", "mimeType": "text/csv", "buffer": b"email\n"})
        assert page.evaluate("() => document.querySelector('s-drop-zone').files.map((f) => f.name)") == ["a.csv"]
        assert page.evaluate(FORM_DATA) == [["list", "a.csv"]]

    def test_rejects_a_dropped_file_of_another_kind(self, alone: Alone) -> None:
        page = alone('<s-drop-zone label="List" accept=".csv"></s-drop-zone>')
        heard = page.evaluate("""() => {
            const zone = document.querySelector("s-drop-zone"), heard = [];
            for (const name of ["droprejected", "change"]) zone.addEventListener(name, () => heard.push(name));
            const data = new DataTransfer();
            data.items.add(new File(["x"], "picture.png", { type: "image/png" }));
            const drop = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
            zone.shadowRoot.querySelector(".zone").dispatchEvent(drop);
            return [heard, zone.files.length];
        }""")
        assert heard == [["droprejected"], 0]
