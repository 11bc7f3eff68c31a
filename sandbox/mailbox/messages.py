"""Takes a raw message apart: headers, text, HTML, links, and the way to unsubscribe."""

import re
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser

_URL = re.compile(r"https?://[^\s<>\"')\]]+")
_ANGLED = re.compile(r"<\s*(https?://[^>\s]+)\s*>")
ONE_CLICK = "List-Unsubscribe=One-Click"  # RFC 8058: header value and body of the request


@dataclass(frozen=True)
class Link:
    """A link in a message, with the words that it stands on."""

    url: str
    text: str


@dataclass(frozen=True)
class Message:
    """A message as a reader sees it."""

    headers: list[tuple[str, str]]
    text: str | None
    html: str | None
    links: list[Link]
    attachments: list[str]
    unsubscribe_url: str | None
    one_click: bool  # the sender promises that a POST is enough


def read_message(content: bytes) -> Message:
    """Take a message apart. Broken parts become what the email package can make of them."""
    parsed = message_from_bytes(content, policy=default)
    text, html = _body(parsed, "plain"), _body(parsed, "html")
    angled = _ANGLED.search(str(parsed.get("List-Unsubscribe", "")))
    promise = str(parsed.get("List-Unsubscribe-Post", "")).replace(" ", "")
    return Message(
        headers=[(name, str(value)) for name, value in parsed.items()],
        text=text,
        html=html,
        links=links_of(html, text),
        attachments=[part.get_filename() or part.get_content_type() for part in parsed.iter_attachments()],
        unsubscribe_url=angled[1] if angled else None,
        one_click=promise.lower() == ONE_CLICK.lower(),
    )


def summary_headers(content: bytes) -> dict[str, str]:
    """The headers that a list of messages shows; empty where missing."""
    parsed = message_from_bytes(content, policy=default)
    return {name: str(parsed.get(name, "")) for name in ("From", "To", "Subject", "Message-ID")}


def links_of(html: str | None, text: str | None) -> list[Link]:
    """The links of the HTML part, else the addresses in the text; each address once."""
    if html:
        collector = _Links()
        collector.feed(html)
        found = collector.links
    else:
        found = [Link(url.rstrip(".,;"), "") for url in _URL.findall(text or "")]
    seen: dict[str, Link] = {}
    for link in found:
        seen.setdefault(link.url, link)
    return list(seen.values())


def _body(parsed: EmailMessage, kind: str) -> str | None:
    part = parsed.get_body(preferencelist=(kind,))
    return str(part.get_content()) if part is not None else None


@dataclass
class _Links(HTMLParser):
    """Collects <a href> with its words."""

    links: list[Link] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._url: str | None = None
        self._words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            url = dict(attrs).get("href") or ""
            self._url = url if url.startswith(("http://", "https://")) else None
            self._words = []

    def handle_data(self, data: str) -> None:
        if self._url:
            self._words.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._url:
            self.links.append(Link(self._url, " ".join("".join(self._words).split())))
            self._url = None
