"""From words, sender and one customer's facts to subject, HTML and plain text.

The same code renders previews, test messages, campaign mail and the web view.
"""

from __future__ import annotations

import html as html_module
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from app.domain.placeholders import Parts, Placeholder, problems, split
from app.mail.body import body
from app.mail.template import frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_SUBJECT = 200
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True)
class Words:
    """What the merchant wrote. body_html is sanitised when rendered, whatever it holds."""

    subject: str
    preview_text: str
    body_html: str
    button_label: str
    show_image: bool
    first_name_fallback: str

    def problems(self, allowed: Sequence[Placeholder] = tuple(Placeholder)) -> list[tuple[str, str]]:
        """(field, sentence) for everything that keeps these words from being sent."""
        found = [
            (field, sentence)
            for field in ("subject", "preview_text")
            for sentence in problems(getattr(self, field), allowed)
        ]
        found += [("body_html", sentence) for sentence in body(self.body_html).problems(allowed)]
        for field, name in (("button_label", "button"), ("first_name_fallback", "stand-in for the first name")):
            if "[" in getattr(self, field):
                found.append((field, f"Placeholders have no place in the {name}."))
        for field, name in (("subject", "subject"), ("button_label", "button label")):
            if not getattr(self, field).strip():
                found.append((field, f"The {name} is empty."))
        if not body(self.body_html).visible:
            found.append(("body_html", "The text is empty."))
        if Placeholder.CUSTOMER_FIRST_NAME in self.used and not self.first_name_fallback.strip():
            found.append(("first_name_fallback", "Say what stands for a first name that is not known."))
        return found

    @property
    def used(self) -> frozenset[Placeholder]:
        """The placeholders that these words ask to be filled, wherever they stand."""
        return split(self.subject).used | split(self.preview_text).used | body(self.body_html).html.used


@dataclass(frozen=True)
class Footer:
    """Who sends, as the law wants it printed. postal_address: lines separated by newlines."""

    company: str
    postal_address: str


@dataclass(frozen=True)
class Discount:
    """One code for everyone. text: what it gives and until when."""

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
    """What is particular to one message."""

    first_name: str | None
    recommended: ShownProduct
    purchased: ShownProduct | None
    unsubscribe_url: str
    view_url: str
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


def render(words: Words, footer: Footer, discount: Discount | None, facts: Facts, *, test: bool = False) -> Rendered:
    """Render one message. Raises MissingValue if [Purchased Product] is asked for and there is none."""
    image = words.show_image and bool(facts.recommended.image_url)
    plan = _compile(words, footer, discount, image, test)
    plain, rich, fallbacks = _values(words, facts)
    subject = _one_line(_fill(plan.subject, plain))
    preview_text = _one_line(_fill(plan.preview_text, plain))
    slots = {
        "subject": _escape(subject),
        "preview": _escape(preview_text),
        "body": _fill(plan.body, rich),
        "product_title": _escape(facts.recommended.title),
        "product_url": _escape(_web(facts.recommended.url)),
        "image_url": _escape(_web(facts.recommended.image_url or "")),
        "footer": plan.footer.replace("~view~", _escape(facts.view_url)).replace(
            "~unsubscribe~", _escape(facts.unsubscribe_url)
        ),
    }
    page = "".join(slots[part] if odd else part for odd, part in plan.page)
    if facts.open_url:
        page = page.replace("</body>", f'<img src="{_escape(facts.open_url)}" width="1" height="1" alt="" /></body>')
    text = plan.text_head + _fill(plan.text_body, plain).strip()
    text += f"\n\n{facts.recommended.title}\n{words.button_label}: {facts.recommended.url}\n"
    text += f"\n{discount.text}\n{discount.code}\n" if discount else ""
    text += f"\n-- \n{footer.company}\n{footer.postal_address.strip()}\n"
    text += f"View in a browser: {facts.view_url}\nUnsubscribe: {facts.unsubscribe_url}\n"
    used = plan.subject.used | plan.preview_text.used | plan.body.used
    subject = f"[TEST] {subject}" if test else subject
    return Rendered(subject, preview_text, page, text, tuple(p.value for p in fallbacks if p in used))


@dataclass(frozen=True)
class _Plan:
    subject: Parts
    preview_text: Parts
    body: Parts
    text_head: str
    text_body: Parts
    footer: str
    page: tuple[tuple[bool, str], ...]


@lru_cache(maxsize=256)
def _compile(words: Words, footer: Footer, discount: Discount | None, image: bool, test: bool) -> _Plan:  # noqa: FBT001 - a cache key
    fixed = {
        "button_label": _escape(words.button_label),
        "discount_code": _escape(discount.code) if discount else "",
        "discount_text": _escape(discount.text) if discount else "",
    }
    page: list[tuple[bool, str]] = []
    for place, part in enumerate(frame(image=image, discount=discount is not None, test=test)):
        odd = place % 2 == 1
        page.append((False, fixed[part]) if odd and part in fixed else (odd, part))
    return _Plan(
        subject=split(words.subject),
        preview_text=split(words.preview_text),
        body=body(words.body_html).html,
        text_head="TEST. Unsubscribing from this message changes nothing.\n\n" if test else "",
        text_body=body(words.body_html).text,
        footer=_footer_html(footer),
        page=tuple(page),
    )


def _footer_html(footer: Footer) -> str:
    lines = [footer.company, *footer.postal_address.strip().splitlines()]
    address = "<br />".join(_escape(line.strip()) for line in lines if line.strip())
    style = 'style="color:#57606a;text-decoration:underline;"'
    return (
        f'{address}<br /><br /><a href="~unsubscribe~" {style}>Unsubscribe</a> &middot; '
        f'<a href="~view~" {style}>View in a browser</a>'
    )


def _values(words: Words, facts: Facts) -> tuple[dict[Placeholder, str], dict[Placeholder, str], list[Placeholder]]:
    fallbacks: list[Placeholder] = []
    name = CONTROL.sub(" ", facts.first_name or "").strip()
    if not name:
        name = words.first_name_fallback.strip()
        fallbacks.append(Placeholder.CUSTOMER_FIRST_NAME)
    plain = {
        Placeholder.CUSTOMER_FIRST_NAME: name,
        Placeholder.RECOMMENDED_PRODUCT: facts.recommended.title,
    }
    rich = {
        Placeholder.CUSTOMER_FIRST_NAME: _escape(name),
        Placeholder.RECOMMENDED_PRODUCT: _linked(facts.recommended),
    }
    if facts.purchased is not None:
        plain[Placeholder.PURCHASED_PRODUCT] = facts.purchased.title
        rich[Placeholder.PURCHASED_PRODUCT] = _linked(facts.purchased)
    return plain, rich, fallbacks


def _fill(parts: Parts, values: Mapping[Placeholder, str]) -> str:
    try:
        return parts.fill(values)
    except KeyError as fault:
        raise MissingValue(f"no value for {fault.args[0]}") from fault


def _linked(product: ShownProduct) -> str:
    return f'<a href="{_escape(_web(product.url))}">{_escape(product.title)}</a>'


def _web(url: str) -> str:
    return url if url.startswith(("https://", "http://")) else ""


def _one_line(text: str) -> str:
    return CONTROL.sub(" ", text).strip()[:MAX_SUBJECT]


def _escape(text: str) -> str:
    return html_module.escape(text, quote=True)
