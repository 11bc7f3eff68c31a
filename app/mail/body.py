"""A merchant's HTML: what of it may be mailed, how it reads as text, and which placeholders it holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import nh3
from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig

from app.domain.placeholders import Parts, Placeholder, looks, problems, split

if TYPE_CHECKING:
    from collections.abc import Sequence

ALLOWED_TAGS = {
    "a", "b", "blockquote", "br", "div", "em", "h1", "h2", "h3", "hr", "i", "img", "li", "ol", "p", "s", "span",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
ALLOWED_ATTRIBUTES = {
    "*": {"style", "align"},
    "a": {"href", "title"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
}
ALLOWED_STYLES = {
    "color", "background-color", "font-size", "font-weight", "font-style", "line-height", "margin", "padding",
    "text-align", "text-decoration", "width", "max-width", "border", "border-radius",
}  # fmt: skip
ADDRESSES = frozenset({"href", "src"})


@dataclass(frozen=True)
class Body:
    """A merchant's HTML as it is mailed. html and text: its two forms, cut at their placeholders."""

    html: Parts
    text: Parts
    in_attributes: tuple[str, ...]

    @property
    def visible(self) -> bool:
        """Whether a reader sees anything: text or a picture."""
        return any("<img" in part for part in self.html.parts) or any(
            isinstance(part, Placeholder) or part.strip() for part in self.text.parts
        )

    def problems(self, allowed: Sequence[Placeholder]) -> list[str]:
        """One sentence per placeholder that would not be filled, or not where it stands."""
        found = [f"[{name}] stands inside a link or picture. Put it into the text." for name in self.in_attributes]
        found += problems(self.text.source, allowed)
        # What the text form holds and the HTML form does not is cut by tags: nothing would be filled in.
        shown, filled = Counter(self.text.placeholders), Counter(self.html.placeholders)
        found += [
            f"[{name.value}] is cut by formatting. Write it anew, or format all of it, brackets included."
            for name in shown - filled
        ]
        return list(dict.fromkeys(found))


@lru_cache(maxsize=256)
def body(merchants_html: str) -> Body:
    """Look at a merchant's HTML as it will be mailed, sanitised."""
    clean = sanitise(merchants_html)
    # Indented bullets and no link targets: the text part lists the links that matter itself.
    text = get_text(f"<html><body>{clean}</body></html>", ParserConfig(css=CSS_PROFILES["strict"]))
    attributes = _Attributes()
    attributes.feed(clean)
    attributes.close()
    return Body(split(clean), split(text), tuple(attributes.found))


def sanitise(merchants_html: str) -> str:
    """A merchant's HTML without anything that runs, loads a frame, or restyles the page."""
    return nh3.clean(
        merchants_html,
        tags=ALLOWED_TAGS,
        attributes=ALLOWED_ATTRIBUTES,
        clean_content_tags={"script", "style"},
        url_schemes={"http", "https", "mailto"},
        filter_style_properties=ALLOWED_STYLES,
        url_relative="deny",
    )


class _Attributes(HTMLParser):
    """Names in brackets in attributes. An address may hold any that is no placeholder: `?filter[color]=red`."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser calls it so
        for attribute, value in attrs:
            for name, placeholder in looks(value or ""):
                if placeholder is not None or attribute not in ADDRESSES:
                    self.found.append(name)
