"""Rendering: placeholders, blocks, footer, sanitising, MIME."""

from __future__ import annotations

import email
import re
from dataclasses import replace
from datetime import UTC, datetime
from email.policy import default
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from app.domain.blocks import Button, DiscountBox, Divider, Image, Legacy, ProductCard, Text
from app.domain.brand import Brand
from app.domain.placeholders import Placeholder, problems
from app.mail.mime import Mail, build
from app.mail.render import Discount, Facts, Footer, MissingValue, ShownProduct, render
from app.mail.starters import allowed_placeholders, starter
from app.mail.tokens import Tokens

if TYPE_CHECKING:
    from app.domain.blocks import Block
    from app.mail.words import Words

FOOTER = Footer("Bean & Co <Ltd>", "1 High Street\nSpringfield, IL 62701\nUSA")
COFFEE = ShownProduct('Coffee "Dark" <1 kg>', "https://shop.example/c/1", "https://cdn.example/coffee.png")
TEA = ShownProduct("Tea & Co", "https://shop.example/c/2")
FACTS = Facts("Ann", COFFEE, TEA, "https://encore.example/u/TOKEN", "https://encore.example/v/TOKEN")
WORDS = starter("cross_sell")
HTML_FIELD = "blocks.0.html"


def saying(html: str, **changes: object) -> Words:
    """The suggested words with another text."""
    return replace(WORDS, blocks=(Text(html), *WORDS.blocks[1:]), **changes)  # type: ignore[arg-type]


def of(*blocks: Block) -> Words:
    return replace(WORDS, blocks=blocks)


NAMES = [f"[{p.value}]" for p in Placeholder]


def mail(**changes: object) -> Mail:
    shown = render(WORDS, FOOTER, None, FACTS)
    base = Mail(
        from_name="Bean & Co",
        from_address="hello@beans.example",
        to_address="ann@example.com",
        reply_to=None,
        subject=shown.subject,
        html=shown.html,
        text=shown.text,
        message_id="0b1c",
        message_domain="encore.example",
        date=datetime(2026, 3, 1, tzinfo=UTC),
        unsubscribe_url="https://encore.example/u/" + "t" * 150,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


class TestPlaceholders:
    def test_a_misspelt_one_is_named_with_the_likely_one(self) -> None:
        assert problems("Hi [Custmer First Name]") == [
            "[Custmer First Name] is not a placeholder. Did you mean [Customer First Name]?"
        ]

    def test_an_unknown_one_blocks_whichever_part_holds_it(self) -> None:
        found = saying("<p>[Shop]</p>", subject="[Price]", preview_text="[foo bar]").problems()
        assert [field for field, _ in found] == ["subject", "preview_text", HTML_FIELD]

    def test_one_that_is_cut_by_markup_is_not_let_through(self) -> None:
        assert saying("<p>[Customer <b>First</b> Name]</p>").problems()

    @pytest.mark.parametrize(
        "cut",
        [
            "[<b>Customer First Name</b>]",
            "[Customer <b>First</b> Name]",
            "[<span>Customer</span> First Name]",
            "<b>[</b>Customer First Name<b>]</b>",
            "[<i>Totally Unknown</i>]",
            "[Customer<br>First Name]",
        ],
    )
    def test_one_that_shows_once_tags_are_gone_is_refused(self, cut: str) -> None:
        found = saying(f"<p>Hi {cut}, take [Recommended Product]</p>").problems()
        assert [field for field, _ in found] == [HTML_FIELD]

    @pytest.mark.parametrize(
        "whole",
        [
            "[Customer\nFirst Name]",
            "[Customer&nbsp;First Name]",
            "[ Customer First  Name ]",
            "[<!-- x -->Customer First Name]",
            "[<script>x()</script>Customer First Name]",
            "&#91;Customer First Name&#93;",
            "<b>[Customer First Name]</b>",
        ],
    )
    def test_one_that_an_editor_wrote_otherwise_is_filled_and_needs_its_fallback(self, whole: str) -> None:
        words = saying(f"<p>Hi {whole}!</p>", first_name_fallback="")
        assert [field for field, _ in words.problems()] == ["first_name_fallback"]
        shown = render(replace(words, first_name_fallback="there"), FOOTER, None, FACTS)
        assert "Hi Ann!" in shown.text
        assert "Ann" in shown.html
        assert "First" not in shown.html + shown.text

    @pytest.mark.parametrize(
        "attribute",
        [
            '<img src="https://x.example/a.png" alt="a > b [Recommended Product]">',
            '<a href="https://x.example/?q=[Recommended Product]">here</a>',
            '<a href="https://x.example/" title="[Anything]">here</a>',
        ],
    )
    def test_one_inside_an_attribute_is_refused(self, attribute: str) -> None:
        found = saying(f"<p>Look: {attribute}</p>").problems()
        assert {field for field, _ in found} == {HTML_FIELD}
        assert "inside a link or picture" in found[0][1]

    def test_brackets_that_are_none_stay(self) -> None:
        text = '<p>See [1] and <a href="https://x.example.com/?filter[color]=red">red</a></p>'
        words = saying(text)
        assert words.problems() == []
        shown = render(words, FOOTER, None, FACTS)
        assert "[1]" in shown.html
        assert "filter[color]=red" in shown.html

    def test_a_stand_in_for_the_name_is_no_placeholder(self) -> None:
        found = replace(WORDS, first_name_fallback="[Customer First Name]").problems()
        assert [field for field, _ in found] == ["first_name_fallback"]

    @pytest.mark.parametrize("empty", ["", "<p>&nbsp;</p>", "<script>x()</script>", "<!-- x -->"])
    def test_a_text_of_which_nothing_shows_is_empty(self, empty: str) -> None:
        assert saying(empty).problems() == [(HTML_FIELD, "The text is empty.")]

    def test_purchased_product_is_refused_where_no_purchase_leads_to_the_product(self) -> None:
        (problem,) = WORDS.problems(allowed_placeholders(None))
        assert problem[0] == HTML_FIELD
        assert "[Purchased Product]" in problem[1]

    def test_a_first_name_needs_a_fallback(self) -> None:
        assert [f for f, _ in replace(WORDS, first_name_fallback=" ").problems()] == ["first_name_fallback"]

    @pytest.mark.parametrize("kind", ["repurchase", "cross_sell", None])
    def test_the_suggested_words_have_no_problem(self, kind: str | None) -> None:
        assert starter(kind).problems(allowed_placeholders(kind)) == []  # type: ignore[arg-type]

    def test_none_survives_in_any_part(self) -> None:
        words = saying(" ".join(NAMES), subject=" ".join(NAMES), preview_text=" ".join(NAMES))
        shown = render(words, FOOTER, None, FACTS)
        for part in (shown.subject, shown.preview_text, shown.html, shown.text):
            assert not any(name in part for name in NAMES)

    def test_a_missing_first_name_takes_the_fallback_and_says_so(self) -> None:
        shown = render(WORDS, FOOTER, None, replace(FACTS, first_name="  "))
        assert "Hi there," in shown.text
        assert shown.fallbacks == ("Customer First Name",)

    def test_a_missing_purchase_is_an_error_not_a_blank(self) -> None:
        with pytest.raises(MissingValue):
            render(WORDS, FOOTER, None, replace(FACTS, purchased=None))


class TestEscaping:
    def test_titles_and_names_are_escaped_in_html_and_plain_in_text(self) -> None:
        shown = render(WORDS, FOOTER, None, replace(FACTS, first_name="<script>alert(1)</script>"))
        assert "<script" not in shown.html
        assert "Coffee &quot;Dark&quot; &lt;1 kg&gt;" in shown.html
        assert 'Coffee "Dark" <1 kg>' in shown.text

    def test_merchant_html_loses_what_runs_or_loads(self) -> None:
        hostile = (
            "<p onclick='x()'>ok</p><script>bad()</script><style>*{color:lime}</style><iframe src=//e></iframe>"
            "<a href='javascript:x()'>l</a><img src='file:///etc/passwd'><form action=//e></form>"
            "<p style='position:fixed;color:red'>styled</p>"
        )
        html = render(saying(hostile), FOOTER, None, FACTS).html
        for bad in ("onclick", "bad()", "lime", "iframe", "javascript:", "file:", "<form", "position:fixed"):
            assert bad not in html
        assert "color:red" in html

    def test_merchant_html_cannot_remove_the_footer(self) -> None:
        html = render(saying("<p>x</p></div></td></tr></table><!--"), FOOTER, None, FACTS).html
        assert "1 High Street" in html
        assert FACTS.unsubscribe_url in html
        assert "<!--x" not in html

    def test_subjects_hold_no_line_break(self) -> None:
        words = replace(WORDS, subject="a\r\nBcc: everyone@example.com [Recommended Product]")
        assert "\n" not in render(words, FOOTER, None, FACTS).subject


class TestWhatEveryMessageCarries:
    def test_address_and_unsubscribe_stand_in_html_and_text(self) -> None:
        shown = render(saying("<p>Hi</p>"), FOOTER, None, FACTS)
        for part in (shown.html, shown.text):
            assert "Springfield, IL 62701" in part
            assert FACTS.unsubscribe_url in part

    def test_the_discount_shows_its_code_in_both(self) -> None:
        shown = render(WORDS, FOOTER, Discount("SAVE<10", "10 % off until 1 May"), FACTS)
        assert "SAVE&lt;10" in shown.html
        assert "SAVE<10" in shown.text

    def test_without_an_image_the_message_has_no_empty_picture(self) -> None:
        shown = render(WORDS, FOOTER, None, replace(FACTS, recommended=replace(COFFEE, image_url=None)))
        assert "<img" not in shown.html

    def test_nothing_is_fetched_but_the_product_picture(self) -> None:
        html = render(WORDS, FOOTER, None, FACTS).html
        loads = set(re.findall(r'(?:src|@import|<link[^>]*href)="?(https?://[^"\s>]+)', html))
        assert loads == {COFFEE.image_url}

    def test_no_file_and_no_network_is_touched_to_make_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("rendering reached out")

        monkeypatch.setattr("builtins.open", refuse)
        monkeypatch.setattr("socket.socket", refuse)
        reaching = saying(
            '<p>x<img src="file:///etc/passwd"><img src="http://10.0.0.1/a.png"></p>'
            '<link href="https://evil.example/a.css"><mj-include path="/etc/passwd"/>{{ 7*7 }}'
        )
        html = render(reaching, FOOTER, Discount("<mj-include path='/etc/passwd'>", "x"), FACTS).html
        assert "root:" not in html
        assert "<mj-include" not in html
        assert "<link" not in html
        assert "{{ 7*7 }}" in html

    def test_a_test_message_says_so(self) -> None:
        shown = render(WORDS, FOOTER, None, FACTS, test=True)
        assert shown.subject.startswith("[TEST] ")
        assert "TEST." in shown.html
        assert "TEST." in shown.text

    @given(st.text(max_size=60), st.text(min_size=1, max_size=60))
    @settings(max_examples=300, deadline=None)
    def test_any_name_and_title_make_a_message_without_defects(self, name: str, title: str) -> None:
        title = title.encode("utf-8", "ignore").decode()
        name = name.encode("utf-8", "ignore").decode()
        shown = render(WORDS, FOOTER, None, replace(FACTS, first_name=name, recommended=replace(COFFEE, title=title)))
        raw = build(mail(subject=shown.subject, html=shown.html, text=shown.text))
        parsed = email.message_from_bytes(raw, policy=default)
        assert parsed.defects == []
        assert max(len(line) for line in raw.split(b"\r\n")) <= 998
        html = parsed.get_body(("html",)).get_content()  # type: ignore[union-attr]
        assert html.replace("\r\n", "\n").rstrip("\n") == re.sub(r"\r\n?", "\n", shown.html).rstrip("\n")


class TestBlocks:
    def test_stand_in_the_order_in_which_they_were_put(self) -> None:
        shown = render(of(Button("First"), Text("<p>Second</p>"), Divider(), Button("Third")), FOOTER, None, FACTS)
        for part in (shown.html, shown.text):
            assert part.index("First") < part.index("Second") < part.index("Third")

    def test_lead_to_product_cart_and_the_merchants_own_address(self) -> None:
        own = "https://shop.example.com/sale?a=1&b=2"
        words = of(
            Button("P"), Button("C", "cart"), Button("U", "url", own), Text(f'<p>See <a href="{own}">it</a></p>')
        )
        facts = replace(FACTS, cart_url="https://encore.example/c/CART", links={own: "https://encore.example/c/OWN"})
        shown = render(words, FOOTER, None, facts)
        assert re.findall(r'<a href="([^"]+)" (?:target|rel)', shown.html) == [
            COFFEE.url, "https://encore.example/c/CART", "https://encore.example/c/OWN", "https://encore.example/c/OWN",
        ]  # fmt: skip
        assert "See it (https://encore.example/c/OWN)" in shown.text
        assert "C: https://encore.example/c/CART" in shown.text
        assert own not in shown.html + shown.text

    def test_without_a_cart_what_fills_it_leads_to_the_product(self) -> None:
        html = render(of(Button("C", "cart")), FOOTER, None, FACTS).html
        assert f'href="{COFFEE.url}"' in html

    def test_a_code_is_a_fact_of_one_message_and_its_block_goes_with_it(self) -> None:
        words = of(Text("<p>Hi</p>"), DiscountBox("For you alone"))
        for code in ("AAA-1", "AAA-2"):
            shown = render(words, FOOTER, Discount(code, "10% off"), FACTS)
            for part in (shown.html, shown.text):
                assert "For you alone" in part
                assert code in part
        none = render(words, FOOTER, None, FACTS)
        for part in (none.html, none.text):
            assert "For you alone" not in part
        assert "dashed" not in none.html

    def test_a_picture_keeps_its_description_where_pictures_are_off(self) -> None:
        picture = Image("https://cdn.example.com/a.png", "Our roastery", "https://shop.example.com/about", 50)
        shown = render(of(picture), FOOTER, None, FACTS)
        assert 'alt="Our roastery"' in shown.html
        assert "width:276px" in shown.html
        assert "Our roastery: https://shop.example.com/about" in shown.text

    def test_content_from_before_blocks_says_what_it_said(self) -> None:
        old = Legacy("<p>Hi [Customer First Name]</p>", "Order again", show_image=False)
        shown = render(of(*old.blocks()), FOOTER, Discount("SAVE", "10% off"), FACTS)
        assert "<img" not in shown.html
        for piece in ("Hi Ann", "Order again", "SAVE"):
            assert piece in shown.html
            assert piece in shown.text

    @pytest.mark.parametrize(
        ("block", "field"),
        [
            (Text("<p> </p>"), "html"),
            (Text('<p><a href="http://shop.example.com/">x</a></p>'), "html"),
            (Text('<p>a<img src="https://cdn.example.com/a.png"></p>'), "html"),
            (Image("", "x"), "url"),
            (Image("https://cdn.example.com/a.png", " "), "alt"),
            (Image("https://cdn.example.com/a.png", "x", "javascript:alert(1)"), "href"),
            (ProductCard(button_label="[Recommended Product]"), "button_label"),
            (Button(" "), "label"),
            (Button("x", "url", "https://127.0.0.1/"), "url"),
            (Button("x", "url", "https://me@shop.example.com/"), "url"),
            (Button("x", "url", "https://shop.example.com/[Customer First Name]"), "url"),
            (DiscountBox("[Price]"), "heading"),
        ],
    )
    def test_a_fault_names_its_block_and_field(self, block: Block, field: str) -> None:
        found = of(Text("<p>Hi</p>"), block).problems()
        assert {name for name, _ in found} == {f"blocks.1.{field}"}

    def test_nothing_but_decoration_is_no_message(self) -> None:
        assert [field for field, _ in of(Divider(), DiscountBox()).problems()] == ["blocks"]

    def test_dark_mode_and_outlook_are_provided_for(self) -> None:
        html = render(WORDS, FOOTER, None, FACTS).html
        assert '<meta name="color-scheme" content="light dark"' in html
        assert "@media (prefers-color-scheme:dark)" in html
        assert "[data-ogsc]" in html
        assert "<!--[if mso" in html

    def test_the_brand_colours_buttons_and_keeps_them_readable(self) -> None:
        logo = "https://cdn.example.com/logo.png"
        html = render(WORDS, FOOTER, None, FACTS, brand=Brand(accent="#ffe08a", logo_url=logo, logo_alt="Beans")).html
        assert "background:#ffe08a;color:#1f2328" in html
        assert f'src="{logo}"' in html
        assert Brand(accent="#0a5c36").on_accent == "#ffffff"

    def test_words_that_were_looked_at_are_kept_as_they_were_written(self) -> None:
        before = set(WORDS.columns())
        hash(WORDS)
        WORDS.problems()
        assert before == set(WORDS.columns()) == {"subject", "preview_text", "blocks", "first_name_fallback"}

    def test_links_have_the_accent_where_it_can_be_read(self) -> None:
        for accent, colour in (("#0a5c36", "#0a5c36"), ("#ffe08a", "#1f2328")):
            html = render(WORDS, FOOTER, None, FACTS, brand=Brand(accent=accent)).html
            assert f".e-ink a{{color:{colour}}}" in html

    def test_openings_are_only_asked_for_if_somebody_says_so(self) -> None:
        assert "/o/" not in render(WORDS, FOOTER, None, FACTS).html
        assert (
            'src="https://encore.example/o/1"'
            in render(WORDS, FOOTER, None, replace(FACTS, open_url="https://encore.example/o/1")).html
        )

    def test_stays_far_below_what_mailboxes_cut(self) -> None:
        long = of(*(Text("<p>" + "word " * 200 + "</p>") for _ in range(8)), *WORDS.blocks)
        assert len(render(long, FOOTER, Discount("A", "b"), FACTS).html.encode()) < 20_000


class TestMime:
    def test_the_one_click_headers_stand_unfolded_and_unencoded(self) -> None:
        raw = build(mail())
        assert b"List-Unsubscribe: <https://encore.example/u/" + b"t" * 150 + b">\r\n" in raw
        assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw

    def test_the_message_id_is_the_outbox_id(self) -> None:
        assert email.message_from_bytes(build(mail()), policy=default)["Message-ID"] == "<0b1c@encore.example>"

    @pytest.mark.parametrize("field", ["subject", "from_name", "to_address", "reply_to"])
    def test_a_line_break_in_a_header_is_refused(self, field: str) -> None:
        with pytest.raises(ValueError, match=r"line break"):
            build(mail(**{field: "a@b.example\r\nBcc: c@d.example"}))

    @pytest.mark.parametrize(
        "address", ["typo@example.com.", "a@x..com", ".a@example.com", "a b@example.com", "<a@b.c>"]
    )
    def test_what_is_no_address_is_refused(self, address: str) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - the kind is the contract
            build(mail(to_address=address))

    def test_a_quoted_local_part_stays_quoted(self) -> None:
        assert b'To: "a b"@example.com\r\n' in build(mail(to_address='"a b"@example.com'))

    def test_a_foreign_domain_is_written_in_ascii(self) -> None:
        parsed = email.message_from_bytes(build(mail(to_address="ann@bücher.example")), policy=default)
        assert parsed["To"] == "ann@xn--bcher-kva.example"


class TestTokens:
    def test_a_token_of_one_purpose_is_none_for_another(self) -> None:
        tokens = Tokens("secret")
        token = tokens.make("view", [1, "m"])
        assert tokens.read("view", token, 2) == [1, "m"]
        assert tokens.read("unsubscribe", token, 2) is None

    @given(st.lists(st.one_of(st.integers(-(2**40), 2**40), st.text(max_size=40), st.none()), max_size=3))
    def test_a_token_is_what_the_signing_library_makes(self, value: list[object]) -> None:
        value = [part.encode("utf-8", "ignore").decode() if isinstance(part, str) else part for part in value]
        assert Tokens("secret").read("click", Tokens("secret").make("click", value), len(value)) == value
        short = [1, 2, "7a3f0d8d-51b0-49f8-af11-45f4ff329a56"]
        library = URLSafeSerializer("secret", salt="encore.view").dumps(short)
        assert Tokens("secret").make("view", short) == library

    @given(st.text(max_size=200))
    def test_no_invented_token_is_read(self, token: str) -> None:
        assert Tokens("secret").read("click", token, 2) is None

    def test_a_changed_token_is_none(self) -> None:
        token = Tokens("secret").make("click", [1, 2])
        assert all(
            Tokens("secret").read("click", token[:i] + "x" + token[i + 1 :], 2) in (None, [1, 2])
            for i in range(len(token))
        )
        assert Tokens("other").read("click", token, 2) is None
