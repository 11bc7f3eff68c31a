"""The check of pages against Shopify's manifest and against what the shims build."""

from __future__ import annotations

import pytest

from sandbox.shims.lint import built, manifest, unknown_elements


def details(html: str) -> list[str]:
    return [f"{problem.element} {problem.detail}" for problem in unknown_elements(html)]


class TestUnknownElements:
    def test_finds_nothing_in_markup_that_keeps_to_the_contract(self) -> None:
        assert details("""<s-app-nav><s-link href="/" rel="home">Home</s-link></s-app-nav>
            <s-page heading="Segments" inlineSize="large"><s-badge slot="accessory" tone="success">On</s-badge>
            <s-button slot="primary-action" variant="primary" commandFor="m" command="--show">Create</s-button>
            <s-box inlineSize="50px" padding="large-200 none" display="none" class="x" data-y="z"></s-box>
            <s-grid-item gridColumn="span 2"></s-grid-item></s-page>""") == []  # fmt: skip

    @pytest.mark.parametrize("tag", ["s-card", "s-layout", "s-nav-item"])
    def test_finds_elements_that_do_not_exist(self, tag: str) -> None:
        assert details(f"<{tag}></{tag}>") == [f"{tag} is no Polaris element"]

    def test_finds_elements_that_only_shopify_has(self) -> None:
        assert details("<s-color-picker></s-color-picker>") == ["s-color-picker is not built in the shims"]

    def test_finds_attributes_and_values_that_do_not_exist(self) -> None:
        assert details('<s-button primary tone="success" variant="primary">Go</s-button>') == [
            's-button does not allow tone="success"',
            's-button has no attribute "primary"',
        ]

    def test_finds_attributes_that_only_shopify_has(self) -> None:
        assert details('<s-date-field disallowDays="sunday"></s-date-field>') == [
            's-date-field has an attribute "disallowdays" that the shims do not build'
        ]

    def test_finds_a_slot_that_its_parent_lacks(self) -> None:
        assert details('<s-banner><s-button slot="actions">Go</s-button></s-banner>') == [
            's-button s-banner has no slot "actions"'
        ]

    def test_names_the_line(self) -> None:
        assert [problem.line for problem in unknown_elements("<p>\n</p>\n<s-card></s-card>")] == [3]


class TestTheBuild:
    def test_has_no_element_or_attribute_that_the_manifest_lacks(self) -> None:
        extra = {tag: names - set(manifest()[tag].attributes) for tag, names in built().items()}
        assert {tag: names for tag, names in extra.items() if names} == {}

    def test_lacks_only_elements_that_encores_pages_do_without(self) -> None:
        assert set(manifest()) - set(built()) == {
            "s-color-field",
            "s-color-picker",
            "s-date-picker",
            "s-press-button",
            "s-scroll-box",
        }
