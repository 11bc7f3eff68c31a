"""A campaign's verdict on everybody in its audience: their best product, or why they can't be mailed.

The order of reasons is that of a customer judged by hand: can they be mailed, is a message under way, is the week free,
how long ago did they buy and did they get this campaign; then what speaks against the product; then whether the
campaign may send now at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from pyroaring import BitMap

from app.domain.arbitration import Candidate
from app.domain.campaigns import DEFAULT_EVERY_DAYS, GOOD_FOR, Reason
from app.domain.placeholders import Placeholder
from app.services import campaigns, senders
from app.services.campaigns_audience import audience_of
from app.services.content import words_of
from app.services.decision_sheets import NONE, PLACE, SAYINGS, reason_of
from app.services.instants import NEVER, microseconds
from app.services.plan_sends_best import NOBODY, POSSIBLE, lift_of, probability_of
from app.services.plan_sends_facts import numbers
from app.store.models.senders import Sender

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt
    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.mail.words import Words
    from app.services.plan_sends_best import Bools, Floats, Ints, Pick
    from app.services.plan_sends_facts import Everybody, PastColumns
    from app.store.models.campaigns import Campaign

DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class Runner:
    """An active campaign, read once per tick.

    blocked: why nobody can be mailed for it at all now, though the campaign is active.
    """

    campaign: Campaign
    words: Words
    members: BitMap | None
    kind: str | None
    product_no: int | None
    product_type: str | None = None
    blocked: Reason | None = None

    @property
    def needs_purchase(self) -> bool:
        """Whether its words name a purchased product."""
        return Placeholder.PURCHASED_PRODUCT in self.words.used

    @property
    def any_product(self) -> bool:
        """Whether its audience says nothing of products: each customer gets the best of all that is likely enough."""
        return self.product_no is None and self.product_type is None

    def among(self, only: BitMap) -> Runner:
        """The same with these of its members alone."""
        return self if self.members is None else replace(self, members=self.members & only)


@dataclass(frozen=True)
class Verdict:
    """What one campaign can do for one customer: its best candidate, and the reason if it can't be sent."""

    candidate: Candidate | None
    reason: Reason | None


@dataclass(frozen=True)
class Judged(Mapping[int, Verdict]):
    """One campaign's verdict on everybody in its audience: columns, and a mapping for who asks about a few.

    customer_no: ascending. says: why not, as a place of what decisions say; POSSIBLE who may be mailed. The rest is the
    candidate: the best that may be sent, of those who can't be mailed the best of all; see `plan_sends_best.Best`.
    opens: when the campaign's hours open for them, in microseconds; not after the tick: they are open.
    """

    campaign: Campaign
    customer_no: Ints
    says: npt.NDArray[np.uint8]
    kind: npt.NDArray[np.int8]
    first: Floats
    second: Floats
    product_no: Ints
    because: Ints
    opens: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.customer_no)

    def __iter__(self) -> Iterator[int]:
        return iter(self.customer_no.tolist())

    def __getitem__(self, customer_no: int) -> Verdict:
        place = int(np.searchsorted(self.customer_no, customer_no))
        if place == len(self) or self.customer_no[place] != customer_no:
            raise KeyError(customer_no)
        return Verdict(self._candidate(place), reason_of(SAYINGS[self.says[place]]))

    @property
    def eligible(self) -> Bools:
        """(n,) who may be mailed."""
        found: Bools = self.says == POSSIBLE
        return found

    def reasons(self) -> Counter[Reason]:
        """How many can't be mailed, by reason."""
        found = np.bincount(self.says[~self.eligible], minlength=len(SAYINGS))
        return Counter({Reason(SAYINGS[place]): int(found[place]) for place in np.flatnonzero(found)})

    def take(self, which: Any) -> Judged:
        """The verdicts at these places, or where this is true."""
        columns = (
            self.customer_no, self.says, self.kind, self.first, self.second, self.product_no, self.because, self.opens
        )  # fmt: skip
        return Judged(self.campaign, *(column[which] for column in columns))

    def _candidate(self, place: int) -> Candidate | None:
        if self.kind[place] == NOBODY:
            return None
        kind, first, second = int(self.kind[place]), self.first[place : place + 1], self.second[place : place + 1]
        lift, overdue = float(lift_of([kind], first)[0]), float(second[0])
        because = int(self.because[place])
        return Candidate(
            campaign_id=self.campaign.id,
            campaign_created_at=self.campaign.created_at,
            customer_no=int(self.customer_no[place]),
            product_no=int(self.product_no[place]),
            kind="cross_sell" if kind else "repurchase",
            probability=float(probability_of([kind], first, second)[0]),
            overdue_days=None if kind or np.isneginf(overdue) else overdue,
            lift=None if np.isnan(lift) else lift,
            because_product_no=None if because == NONE else because,
            segment_id=self.campaign.segment_id,
        )


def runners(session: Session, ctx: ShopContext, rows: Iterable[Campaign]) -> dict[int, Runner]:
    """Campaigns with their words and members; a campaign whose segment is gone has no members."""
    found: dict[int, Runner] = {}
    for row in rows:
        words = words_of(campaigns.content_of(session, row))
        sender = session.get(Sender, {"shop_id": ctx.shop_id, "id": row.sender_id or 0})
        blocked = sender_refusal(sender)
        if row.audience_type == "segment":
            audience = audience_of(session, ctx, row.segment_id)
            members = audience.members if audience else BitMap()
            about = (audience.kind, audience.product_no, audience.product_type) if audience else (None, None, None)
            found[row.id] = Runner(row, words, members, *about, blocked=blocked)
        else:
            found[row.id] = Runner(row, words, None, None, None, blocked=blocked)
    return found


def sender_refusal(sender: Sender | None) -> Reason | None:
    """Why nobody can be mailed from this sender."""
    if sender is None or sender.deleted_at is not None or not senders.is_verified(sender):
        return Reason.SENDER_NOT_VERIFIED
    return None if sender.postal_address.strip() and sender.company.strip() else Reason.NO_POSTAL_ADDRESS


def judge(runner: Runner, pick: Pick, everybody: Everybody, past: PastColumns, tick: datetime) -> Judged:
    """Everybody in the audience, the first reason that holds."""
    campaign, now = runner.campaign, microseconds(tick)
    if runner.members is None:
        who = np.flatnonzero(pick.best.kind != NOBODY).astype(np.int32)
    else:
        who = numbers(runner.members)
    says = everybody.reach[who]
    wait = campaign.wait_days * DAY
    _say(says, everybody.live[who] != 0, Reason.MESSAGE_UNDER_WAY)
    _say(says, everybody.busy[who], Reason.WEEKLY_CAP)
    _say(says, now - everybody.ordered[who] < wait, Reason.WAIT_AFTER_PURCHASE)
    again = Reason.ONCE_ONLY if campaign.frequency == "once" else Reason.FREQUENCY
    _say(says, _too_soon(past, campaign, who, now), again)
    _say(says, pick.best.kind[who] == NOBODY, Reason.NO_PRODUCT)
    open_to = says == POSSIBLE
    stuck = open_to & (pick.possible.kind[who] == NOBODY)
    says[stuck] = pick.best.says[who[stuck]]
    fine = open_to & ~stuck  # the others are shown with the best of all, whatever speaks against it
    shown = {
        name: np.where(fine, getattr(pick.possible, name)[who], getattr(pick.best, name)[who])
        for name in ("kind", "first", "second", "product_no", "because")
    }
    if runner.blocked is not None:
        _say(says, np.ones(len(who), bool), runner.blocked)
    opens = _opens(tick, campaign, everybody, who)
    _say(says, opens > now + GOOD_FOR // timedelta(microseconds=1), Reason.QUIET_HOURS)
    return Judged(campaign, who, says, **shown, opens=opens)


def _say(says: npt.NDArray[np.uint8], where: Any, reason: Reason) -> None:
    says[(says == POSSIBLE) & where] = PLACE[reason]


def _too_soon(past: PastColumns, campaign: Campaign, who: Ints, now: int) -> Bools:
    """(len(who),) who got the campaign too recently to get it again."""
    had, stamped, drawn = past.last()
    if not len(had):
        return np.zeros(len(who), dtype=bool)
    place = np.minimum(np.searchsorted(had, who), len(had) - 1)
    got = had[place] == who
    if campaign.frequency == "once":
        once: Bools = got
        return once
    days = np.full(len(had), campaign.every_days, np.int64)
    if campaign.frequency == "optimise":
        days = np.where(drawn > 0, drawn, DEFAULT_EVERY_DAYS).astype(np.int64)
    recent: Bools = now - stamped < days * DAY
    found: Bools = got & recent[place]
    return found


def _opens(tick: datetime, campaign: Campaign, everybody: Everybody, who: Ints) -> npt.NDArray[np.int64]:
    """(len(who),) when the campaign's hours open where each lives; NEVER where they never close."""
    window = campaigns.window_of(campaign)
    if window.always:
        return np.broadcast_to(np.int64(NEVER), len(who))
    opening = np.array([microseconds(window.opening(tick, zone)) for zone in everybody.zones], np.int64)
    return opening[everybody.zone[who]]
