"""Random messages: any Unicode wherever a merchant, a customer or a catalogue brings words."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import TYPE_CHECKING

from app.domain.blocks import Button, DiscountBox, Divider, Image, ProductCard, Text
from app.domain.brand import Brand
from app.domain.placeholders import Placeholder
from app.mail.mime import Mail
from app.mail.render import Discount, Facts, Footer, Rendered, ShownProduct, render
from app.mail.words import Words

if TYPE_CHECKING:
    from app.domain.blocks import Block

NAMES = [f"[{placeholder.value}]" for placeholder in Placeholder]
HEBREW, ARABIC = "שלום עולם", "مرحبا بالعالم"
FAMILY = "👨\u200d👩\u200d👧\u200d👦"
ODD = [
    "", " ", HEBREW, ARABIC, f"\u202e{HEBREW}\u202c", FAMILY, "🇩🇪👍🏽", "Zoë", "Ångström", "e\u0301" * 12, "ﷺ",
    "\ufeff", "\u00ad", "\u00a0", "<script>alert(1)</script>", "</div><!--", "a&b<c>\"d'", "=?utf-8?q?x?=", "=?",
    "a,b;c:d", '"quoted"', "back\\slash", "O'Brien (Ltd.) <x@y.example>", ".", "..", "\r\nBcc: all@example.com",
    "a\nb", "a\rb", "\x00", "\x0b\x0c\x1c\x1d\x85", "\u2028\u2029", "\ud800", "{{ 7*7 }}", "{% x %}", "%s%n",
    "~~subject~~", "~~body~~", "&nbsp;", "&#91;", "\t tab \t", "x" * 1000,
]  # fmt: skip
INJECTIONS = ("\r\nBcc: all@example.com", "\nX: y", "\r", "a\x85b", "\u2028", "\x00", "x\x0by")


@dataclass(frozen=True)
class Case:
    """One random message: what it was made of, and what came out."""

    words: Words
    facts: Facts
    footer: Footer
    discount: Discount | None
    shown: Rendered
    mail: Mail


def case(number: int) -> Case:
    """The case of this number; the same number makes the same case."""
    chance = random.Random(f"mail {number}")
    words = Words(
        subject=_mixed(chance) or "x", preview_text=_mixed(chance), blocks=_blocks(chance),
        first_name_fallback=any_text(chance, 20),
    )  # fmt: skip
    footer = Footer(any_text(chance, 60), "\n".join(any_text(chance, 30) for _ in range(3)))
    discount = Discount(any_text(chance, 30), any_text(chance, 80)) if chance.random() < 0.5 else None
    token = "t" * chance.randrange(20, 200)
    facts = Facts(
        first_name=chance.choice([None, any_text(chance, 30), any_text(chance, 1000)]),
        recommended=_product(chance), purchased=_product(chance),
        unsubscribe_url=f"https://encore.example/u/{token}", view_url=f"https://encore.example/v/{token}",
        cart_url=chance.choice([None, f"https://encore.example/c/{token}"]),
        open_url=chance.choice([None, f"https://encore.example/o/{token}"]),
        links={url: f"https://encore.example/c/{token}/{place}" for place, url in enumerate(words.urls)},
    )  # fmt: skip
    brand = Brand(accent="#0a5c36", background=chance.choice(["#f6f8fa", "#102030"]), logo_alt=any_text(chance, 20),
                  logo_url=chance.choice(["", "https://cdn.example.com/l.png"]))  # fmt: skip
    shown = render(words, footer, discount, facts, brand=brand, test=chance.random() < 0.1)
    mail = Mail(
        from_name=header_text(chance, 80), from_address="hello@beans.example",
        to_address=chance.choice(["ann@example.com", "o'neil+x@sub.example.com", f"{'a' * 64}@example.com"]),
        reply_to=chance.choice([None, "desk@beans.example"]), subject=shown.subject, html=shown.html, text=shown.text,
        message_id=f"0b1c-{number}", message_domain="encore.example",
        date=datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=number), unsubscribe_url=facts.unsubscribe_url,
        headers=chance.choice([{}, {"X-Encore-Test": "yes"}]),
    )  # fmt: skip
    return Case(words, facts, footer, discount, shown, mail)


def any_text(chance: random.Random, most: int) -> str:
    """Up to `most` characters of anything, now and then something odd."""
    roll = chance.random()
    if roll < 0.3:
        return chance.choice(ODD)
    if roll < 0.6:
        return "".join(chance.choice("abc XYZ.,-'&<>\"[]éß") for _ in range(chance.randrange(most)))
    return "".join(chr(chance.randrange(sys.maxunicode + 1)) for _ in range(chance.randrange(most)))


def header_text(chance: random.Random, most: int) -> str:
    """Anything that a header may hold: no control characters, no halves of characters."""
    text = any_text(chance, most)
    return "".join(c for c in text if c.isprintable() or c in "\u200d\u202e\ufeff\u00a0").strip()


def _mixed(chance: random.Random) -> str:
    parts = [chance.choice([*NAMES, any_text(chance, 40)]) for _ in range(chance.randrange(1, 4))]
    return chance.choice(["", " "]).join(parts)


def _product(chance: random.Random) -> ShownProduct:
    return ShownProduct(
        any_text(chance, 60) or "x",
        "https://shop.example/p?a=1&b=2",
        chance.choice([None, "https://cdn.example/p.png"]),
    )


def _blocks(chance: random.Random) -> tuple[Block, ...]:
    def block() -> Block:
        inside = any_text(chance, 200)
        return chance.choice(
            [
                Text(f"<p>{escape(inside)} {chance.choice(NAMES)}</p>"),
                Text(
                    f"<p>{inside}<b>{chance.choice(NAMES)}</b><a href='https://shop.example.com/?q=ü&x=1'>{inside}</a>"
                ),
                Image(
                    "https://cdn.example.com/i.png",
                    any_text(chance, 40),
                    chance.choice(["", "https://a.example.com/?x=1"]),
                ),
                ProductCard(chance.random() < 0.5, any_text(chance, 30), chance.choice(["product", "cart"])),  # type: ignore[arg-type]
                Button(any_text(chance, 30), "url", "https://b.example.com/?filter[x]=1&y=ü"),
                DiscountBox(any_text(chance, 30)),
                Divider(),
            ]
        )

    return tuple(block() for _ in range(chance.randrange(1, 6)))
