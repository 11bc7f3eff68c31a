"""The winners of a tick as messages for the outbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from app.domain import holdout
from app.domain.campaigns import GOOD_FOR
from app.services.campaigns_audience import Product, newest_history, products
from app.services.decision_sheets import KINDS, NONE
from app.services.holdouts import shop_percent
from app.services.instants import NEVER, at, microseconds
from app.services.plan_sends_best import REPURCHASE, lift_of, probability_of
from app.services.plan_sends_facts import PastColumns, bought_when, pair_keys
from app.store.outbox import NewMessage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    import numpy.typing as npt

    from app.domain.context import ShopContext
    from app.services.plan_sends_best import Ints
    from app.services.plan_sends_candidates import Assessment
    from app.services.rooms import Rooms
    from app.store.models.campaigns import Campaign


@dataclass(frozen=True)
class Winners:
    """One message for each customer who gets one, in the order of their numbers; the products that they show."""

    messages: list[NewMessage] = field(default_factory=list)
    products: dict[int, Product] = field(default_factory=dict)

    def of(self, campaign_ids: Collection[int]) -> Winners:
        """Those of some campaigns."""
        return Winners([new for new in self.messages if new.campaign_id in campaign_ids], self.products)

    def shown(self) -> set[tuple[int, int]]:
        """(campaign, product) of all that messages speak of."""
        return {
            (new.campaign_id, number)
            for new in self.messages
            for number in (new.product_no, new.purchased_product_no)
            if number is not None
        }


def winners_of(rooms: Rooms, ctx: ShopContext, found: Assessment) -> Winners:
    """The message for everybody whom the tick found one for."""
    who = np.flatnonzero(found.by).astype(np.int32)
    history = newest_history(rooms, ctx) if len(who) else None
    if history is None:
        return Winners()
    best, campaign = found.champion, found.by[who]
    kind, product = best.kind[who], best.product_no[who]
    bought = np.full(len(who), NEVER, np.int64)
    again = kind == REPURCHASE
    try:
        bought[again] = bought_when(history[1], who[again], product[again])
        spoken_of = np.unique(np.concatenate([product, best.because[who]]))
        known = products(history[1], ctx, spoken_of[spoken_of != NONE].tolist())
    finally:
        history[1].close()
    count, opens = _earlier(found, who, campaign, product), _opens(found, who, campaign)
    lift = lift_of(kind, best.first[who])
    chance = probability_of(kind, best.first[who], best.second[who])
    versions = {number: runner.campaign for number, runner in found.runners.items()}
    tick = microseconds(found.tick)
    columns = (who, campaign, kind, product, best.because[who], chance, lift, bought, count, opens)
    with rooms.store.reading(ctx) as session:
        of_shop = shop_percent(session, ctx)
    messages = [
        NewMessage(
            customer_no=customer,
            campaign_id=number,
            occurrence=f"{shown}:{_cycle(last)}:{earlier + 1}",
            content_version=versions[number].content_version,
            sender_id=versions[number].sender_id or 0,
            product_no=shown,
            purchased_product_no=shown if which == REPURCHASE else None if because == NONE else because,
            kind=KINDS[which],
            probability=probability,
            lift=None if lifted != lifted else lifted,  # noqa: PLR0124 - not a number is not itself
            expires_at=(at(opening) if opening > tick else found.tick) + GOOD_FOR,
            not_before=at(opening) if opening > tick else None,
            holdout_probability=fell.campaign,
            shop_holdout_probability=fell.shop,
            held_by=fell.held_by,
        )
        for fell, customer, number, which, shown, because, probability, lifted, last, earlier, opening in zip(
            _toss(ctx, versions, of_shop, who, campaign), *(column.tolist() for column in columns), strict=True
        )
    ]
    return Winners(messages, known)


def _toss(
    ctx: ShopContext, campaigns: Mapping[int, Campaign], of_shop: int, who: Ints, campaign: Ints
) -> Iterator[holdout.Toss]:
    """How the holdout coins fall for the winners: after the choice, so that both arms are chosen alike."""
    for customer, number in zip(who.tolist(), campaign.tolist(), strict=True):
        percent = campaigns[number].holdout_percent
        yield holdout.toss(ctx.shop_id, number, customer, campaign_percent=percent, shop_percent=of_shop)


def _cycle(bought: int) -> str:
    """Names the purchase since which repeats count; a product that was never bought is offered once a life."""
    return "life" if bought == NEVER else f"{at(bought):%Y%m%dT%H%M%S}"


def _earlier(found: Assessment, who: Ints, campaign: Ints, product: Ints) -> npt.NDArray[np.int64]:
    """(n,) how many messages each campaign ever planned for the customer about the product, whatever became of them."""
    count = np.zeros(len(who), np.int64)
    for number in np.unique(campaign).tolist():
        keys, times = np.unique(found.pasts.get(number, PastColumns()).keys(), return_counts=True)
        if len(keys):
            mine = np.flatnonzero(campaign == number)
            asked = pair_keys(who[mine], product[mine])
            place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
            count[mine] = np.where(keys[place] == asked, times[place], 0)
    return count


def _opens(found: Assessment, who: Ints, campaign: Ints) -> npt.NDArray[np.int64]:
    """(n,) when the campaign's hours open for each customer."""
    opens = np.full(len(who), NEVER, np.int64)
    for number in np.unique(campaign).tolist():
        judged = found.verdicts[number]
        mine = np.flatnonzero(campaign == number)
        opens[mine] = judged.opens[np.searchsorted(judged.customer_no, who[mine])]
    return opens
