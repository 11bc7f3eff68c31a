"""The content of campaigns over HTTP: blocks, tags of links."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Block(BaseModel):
    # The service says what is wrong with a block, and names its field; here only the shape is described.
    model_config = ConfigDict(from_attributes=True, extra="forbid")


class TextBlock(_Block):
    """Words with simple formatting; sanitised when rendered."""

    type: Literal["text"]
    html: str = Field(max_length=100_000)


class ImageBlock(_Block):
    """A picture by its address."""

    type: Literal["image"]
    url: str
    alt: str = Field(description="What the picture shows; needed before the campaign can start")
    href: str = Field(description="Where a click on it leads; empty: nowhere")
    width: int = Field(description="Percent of the message's width, 20 to 100")


class ProductBlock(_Block):
    """The recommended product."""

    type: Literal["product"]
    show_image: bool
    button_label: str = Field(description="Empty: no button")
    to: Literal["product", "cart"] = Field(description="cart: a cart with the product in it")


class ButtonBlock(_Block):
    """One button."""

    type: Literal["button"]
    label: str
    to: Literal["product", "cart", "url"]
    url: str = Field(description="Only read if `to` is `url`")


class DiscountBlock(_Block):
    """The message's discount code; a message without one drops the block whole."""

    type: Literal["discount"]
    heading: str


class DividerBlock(_Block):
    """A line."""

    type: Literal["divider"]


Block = Annotated[
    TextBlock | ImageBlock | ProductBlock | ButtonBlock | DiscountBlock | DividerBlock, Field(discriminator="type")
]


class ContentPatch(BaseModel):
    """The content; fields left out stay. Blocks are replaced whole."""

    model_config = ConfigDict(extra="forbid")
    subject: str | None = Field(default=None, max_length=1000)
    preview_text: str | None = Field(default=None, max_length=1000)
    blocks: list[Block] | None = None
    blocks_before: list[Block] | None = Field(
        default=None, description="The blocks as the page last had them; 409 if they are others by now"
    )
    first_name_fallback: str | None = Field(default=None, max_length=100)


class Content(BaseModel):
    """The content. The footer is no block: every message has it."""

    model_config = ConfigDict(from_attributes=True)
    subject: str
    preview_text: str
    blocks: list[Block]
    first_name_fallback: str
    version: int


class UtmPatch(BaseModel):
    """The tags of a campaign's links; fields left out stay. `enabled` off takes all tags away."""

    model_config = ConfigDict(extra="forbid")
    enabled: bool | None = None
    source: str | None = Field(default=None, max_length=100)
    medium: str | None = Field(default=None, max_length=100)
    campaign: str | None = Field(default=None, max_length=100)


class Utm(BaseModel):
    """The tags of a campaign's links, for the shop's own analytics; never the campaign's internal name."""

    model_config = ConfigDict(from_attributes=True)
    enabled: bool
    source: str
    medium: str
    campaign: str
