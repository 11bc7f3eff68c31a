"""The content that a new campaign starts with, per kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from app.domain.blocks import DiscountBox, ProductCard, Text
from app.domain.placeholders import Placeholder
from app.mail.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping

STARTERS: Mapping[str, Words] = {
    "repurchase": Words(
        subject="Time for more [Recommended Product]?",
        preview_text="It may be running low. Order again in a minute.",
        blocks=(
            Text(
                "<p>Hi [Customer First Name],</p>"
                "<p>a while ago you bought [Purchased Product], and by now it may be running low. "
                "One click puts it into your cart again, as you had it last time.</p>"
            ),
            ProductCard(show_image=True, button_label="Order again", to="cart"),
            DiscountBox("A thank-you for coming back"),
        ),
        first_name_fallback="there",
    ),
    "cross_sell": Words(
        subject="Goes well with what you have: [Recommended Product]",
        preview_text="Picked for you from what other customers chose next.",
        blocks=(
            Text(
                "<p>Hi [Customer First Name],</p>"
                "<p>many customers who bought [Purchased Product] came back for [Recommended Product]. "
                "We thought you might like it too.</p>"
            ),
            ProductCard(show_image=True, button_label="Have a look", to="product"),
            DiscountBox("To try something new"),
        ),
        first_name_fallback="there",
    ),
    "any": Words(
        subject="Picked for you: [Recommended Product]",
        preview_text="Chosen for you from our shop.",
        blocks=(
            Text(
                "<p>Hi [Customer First Name],</p>"
                "<p>we thought that [Recommended Product] could be right for you at the moment.</p>"
            ),
            ProductCard(show_image=True, button_label="Have a look", to="product"),
            DiscountBox("For your next order"),
        ),
        first_name_fallback="there",
    ),
}


def starter(kind: Literal["repurchase", "cross_sell"] | None) -> Words:
    """The suggested words for a kind; None: an audience that mixes kinds."""
    return STARTERS[kind or "any"]


def allowed_placeholders(kind: Literal["repurchase", "cross_sell"] | None) -> tuple[Placeholder, ...]:
    """Which placeholders every member of the audience can fill.

    A mixed audience has members to whom no purchase leads, so [Purchased Product] is out.
    """
    if kind is None:
        return (Placeholder.RECOMMENDED_PRODUCT, Placeholder.CUSTOMER_FIRST_NAME)
    return tuple(Placeholder)
