"""The content of a campaign: its versions as words, edits of it, and what keeps it from being sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.blocks import BadBlock, Block, Legacy, parse
from app.domain.campaigns import Unresolved
from app.domain.web_links import Utm
from app.errors import Invalid
from app.mail.render import Discount, Facts, Footer, ShownProduct, render
from app.mail.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.domain.brand import Brand
    from app.domain.placeholders import Placeholder
    from app.store.models.campaigns import Campaign, CampaignContent

UTM_FIELDS = ("source", "medium", "campaign")
WORD_FIELDS = tuple(Words.__dataclass_fields__)
MAX_BYTES = 100_000  # Gmail cuts a message off at 102 kB
WIDEST = "W" * 60


def words_of(content: CampaignContent) -> Words:
    """A version as the renderer takes it; one from before there were blocks as the blocks that say the same."""
    blocks = content.blocks
    if blocks is None:
        blocks = Legacy(**{field: getattr(content, field) for field in Legacy.FIELDS}).blocks()
    return Words(content.subject, content.preview_text, blocks, content.first_name_fallback)


def blocks_from(given: Sequence[Mapping[str, Any]]) -> tuple[Block, ...]:
    """Blocks as a page sends them. Raises Invalid naming the block's field: `content.blocks.2.url`."""
    try:
        return parse(given)
    except BadBlock as fault:
        raise Invalid(fault.sentence, field=f"content.{fault.field}") from fault


def utm_of(campaign: Campaign) -> Utm | None:
    """The tags of a campaign's links; None: switched off. The usual ones say nothing of its name."""
    if campaign.utm is None:
        return Utm("encore", "email", f"encore-{campaign.id}")
    return Utm(**{field: campaign.utm[field] for field in UTM_FIELDS}) if campaign.utm else None


def change_utm(campaign: Campaign, given: Mapping[str, Any]) -> None:
    """Change the tags of a campaign's links: what is given of source, medium and campaign, or `enabled`.

    Raises Invalid for a tag that can't stand in an address.
    """
    if given.get("enabled") is False:
        campaign.utm = {}
        return
    now = utm_of(campaign) or Utm("encore", "email", f"encore-{campaign.id}")
    changed = {field: given[field].strip() for field in UTM_FIELDS if given.get(field) is not None}
    wanted = Utm(**{**vars(now), **changed})
    for field, sentence in wanted.problems(campaign.name):
        if field in changed:
            raise Invalid(sentence, field=f"utm.{field}")
    campaign.utm = vars(wanted) if campaign.utm is not None or vars(wanted) != vars(now) else None


def content_problems(
    campaign: Campaign, words: Words, brand: Brand, allowed: Sequence[Placeholder]
) -> list[Unresolved]:
    """Everything about the content that keeps a campaign from being sent, each with its field: `blocks.2.url`.

    Placeholders that would not be filled, links that lead nowhere or not safely, pictures nobody described, empty
    blocks, a discount without a place, tags that tell the campaign's name, and more than mailboxes show whole.
    """
    found = words.problems(allowed)
    if campaign.discount_mode != "off" and not words.shows_discount:
        found.append(("blocks", "The campaign gives a discount, and no block shows its code. Add a discount block."))
    utm = utm_of(campaign)
    if utm is not None:
        found += [(f"utm.{field}", sentence) for field, sentence in utm.problems(campaign.name)]
    if not found:
        size = _bytes(words, brand)
        if size > MAX_BYTES:
            text = f"The message is {size // 1000} kB long; Gmail cuts it off at 102 kB. Shorten the texts."
            found.append(("blocks", text))
    return [Unresolved("content", field, sentence) for field, sentence in found]


def _bytes(words: Words, brand: Brand) -> int:
    """How long the HTML is for a customer and a product with long names."""
    product = ShownProduct(WIDEST, f"https://example.com/{'x' * 200}", f"https://example.com/{'x' * 200}")
    facts = Facts(WIDEST, product, product, product.url, product.url, product.url, open_url=product.url)
    shown = render(words, Footer(WIDEST, "\n".join([WIDEST] * 4)), Discount(WIDEST, WIDEST), facts, brand=brand)
    return len(shown.html.encode())
