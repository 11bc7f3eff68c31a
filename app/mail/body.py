"""A merchant's HTML: what of it may be mailed, how it reads as text, its placeholders and its links."""

from __future__ import annotations

import html as html_module
import re
import secrets
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import nh3
from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig

from app.domain import web_links
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
HALVES = re.compile(r"[\ud800-\udfff]")
ADDRESSES = frozenset({"href", "src"})

# A link's address is taken out while the HTML is cut, and a mark stands for it. The host is made up anew in
# every process: nobody can write it into a text.
MARK_HOST = f"https://{secrets.token_hex(12)}.invalid/"
LINK_MARK = re.compile(re.escape(MARK_HOST) + r"(\d+)/")
MARKED_LINK = re.compile(rf'(<a [^>]*href="({re.escape(MARK_HOST)}\d+/)"[^>]*>)(.*?)</a>', re.DOTALL)


@dataclass(frozen=True)
class Body:
    """A merchant's HTML as it is mailed.

    html and text: its two forms, cut at their placeholders; where a link leads, LINK_MARK stands with
    the place of its address in `urls`. pictures: (address, description) of each.
    """

    html: Parts
    text: Parts
    in_attributes: tuple[str, ...]
    urls: tuple[str, ...]
    pictures: tuple[tuple[str, str], ...]

    @property
    def visible(self) -> bool:
        """Whether a reader sees anything: text or a picture."""
        return bool(self.pictures) or any(isinstance(part, Placeholder) or part.strip() for part in self.text.parts)

    def problems(self, allowed: Sequence[Placeholder]) -> list[str]:
        """One sentence per placeholder that would not be filled, or not where it stands, and per link to nowhere."""
        found = [f"[{name}] stands inside a link or picture. Put it into the text." for name in self.in_attributes]
        found += problems(self.text.source, allowed)
        # What the text form holds and the HTML form does not is cut by tags: nothing would be filled in.
        shown, filled = Counter(self.text.placeholders), Counter(self.html.placeholders)
        found += [
            f"[{name.value}] is cut by formatting. Write it anew, or format all of it, brackets included."
            for name in shown - filled
        ]
        for url in self.urls:
            fault = web_links.problem(url)
            if fault:
                found.append(f"The link to {url[:80]} can't be mailed. {fault}")
        for url, alt in self.pictures:
            if not alt.strip():
                found.append("A picture in the text has no description (alt).")
            if not url.startswith("https://"):
                found.append("A picture in the text has no address that starts with https://.")
        return list(dict.fromkeys(found))


@lru_cache(maxsize=256)
def body(merchants_html: str) -> Body:
    """Look at a merchant's HTML as it will be mailed, sanitised."""
    urls: list[str] = []
    clean = _clean(merchants_html, urls)
    # Indented bullets; where a link leads stands behind its words.
    readable = MARKED_LINK.sub(r"\1\3</a> (\2)", clean) if urls else clean
    text = get_text(f"<html><body>{readable}</body></html>", ParserConfig(css=CSS_PROFILES["strict"]))
    attributes = _Attributes()
    attributes.feed(clean)
    attributes.close()
    inside = [name for url in urls for name, placeholder in looks(url) if placeholder is not None]
    return Body(split(clean), split(text), tuple(inside + attributes.found), tuple(urls), tuple(attributes.pictures))


def whole(text: str) -> str:
    """The text without halves of characters: broken JSON brings them, and no mail can carry them."""
    return HALVES.sub("\ufffd", text)


def sanitise(merchants_html: str) -> str:
    """A merchant's HTML without anything that runs, loads a frame, or restyles the page."""
    urls: list[str] = []
    clean = _clean(merchants_html, urls)
    return LINK_MARK.sub(lambda found: html_module.escape(urls[int(found[1])]), clean)


def _clean(merchants_html: str, urls: list[str]) -> str:
    def take(tag: str, attribute: str, value: str) -> str | None:
        if tag != "a" or attribute != "href" or not value.lower().startswith(("https:", "http:")):
            return value
        if value not in urls:
            urls.append(value)
        return f"{MARK_HOST}{urls.index(value)}/"

    return nh3.clean(
        whole(merchants_html),
        tags=ALLOWED_TAGS,
        attributes=ALLOWED_ATTRIBUTES,
        attribute_filter=take,
        clean_content_tags={"script", "style"},
        url_schemes={"http", "https", "mailto"},
        filter_style_properties=ALLOWED_STYLES,
        url_relative="deny",
    )


class _Attributes(HTMLParser):
    """Names in brackets in attributes, and pictures.

    An address may hold any name that is no placeholder: `?filter[color]=red`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.pictures: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            values = dict(attrs)
            self.pictures.append((values.get("src") or "", values.get("alt") or ""))
        for attribute, value in attrs:
            for name, placeholder in looks(value or ""):
                if placeholder is not None or attribute not in ADDRESSES:
                    self.found.append(name)
