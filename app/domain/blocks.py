"""The blocks that a message's content is made of, as merchants arrange them.

The footer is no block: every message gets it, and no edit can take it out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Destination = Literal["product", "cart", "url"]
MAX_BLOCKS = 40
DESTINATIONS: Mapping[str, tuple[str, ...]] = {"product": ("product", "cart"), "button": ("product", "cart", "url")}
LIMITS: Mapping[str, int] = {"html": 20_000, "url": 1500, "href": 1500, "alt": 300, "button_label": 100,
                             "label": 100, "heading": 200}  # fmt: skip
WIDTHS = range(20, 101)


@dataclass(frozen=True)
class Text:
    """Words with simple formatting. html: as the merchant left it; sanitised when rendered."""

    html: str
    type: Literal["text"] = "text"


@dataclass(frozen=True)
class Image:
    """A picture by its address. alt: what it shows, for whoever sees none; width: percent of the page's."""

    url: str
    alt: str
    href: str = ""
    width: int = 100
    type: Literal["image"] = "image"


@dataclass(frozen=True)
class ProductCard:
    """The recommended product. button_label: empty for no button; to: where picture and button lead."""

    show_image: bool = True
    button_label: str = ""
    to: Literal["product", "cart"] = "product"
    type: Literal["product"] = "product"


@dataclass(frozen=True)
class Button:
    """One button. url: only read if `to` is `url`."""

    label: str
    to: Destination = "product"
    url: str = ""
    type: Literal["button"] = "button"


@dataclass(frozen=True)
class DiscountBox:
    """The message's discount code; a message without one drops the block whole, heading included."""

    heading: str = ""
    type: Literal["discount"] = "discount"


@dataclass(frozen=True)
class Divider:
    """A line."""

    type: Literal["divider"] = "divider"


Block = Text | Image | ProductCard | Button | DiscountBox | Divider
KINDS: Mapping[str, type[Block]] = {
    kind.type: kind for kind in (Text, Image, ProductCard, Button, DiscountBox, Divider)
}


class BadBlock(Exception):
    """What was given is no list of blocks. field: `blocks.2.url`."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field
        self.sentence = sentence


def parse(given: Iterable[Mapping[str, Any]]) -> tuple[Block, ...]:
    """Blocks from JSON. A draft's block may be unfinished (no address yet); it may not be of another shape.

    Raises BadBlock naming the place.
    """
    rows = list(given)
    if len(rows) > MAX_BLOCKS:
        raise BadBlock("blocks", f"A message has at most {MAX_BLOCKS} blocks.")
    return tuple(_block(place, row) for place, row in enumerate(rows))


def plain(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    """Blocks as JSON."""
    return [asdict(block) for block in blocks]


def _block(place: int, row: Mapping[str, Any]) -> Block:
    kind = KINDS.get(str(row.get("type")))
    if kind is None:
        raise BadBlock(f"blocks.{place}.type", "There is no such kind of block.")
    known = {field.name: field for field in fields(kind)}
    for name in row.keys() - known.keys():
        raise BadBlock(f"blocks.{place}.{name}", "A block of this kind has no such field.")
    for name, value in row.items():
        fault = _fault(kind.type, name, value)
        if fault:
            raise BadBlock(f"blocks.{place}.{name}", fault)
    required = {"text": ("html",), "image": ("url", "alt"), "button": ("label",)}.get(kind.type, ())
    for name in required:
        if name not in row:
            raise BadBlock(f"blocks.{place}.{name}", "This field is missing.")
    return kind(**row)


def _fault(kind: str, name: str, value: Any) -> str | None:
    if name == "width":
        right = isinstance(value, int) and not isinstance(value, bool) and value in WIDTHS
        return None if right else "The width is a percentage from 20 to 100."
    if name == "show_image":
        return None if isinstance(value, bool) else "This is either on or off."
    if not isinstance(value, str):
        return "This has to be a text."
    if name == "to" and value not in DESTINATIONS[kind]:
        return "A click can't lead there."
    most = LIMITS.get(name)
    if most is not None and len(value) > most:
        return f"At most {most:,} characters."
    return None


@dataclass(frozen=True)
class Legacy:
    """Content from before there were blocks: one text, a picture switch, one button."""

    FIELDS: ClassVar[tuple[str, ...]] = ("body_html", "button_label", "show_image")
    body_html: str
    button_label: str
    show_image: bool

    def blocks(self) -> tuple[Block, ...]:
        """The blocks that say the same, in the order in which such messages showed it."""
        return Text(self.body_html), ProductCard(self.show_image, self.button_label, "product"), DiscountBox()
