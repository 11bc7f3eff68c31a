"""How a shop's messages look: two colours and a logo."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.domain import web_links

COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
LOGO_WIDTHS = range(40, 401)
INK, PAPER = "#1f2328", "#ffffff"
READABLE = 4.5  # contrast of text: WCAG 2.2, 1.4.3, level AA


@dataclass(frozen=True)
class Brand:
    """accent: of buttons; background: around the message; logo_width: pixels. Colours as `#rrggbb`."""

    accent: str = INK
    background: str = "#f6f8fa"
    logo_url: str = ""
    logo_alt: str = ""
    logo_width: int = 160

    def problems(self) -> list[tuple[str, str]]:
        """(field, sentence) for what can't be shown."""
        found = [
            (field, "Give the colour as # and six digits, for example #0a5c36.")
            for field in ("accent", "background")
            if not COLOUR.fullmatch(getattr(self, field))
        ]
        if self.logo_url:
            fault = web_links.problem(self.logo_url)
            if fault:
                found.append(("logo_url", fault))
            if not self.logo_alt.strip():
                found.append(("logo_alt", "Say what the logo shows, for example your shop's name."))
        if self.logo_width not in LOGO_WIDTHS:
            found.append(("logo_width", "The logo is 40 to 400 pixels wide."))
        return found

    @property
    def on_accent(self) -> str:
        """The colour of words on the accent: whichever of dark and white stands out more."""
        return max((INK, PAPER), key=lambda colour: contrast(colour, self.accent))

    @property
    def link(self) -> str:
        """The colour of links in text: the accent if it can be read on the message's white, else the text's own."""
        return self.accent if contrast(self.accent, PAPER) >= READABLE else INK

    @property
    def on_background(self) -> str:
        """The colour of small print on the background."""
        return max(("#57606a", "#ffffff"), key=lambda colour: contrast(colour, self.background))


def contrast(one: str, other: str) -> float:
    """Contrast of two colours `#rrggbb`, 1 to 21. Source: WCAG 2.2, "contrast ratio"."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)  # noqa: PLR2004 - of the standard
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
