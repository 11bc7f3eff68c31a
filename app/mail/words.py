"""What a merchant wrote: subject, preview text, blocks; and what keeps it from being sent."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

from app.domain import web_links
from app.domain.blocks import Button, DiscountBox, Image, ProductCard, Text
from app.domain.placeholders import Placeholder, problems, split
from app.mail.body import body

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.domain.blocks import Block

LABELS = {"button_label": "button", "label": "button", "heading": "heading", "alt": "picture's description"}


@dataclass(frozen=True)
class Words:
    """The content of a message. A text's HTML is sanitised when rendered, whatever it holds."""

    subject: str
    preview_text: str
    blocks: tuple[Block, ...]
    first_name_fallback: str

    def columns(self) -> dict[str, Any]:
        """Field → what was written, to be kept or shown. Not `vars`: that also holds what was worked out meanwhile."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def __hash__(self) -> int:
        """Worked out once: every message looks up what is put together for its words."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.subject, self.preview_text, self.blocks, self.first_name_fallback))

    def problems(self, allowed: Sequence[Placeholder] = tuple(Placeholder)) -> list[tuple[str, str]]:
        """(field, sentence) for everything that keeps these words from being sent; fields as `blocks.2.url`."""
        found = [
            (field, sentence)
            for field in ("subject", "preview_text")
            for sentence in problems(getattr(self, field), allowed)
        ]
        for place, block in enumerate(self.blocks):
            found += [(f"blocks.{place}.{field}", text) for field, text in _problems(block, allowed)]
        if "[" in self.first_name_fallback:
            found.append(("first_name_fallback", "Placeholders have no place in the stand-in for the first name."))
        if not self.subject.strip():
            found.append(("subject", "The subject is empty."))
        if not any(isinstance(block, Text | Image | ProductCard | Button) for block in self.blocks):
            found.append(("blocks", "The message shows nothing yet. Add a text or the product."))
        if Placeholder.CUSTOMER_FIRST_NAME in self.used and not self.first_name_fallback.strip():
            found.append(("first_name_fallback", "Say what stands for a first name that is not known."))
        return found

    @cached_property
    def used(self) -> frozenset[Placeholder]:
        """The placeholders that these words ask to be filled, wherever they stand."""
        texts = (body(block.html).html.used for block in self.blocks if isinstance(block, Text))
        return split(self.subject).used.union(split(self.preview_text).used, *texts)

    def where(self, placeholder: Placeholder) -> str:
        """The field where a placeholder stands first: `subject`, `blocks.2.html`."""
        for place, block in enumerate(self.blocks):
            if isinstance(block, Text) and placeholder in body(block.html).html.used:
                return f"blocks.{place}.html"
        return "preview_text" if placeholder in split(self.preview_text).used else "subject"

    @cached_property
    def urls(self) -> tuple[str, ...]:
        """The merchant's own web addresses that a click leads to, each once, in order."""
        return tuple(dict.fromkeys(url for block in self.blocks for url in _urls(block) if url))

    @cached_property
    def to_cart(self) -> bool:
        """Whether anything leads to a filled cart."""
        return any(isinstance(block, ProductCard | Button) and block.to == "cart" for block in self.blocks)

    @property
    def shows_discount(self) -> bool:
        """Whether a discount code has a place."""
        return any(isinstance(block, DiscountBox) for block in self.blocks)


def _urls(block: Block) -> tuple[str, ...]:
    match block:
        case Text():
            return body(block.html).urls
        case Image():
            return (block.href,)
        case Button(to="url"):
            return (block.url,)
        case _:
            return ()


def _problems(  # noqa: C901 - one arm per kind of block
    block: Block, allowed: Sequence[Placeholder]
) -> Iterator[tuple[str, str]]:
    for field, name in LABELS.items():
        if "[" in getattr(block, field, ""):
            yield field, f"Placeholders have no place in the {name}."
    match block:
        case Text():
            for sentence in body(block.html).problems(allowed):
                yield "html", sentence
            if not body(block.html).visible:
                yield "html", "The text is empty."
        case Image():
            yield from _address("url", block.url)
            if not block.alt.strip():
                yield "alt", "Say what the picture shows: many mailboxes don't load pictures."
            if block.href:
                yield from _address("href", block.href)
        case Button():
            if not block.label.strip():
                yield "label", "The button's label is empty."
            if block.to == "url":
                yield from _address("url", block.url)
        case _:
            pass


def _address(field: str, url: str) -> Iterator[tuple[str, str]]:
    fault = web_links.problem(url)
    if fault:
        yield field, fault
    if any(placeholder is not None for placeholder in split(url).placeholders):
        yield field, "Placeholders have no place in a web address."
