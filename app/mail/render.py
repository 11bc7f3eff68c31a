"""From words, sender and one customer's facts to subject, HTML and plain text.

The same code renders previews, test messages, campaign mail and the web view. What all messages of a
content have in common is put together once (`_compile`); a message only fills the gaps.
"""

from __future__ import annotations

import html as html_module
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from app.domain.blocks import Button, DiscountBox, Divider, Image, ProductCard, Text
from app.domain.brand import Brand
from app.domain.placeholders import Placeholder, split
from app.mail.body import LINK_MARK, body, whole
from app.mail.template import page

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from app.domain.blocks import Block
    from app.domain.placeholders import Parts
    from app.mail.words import Words

MAX_SUBJECT = 200
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
UNSTYLED = Brand()


@dataclass(frozen=True)
class Footer:
    """Who sends, as the law wants it printed. postal_address: lines separated by newlines."""

    company: str
    postal_address: str


@dataclass(frozen=True)
class Discount:
    """The code of one message. text: what it gives and until when."""

    code: str
    text: str


@dataclass(frozen=True)
class ShownProduct:
    """A product in a message. url: where a click leads (already our click link, if tracked)."""

    title: str
    url: str
    image_url: str | None = None


@dataclass(frozen=True)
class Facts:
    """What is particular to one message.

    cart_url: where blocks that fill the cart lead; None: to the product instead.
    links:    the merchant's own address → our click link to it; one that is missing is linked as it is.
    open_url: the picture that tells of an opening; None: the message has none.
    """

    first_name: str | None
    recommended: ShownProduct
    purchased: ShownProduct | None
    unsubscribe_url: str
    view_url: str
    cart_url: str | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    open_url: str | None = None


@dataclass(frozen=True)
class Rendered:
    """One message, ready for MIME. fallbacks: placeholders whose value was not known."""

    subject: str
    preview_text: str
    html: str
    text: str
    fallbacks: tuple[str, ...]


class MissingValue(Exception):
    """The words ask for something that this customer does not have; planning should have seen it."""


def render(
    words: Words,
    footer: Footer,
    discount: Discount | None,
    facts: Facts,
    *,
    brand: Brand = UNSTYLED,
    test: bool = False,
) -> Rendered:
    """Render one message. Raises MissingValue if [Purchased Product] is asked for and there is none."""
    plan = _compile(words, footer, brand, bool(facts.recommended.image_url), discount is not None, test)
    plain, fallbacks = _values(words, facts, discount, plan.urls)
    rich = {slot: _escape(value) for slot, value in plain.items()}
    for slot in _WEB & rich.keys():
        rich[slot] = _web(rich[slot])
    for placeholder, product in (
        (Placeholder.RECOMMENDED_PRODUCT, "product"),
        (Placeholder.PURCHASED_PRODUCT, "purchased"),
    ):
        if placeholder in rich:
            rich[placeholder] = f'<a href="{rich[f"{product}_url"]}">{rich[placeholder]}</a>'
    rich["open"] = f'<img src="{rich["open"]}" width="1" height="1" alt="" />' if facts.open_url else ""
    try:
        subject = _one_line(plan.subject.fill(plain))
        preview_text = _one_line(plan.preview_text.fill(plain))
        rich["subject"], rich["preview"] = _escape(subject), _escape(preview_text)
        html = plan.html.fill(rich)
        text = plan.text.fill(plain)
    except KeyError as fault:
        raise MissingValue(f"no value for {fault.args[0]}") from fault
    subject = f"[TEST] {subject}" if test else subject
    return Rendered(subject, preview_text, html, text, tuple(p.value for p in fallbacks if p in plan.used))


class _Slot(NamedTuple):
    """A gap in a text that each message fills. name: of the value, or the placeholder itself."""

    name: str


@dataclass(frozen=True)
class _Gaps:
    """A text cut at its gaps: texts at even places, an empty string for each gap at odd ones."""

    pieces: tuple[str, ...]
    slots: tuple[str, ...]

    @classmethod
    def of(cls, parts: Iterable[str | _Slot]) -> _Gaps:
        """Neighbouring texts become one."""
        pieces = [""]
        slots: list[str] = []
        for part in parts:
            if isinstance(part, _Slot):
                slots.append(part.name)
                pieces += ["", ""]
            else:
                pieces[-1] += part
        return cls(tuple(whole(piece) for piece in pieces), tuple(slots))

    def fill(self, values: Mapping[str, str]) -> str:
        """Raises KeyError for a value that is missing."""
        filled = list(self.pieces)
        filled[1::2] = [values[slot] for slot in self.slots]
        return "".join(filled)


@dataclass(frozen=True)
class _Plan:
    subject: _Gaps
    preview_text: _Gaps
    html: _Gaps
    text: _Gaps
    urls: tuple[str, ...]
    used: frozenset[Placeholder]


@lru_cache(maxsize=256)
def _compile(words: Words, footer: Footer, brand: Brand, image: bool, discount: bool, test: bool) -> _Plan:  # noqa: FBT001 - a cache key
    urls = {url: place for place, url in enumerate(words.urls)}
    marks: dict[str, Iterable[str | _Slot]] = {
        "logo_url": [_escape(_web(brand.logo_url))],
        "logo_alt": [_escape(brand.logo_alt)],
        "footer": [*_footer_html(footer, brand), _Slot("open")],
    }
    for place, block in enumerate(words.blocks):
        marks |= {f"{name}_{place}": parts for name, parts in _filling(block, urls).items()}
    cut = page(words.blocks, brand, image=image, discount=discount, test=test)
    html = (
        part for place, piece in enumerate(cut) for part in (marks.get(piece, [_Slot(piece)]) if place % 2 else [piece])
    )
    return _Plan(
        subject=_Gaps.of(_slots(split(words.subject))),
        preview_text=_Gaps.of(_slots(split(words.preview_text))),
        html=_Gaps.of(html),
        text=_Gaps.of(_text(words, footer, urls, discount=discount, test=test)),
        urls=words.urls,
        used=words.used,
    )


def _filling(block: Block, urls: Mapping[str, int]) -> dict[str, Iterable[str | _Slot]]:
    """What stands at a block's marks."""
    match block:
        case Text():
            found = body(block.html)
            return {"text": list(_linked(_slots(found.html), found.urls, urls))}
        case Image():
            href: list[str | _Slot] = [_Slot(_link(urls, block.href))] if block.href else []
            return {"src": [_escape(_web(block.url))], "alt": [_escape(block.alt)], "href": href}
        case ProductCard():
            return {"label": [_escape(block.button_label)]}
        case Button():
            url: list[str | _Slot] = [_Slot(_link(urls, block.url))] if block.to == "url" and block.url else []
            return {"label": [_escape(block.label)], "url": url}
        case DiscountBox():
            return {"heading": [_escape(block.heading)]}
        case Divider():
            return {}


def _text(
    words: Words, footer: Footer, urls: Mapping[str, int], *, discount: bool, test: bool
) -> Iterator[str | _Slot]:
    """The plain form: blocks one below the other, links written out."""
    if test:
        yield "TEST. Unsubscribing from this message changes nothing.\n\n"
    for block in words.blocks:
        shown = list(_plain(block, urls, discount=discount))
        if shown:
            yield from shown
            yield "\n\n"
    yield f"-- \n{footer.company}\n{footer.postal_address.strip()}\nView in a browser: "
    yield _Slot("view")
    yield "\nUnsubscribe: "
    yield _Slot("unsubscribe")
    yield "\n"


def _plain(  # noqa: C901, PLR0912 - one arm per kind of block
    block: Block, urls: Mapping[str, int], *, discount: bool
) -> Iterator[str | _Slot]:
    match block:
        case Text():
            found = body(block.html)
            parts = list(_linked(_slots(found.text), found.urls, urls))
            for place, part in enumerate(parts):
                if isinstance(part, str):
                    trimmed = part.lstrip() if place == 0 else part
                    yield trimmed.rstrip() if place == len(parts) - 1 else trimmed
                else:
                    yield part
        case Image():
            yield block.alt
            if block.href:
                yield from (": ", _Slot(_link(urls, block.href)))
        case ProductCard():
            to = _Slot("cart_url" if block.to == "cart" else "product_url")
            yield from (_Slot("product_title"), "\n", f"{block.button_label.strip() or 'See it'}: ", to)
        case Button():
            yield f"{block.label}: "
            if block.to != "url":
                yield _Slot(f"{block.to}_url")
            elif block.url:
                yield _Slot(_link(urls, block.url))
        case DiscountBox() if discount:
            if block.heading.strip():
                yield f"{block.heading.strip()}\n"
            yield from (_Slot("discount_text"), "\n", _Slot("discount_code"))
        case Divider():
            yield "* * *"
        case _:
            pass


def _slots(parts: Parts) -> Iterator[str | _Slot]:
    for part in parts.parts:
        yield _Slot(part) if isinstance(part, Placeholder) else part


def _linked(parts: Iterable[str | _Slot], own: tuple[str, ...], urls: Mapping[str, int]) -> Iterator[str | _Slot]:
    """Parts of a text with its link marks as gaps. own: the text's addresses, by the number in the mark."""
    for part in parts:
        if isinstance(part, _Slot):
            yield part
            continue
        for place, piece in enumerate(LINK_MARK.split(part)):
            if place % 2:
                yield _Slot(_link(urls, own[int(piece)]))
            else:
                yield piece


def _link(urls: Mapping[str, int], url: str) -> str:
    return f"link_{urls[url]}"


def _footer_html(footer: Footer, brand: Brand) -> Iterator[str | _Slot]:
    lines = [footer.company, *footer.postal_address.strip().splitlines()]
    address = "<br />".join(_escape(line.strip()) for line in lines if line.strip())
    style = f'style="color:{brand.on_background};text-decoration:underline;"'
    yield f'{address}<br /><br /><a href="'
    yield _Slot("unsubscribe")
    yield f'" {style}>Unsubscribe</a> &middot; <a href="'
    yield _Slot("view")
    yield f'" {style}>View in a browser</a>'


_WEB = {"product_url", "purchased_url", "cart_url", "image_url", "view", "unsubscribe", "open"}


def _values(
    words: Words, facts: Facts, discount: Discount | None, urls: tuple[str, ...]
) -> tuple[dict[str, str], list[Placeholder]]:
    """(what fills the gaps, unescaped; the placeholders that took their fallback)."""
    fallbacks: list[Placeholder] = []
    name = _clean(facts.first_name or "").strip()
    if not name:
        name = _clean(words.first_name_fallback).strip()
        fallbacks.append(Placeholder.CUSTOMER_FIRST_NAME)
    title = _clean(facts.recommended.title)
    plain: dict[str, str] = {
        Placeholder.CUSTOMER_FIRST_NAME: name,
        Placeholder.RECOMMENDED_PRODUCT: title,
        "product_title": title,
        "product_url": facts.recommended.url,
        "image_url": facts.recommended.image_url or "",
        "cart_url": facts.cart_url or facts.recommended.url,
        "view": facts.view_url,
        "unsubscribe": facts.unsubscribe_url,
        "open": facts.open_url or "",
    }
    if facts.purchased is not None:
        plain[Placeholder.PURCHASED_PRODUCT] = _clean(facts.purchased.title)
        plain["purchased_url"] = facts.purchased.url
    if discount is not None:
        plain["discount_code"], plain["discount_text"] = _clean(discount.code), _clean(discount.text)
    for place, url in enumerate(urls):
        plain[f"link_{place}"] = facts.links.get(url, url)
    return plain, fallbacks


def _web(url: str) -> str:
    return url if url.startswith(("https://", "http://")) else ""


def _clean(text: str) -> str:
    # Most values hold nothing odd, and asking so is ten times cheaper than looking.
    return text if text.isprintable() else CONTROL.sub(" ", text)


def _one_line(text: str) -> str:
    return _clean(text).strip()[:MAX_SUBJECT]


def _escape(text: str) -> str:
    return html_module.escape(text, quote=True)
