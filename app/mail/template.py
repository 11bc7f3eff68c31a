"""The page around a merchant's blocks: one responsive layout, compiled from MJML once per content and brand.

Only this module's own text goes through the compiler. Everything that a merchant or a customer
wrote enters afterwards, escaped or sanitised, at marked places: there is nothing to inject into.
The footer is part of the page, so no edit of the blocks can take it out.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from mjml import mjml2html

from app.domain.blocks import Button, DiscountBox, Divider, Image, ProductCard, Text
from app.domain.brand import INK, PAPER

if TYPE_CHECKING:
    from app.domain.blocks import Block
    from app.domain.brand import Brand

FONT = "Helvetica, Arial, sans-serif"  # present on every system: nothing is fetched to show a mail
MARK = re.compile(r"~~([a-z_0-9]+)~~")
TEXT_WIDTH = 552  # of 600 pixels, with 24 free at each side

# Mailboxes that follow the system's dark mode read the media query; Outlook's own apps mark what they
# recoloured with data-ogsc and data-ogsb. Others invert by themselves, which these plain colours survive.
DARK = {"page": "#0d1117", "card": "#161b22", "ink": "#e6edf3", "quiet": "#9da7b3", "line": "#30363d"}
_DARK_RULES = (
    ("body,.e-page", f"background-color:{DARK['page']} !important"),
    (".e-card,.e-card>table", f"background-color:{DARK['card']} !important"),
    (".e-ink div,.e-ink table", f"color:{DARK['ink']} !important"),
    (".e-ink a", f"color:{DARK['ink']} !important"),
    (".e-quiet div,.e-quiet a", f"color:{DARK['quiet']} !important"),
    (".e-line p", f"border-top-color:{DARK['line']} !important"),
    (".e-code td", f"border-color:{DARK['quiet']} !important"),
)


def _dark() -> str:
    query = "".join(f"{where}{{{rule}}}" for where, rule in _DARK_RULES)
    outlook = "".join(
        f"{','.join(f'[data-ogsc] {one}' for one in where.split(','))}{{{rule}}}" for where, rule in _DARK_RULES
    )
    return (
        f":root{{color-scheme:light dark;supported-color-schemes:light dark}}"
        f"@media (prefers-color-scheme:dark){{{query}}}{outlook}"
    )


def _head(brand: Brand) -> str:
    return f"""
<mj-head>
  <mj-title>~~subject~~</mj-title>
  <mj-preview>~~preview~~</mj-preview>
  <mj-raw>
    <meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">
  </mj-raw>
  <mj-attributes>
    <mj-all font-family="{FONT}" />
    <mj-text font-size="16px" line-height="24px" color="{INK}" padding="8px 24px" css-class="e-ink" />
    <mj-image padding="8px 24px" />
    <mj-button background-color="{brand.accent}" color="{brand.on_accent}" border-radius="8px" font-size="16px" />
  </mj-attributes>
  <mj-style>.e-ink a{{color:{brand.link}}}{_dark()}</mj-style>
</mj-head>"""


_TEST_BANNER = """
<mj-section background-color="#ffe08a" padding="8px"><mj-column>
  <mj-text align="center" font-size="13px" css-class="e-test">TEST. Links work; unsubscribing changes nothing.</mj-text>
</mj-column></mj-section>"""

_DISCOUNT = """
<mj-table css-class="e-ink e-code" padding="8px 24px" color="{ink}" font-size="14px"><tr>
  <td style="border:1px dashed #8c959f;border-radius:8px;padding:14px;text-align:center;">
  {heading}<div>~~discount_text~~</div>
  <div style="font-size:22px;font-weight:bold;line-height:34px;">~~discount_code~~</div></td>
</tr></mj-table>"""


def marked(block: Block, place: int, *, image: bool, discount: bool) -> str:
    """The MJML of a block, its contents as marks `~~<kind>_<place>~~`. Empty for what this message leaves out."""
    match block:
        case Text():
            return f"<mj-text>~~text_{place}~~</mj-text>"
        case Image():
            link = f' href="~~href_{place}~~"' if block.href else ""
            width = TEXT_WIDTH * block.width // 100
            return f'<mj-image src="~~src_{place}~~" alt="~~alt_{place}~~"{link} width="{width}px" />'
        case ProductCard():
            to = f"{block.to}_url"
            picture = (
                f'<mj-image src="~~image_url~~" alt="~~product_title~~" href="~~{to}~~" width="280px" />'
                if image and block.show_image
                else ""
            )
            button = f'<mj-button href="~~{to}~~">~~label_{place}~~</mj-button>' if block.button_label.strip() else ""
            return f'{picture}<mj-text align="center" font-weight="bold">~~product_title~~</mj-text>{button}'
        case Button():
            to = f"url_{place}" if block.to == "url" else f"{block.to}_url"
            return f'<mj-button href="~~{to}~~">~~label_{place}~~</mj-button>'
        case DiscountBox():
            heading = f"<div>~~heading_{place}~~</div>" if block.heading.strip() else ""
            return _DISCOUNT.format(ink=INK, heading=heading) if discount else ""
        case Divider():
            return '<mj-divider css-class="e-line" border-width="1px" border-color="#d0d7de" padding="16px 24px" />'


@lru_cache(maxsize=256)
def page(blocks: tuple[Block, ...], brand: Brand, *, image: bool, discount: bool, test: bool) -> tuple[str, ...]:
    """The compiled page cut at its marks: text at even places, names of marks at odd ones.

    image: whether the product has a picture; discount: whether the message has a code.
    """
    logo = (
        f'<mj-section padding="24px 0 16px"><mj-column>'
        f'<mj-image src="~~logo_url~~" alt="~~logo_alt~~" width="{brand.logo_width}px" /></mj-column></mj-section>'
        if brand.logo_url
        else ""
    )
    inside = "\n".join(marked(block, place, image=image, discount=discount) for place, block in enumerate(blocks))
    source = f"""<mjml lang="en">{_head(brand)}
<mj-body background-color="{brand.background}" css-class="e-page">
  {_TEST_BANNER if test else ""}{logo}
  <mj-section background-color="{PAPER}" css-class="e-card" padding="16px 0"><mj-column>
    {inside}
  </mj-column></mj-section>
  <mj-section><mj-column>
    <mj-text align="center" font-size="12px" line-height="18px" color="{brand.on_background}" css-class="e-quiet">
      ~~footer~~
    </mj-text>
  </mj-column></mj-section>
</mj-body></mjml>"""
    return tuple(MARK.split(mjml2html(source, disable_comments=True, fonts={})))
