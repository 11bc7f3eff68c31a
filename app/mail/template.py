"""The frame around a merchant's words: one responsive layout, compiled from MJML once.

Only this module's own text goes through the compiler. Everything that a merchant or a customer
wrote enters afterwards, escaped or sanitised, at marked places: there is nothing to inject into.
The footer is part of the frame, so no edit of the words can take it out.
"""

from __future__ import annotations

import re
from functools import lru_cache

from mjml import mjml2html

FONT = "Helvetica, Arial, sans-serif"  # present on every system: nothing is fetched to show a mail
MARK = re.compile(r"~~([a-z_]+)~~")

_HEAD = f"""
<mj-head>
  <mj-title>~~subject~~</mj-title>
  <mj-preview>~~preview~~</mj-preview>
  <mj-attributes>
    <mj-all font-family="{FONT}" />
    <mj-text font-size="16px" line-height="24px" color="#1f2328" />
    <mj-button background-color="#1f2328" color="#ffffff" border-radius="8px" font-size="16px" />
  </mj-attributes>
</mj-head>"""

_TEST_BANNER = """
<mj-section background-color="#ffe08a" padding="8px"><mj-column>
  <mj-text align="center" font-size="13px">TEST. Links work; unsubscribing changes nothing.</mj-text>
</mj-column></mj-section>"""

_IMAGE = """<mj-image src="~~image_url~~" alt="~~product_title~~" href="~~product_url~~" width="280px" />"""

_DISCOUNT = """
<mj-section padding="0 0 8px"><mj-column border="1px dashed #8c959f" border-radius="8px">
  <mj-text align="center" font-size="14px">~~discount_text~~</mj-text>
  <mj-text align="center" font-size="22px" font-weight="bold" padding-top="0">~~discount_code~~</mj-text>
</mj-column></mj-section>"""


@lru_cache(maxsize=8)
def frame(*, image: bool, discount: bool, test: bool) -> tuple[str, ...]:
    """The compiled page cut at its marks: text at even places, names of marks at odd ones."""
    source = f"""<mjml>{_HEAD}
<mj-body background-color="#f6f8fa">
  {_TEST_BANNER if test else ""}
  <mj-section background-color="#ffffff" padding-bottom="0"><mj-column>
    <mj-text>~~body~~</mj-text>
  </mj-column></mj-section>
  <mj-section background-color="#ffffff" padding-top="0"><mj-column>
    {_IMAGE if image else ""}
    <mj-text align="center" font-weight="bold" padding-bottom="4px">~~product_title~~</mj-text>
    <mj-button href="~~product_url~~">~~button_label~~</mj-button>
  </mj-column></mj-section>
  {_DISCOUNT if discount else ""}
  <mj-section><mj-column>
    <mj-text align="center" font-size="12px" line-height="18px" color="#57606a">~~footer~~</mj-text>
  </mj-column></mj-section>
</mj-body></mjml>"""
    return tuple(MARK.split(mjml2html(source, disable_comments=True)))
