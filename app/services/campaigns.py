"""Campaigns: drafting, activating, pausing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.domain.campaigns import (
    DEFAULT_EVERY_DAYS,
    DEFAULT_REPEATS,
    DEFAULT_WAIT_DAYS,
    Reason,
    TimingRules,
    Unresolved,
    fold_name,
    name_problems,
    next_states,
)
from app.errors import Conflict, Invalid, NotFound
from app.mail.starters import STARTERS, allowed_placeholders, starter
from app.services import discount_checks, senders, shop_settings
from app.services.brand import brand_of
from app.services.campaigns_audience import audience_of, newest_history, number_of, products
from app.services.content import WORD_FIELDS, blocks_from, change_utm, content_problems, words_of
from app.services.recommendations import why_stale
from app.store import outbox
from app.store.counters import allocate
from app.store.models.campaigns import Campaign, CampaignContent
from app.store.models.recommendations import Recommendation
from app.store.models.sending import Message

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.campaigns import State
    from app.domain.context import ShopContext
    from app.domain.timetable import Window
    from app.services.campaigns_audience import Audience
    from app.services.rooms import Rooms

log = structlog.get_logger()

BLOCKS_CHANGED = (
    "The message was changed in another window meanwhile. Reload the page to see it, or save again to replace it."
)
MAY_BE_NONE = frozenset({"send_from_hour", "send_until_hour", "send_weekdays", "ends_on"})
NOT_CLONED = frozenset({
    "id", "name", "folded_name", "state", "content_version", "suggested", "recommendation_id", "stale", "created_at",
    "updated_at", "activated_at", "paused_at", "ended_at", "deleted_at",
})  # fmt: skip


@dataclass(frozen=True)
class Standing:
    """A campaign with everything that decides whether it may run."""

    campaign: Campaign
    content: CampaignContent
    audience: Audience | None
    unresolved: list[Unresolved]


def create(
    rooms: Rooms, ctx: ShopContext, *, recommendation_id: str | None = None, segment_id: str | None = None
) -> str:
    """Start a draft, prefilled if there is something to start from; returns `cmp_<int>`.

    A recommendation whose segment is gone or empty opens an empty draft that says so.
    Raises NotFound for an id that never was.
    """
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        recommendation = _recommendation(session, ctx, recommendation_id)
        wanted = number_of(segment_id, "seg_", "segment") if segment_id else None
        wanted = recommendation.segment_id if recommendation else wanted
        audience = audience_of(session, ctx, wanted)
        if segment_id and audience is None:
            raise NotFound("There is no such segment.")
        stale = why_stale(session, ctx, recommendation, audience) if recommendation else None
        if stale:
            audience = None
        words = starter(audience.kind if audience else None)
        number = allocate(session, ctx.shop_id, "campaigns")
        chosen = shop_settings.read(session, ctx).values
        campaign = Campaign(
            shop_id=ctx.shop_id,
            id=number,
            state="draft",
            sender_id=senders.default_sender_id(session, ctx),
            audience_type="segment" if audience else None,
            segment_id=audience.segment_id if audience else None,
            frequency="every" if audience and audience.kind == "repurchase" else "once",
            every_days=DEFAULT_EVERY_DAYS,
            wait_days=DEFAULT_WAIT_DAYS,
            repeats=DEFAULT_REPEATS,
            content_version=1,
            discount_mode="off",
            holdout_percent=chosen.holdout_percent,
            **shop_settings.sending_hours(chosen),
            suggested=[],
            recommendation_id=recommendation.id if recommendation and not stale else None,
            stale=stale,
            created_at=now,
            updated_at=now,
        )
        if audience:
            _set_name(session, ctx, campaign, free_name(session, ctx, _suggested_name(rooms, ctx, audience)))
            campaign.suggested = [
                "name.name", "audience.segment_id", "timing.frequency", "timing.every_days", "timing.wait_days",
                "timing.repeats", *(f"content.{field}" for field in WORD_FIELDS),
            ]  # fmt: skip
        session.add(campaign)
        session.add(
            CampaignContent(shop_id=ctx.shop_id, campaign_id=number, version=1, created_at=now, **words.columns())
        )
    return f"cmp_{number}"


def change(rooms: Rooms, ctx: ShopContext, campaign_id: str, changes: dict[str, Any]) -> None:
    """Save what is given; a draft may stay unfinished.

    What waits to be sent was decided by other rules or in other words: it is taken out of the line, and the next
    tick decides anew.
    Raises Invalid for a timing that is never allowed, and for a change that would leave an active
    or paused campaign unfinished; Conflict if it was deleted, or if its blocks are others than the page had.
    """
    with rooms.store.session(ctx) as session:
        campaign = find(session, ctx, campaign_id)
        before = _rules(session, campaign)
        edited: set[str] = set()
        if "name" in changes:
            _set_name(session, ctx, campaign, changes["name"])
            edited.add("name.name")
        if "sender_id" in changes:
            wanted = changes["sender_id"]
            campaign.sender_id = senders.find(session, ctx, wanted).id if wanted else None
        if changes.get("audience"):
            edited |= _set_audience(session, ctx, campaign, changes["audience"])
            changes = _fitting_words(session, campaign, changes)
        edited |= _set_timing(campaign, changes.get("timing") or {})
        edited |= _set_words(rooms, session, ctx, campaign, changes)
        if changes.get("utm"):
            change_utm(campaign, changes["utm"])
        for field, value in (changes.get("discount") or {}).items():
            if field != "mode" or value is not None:
                setattr(campaign, f"discount_{field}", value)
        campaign.suggested = [field for field in campaign.suggested if field not in edited]
        campaign.updated_at = rooms.clock.now()
        try:
            session.flush()
        except IntegrityError as fault:  # another process took the name in this very moment
            raise Conflict("Another campaign has this name.", field="name") from fault
        if campaign.state != "draft":
            _refuse_unfinished(standing(rooms, session, ctx, campaign).unresolved)
        decided_anew = campaign.state == "active" and _rules(session, campaign) != before
        number = campaign.id
    if decided_anew:
        _empty_the_line(rooms, ctx, number, Reason.CAMPAIGN_CHANGED)


def activate(rooms: Rooms, ctx: ShopContext, campaign_id: str) -> None:
    """Let it send by itself from the next tick on; repeating it changes nothing.

    Raises Invalid naming what is unresolved, Conflict if the campaign was deleted.
    """
    with rooms.store.session(ctx) as session:
        campaign = find(session, ctx, campaign_id)
        if campaign.state == "active":
            return
        go(campaign, "active")
        _refuse_unfinished(standing(rooms, session, ctx, campaign).unresolved)
        campaign.activated_at = campaign.activated_at or rooms.clock.now()
        campaign.paused_at = None
    log.info("campaign_activated", shop_id=ctx.shop_id, campaign=campaign_id)
    rooms.jobs.enqueue(ctx, "plan_and_send")


def pause(rooms: Rooms, ctx: ShopContext, campaign_id: str) -> None:
    """Stop new hand-overs: the state first, then what waits in line. Repeating it changes nothing."""
    if _stop(rooms, ctx, campaign_id, "paused"):
        log.info("campaign_paused", shop_id=ctx.shop_id, campaign=campaign_id)


def resume(rooms: Rooms, ctx: ShopContext, campaign_id: str) -> None:
    """Go on after a pause. Raises Conflict if it is not paused."""
    with rooms.store.reading(ctx) as session:
        if find(session, ctx, campaign_id).state not in {"paused", "active"}:
            raise Conflict("Only a paused campaign can be resumed.")
    activate(rooms, ctx, campaign_id)


def end(rooms: Rooms, ctx: ShopContext, campaign_id: str) -> None:
    """Stop it for good; its numbers stay. Repeating it changes nothing. Raises Conflict for a draft."""
    if _stop(rooms, ctx, campaign_id, "ended"):
        log.info("campaign_ended", shop_id=ctx.shop_id, campaign=campaign_id)


def _stop(rooms: Rooms, ctx: ShopContext, campaign_id: str, state: Literal["paused", "ended"]) -> bool:
    """Whether it was not so already."""
    with rooms.store.session(ctx) as session:
        campaign = find(session, ctx, campaign_id)
        if campaign.state == state:
            return False
        go(campaign, state)
        setattr(campaign, f"{state}_at", rooms.clock.now())
        number = campaign.id
    _empty_the_line(rooms, ctx, number)
    return True


def end_those_due(rooms: Rooms, ctx: ShopContext, now: datetime) -> None:
    """End the campaigns whose last day, of the shop's calendar, is over."""
    today = now.astimezone(ctx.zone).date()
    with rooms.store.reading(ctx) as session:
        query = select(Campaign.id).where(
            Campaign.shop_id == ctx.shop_id, Campaign.state.in_(("active", "paused")), Campaign.ends_on < today
        )
        over = list(session.scalars(query))
    for number in over:
        end(rooms, ctx, f"cmp_{number}")


def clone(rooms: Rooms, ctx: ShopContext, campaign_id: str) -> str:
    """Start a draft that says all that another campaign says; nothing of what was sent comes along.

    Returns `cmp_<int>`. Raises NotFound.
    """
    now = rooms.clock.now()
    with rooms.store.session(ctx) as session:
        old = find(session, ctx, campaign_id)
        values = {
            column.key: getattr(old, column.key)
            for column in Campaign.__table__.columns
            if column.key not in NOT_CLONED
        }
        if timing_of(old).is_over(now.astimezone(ctx.zone).date()):
            values["ends_on"] = None
        number = allocate(session, ctx.shop_id, "campaigns")
        campaign = Campaign(
            **values, id=number, state="draft", content_version=1, suggested=[], created_at=now, updated_at=now
        )
        _set_name(session, ctx, campaign, free_name(session, ctx, f"Copy of {old.name or 'a campaign'}"[:100]))
        session.add(campaign)
        words = content_of(session, old)
        said = {
            column.key: getattr(words, column.key)
            for column in CampaignContent.__table__.columns
            if column.key not in {"campaign_id", "version", "created_at"}
        }
        session.add(CampaignContent(**said, campaign_id=number, version=1, created_at=now))
    return f"cmp_{number}"


def delete(rooms: Rooms, ctx: ShopContext, campaign_id: str) -> None:
    """Stop and hide it; messages and decisions stay, and the name becomes free."""
    with rooms.store.session(ctx) as session:
        campaign = find(session, ctx, campaign_id)
        go(campaign, "deleted")
        campaign.deleted_at = rooms.clock.now()
        number = campaign.id
    _empty_the_line(rooms, ctx, number)
    log.info("campaign_deleted", shop_id=ctx.shop_id, campaign=campaign_id)


def find(session: Session, ctx: ShopContext, campaign_id: str) -> Campaign:
    """The row of `cmp_<int>`. Raises NotFound."""
    number = number_of(campaign_id, "cmp_", "campaign")
    campaign = session.get(Campaign, {"shop_id": ctx.shop_id, "id": number})
    if campaign is None or campaign.deleted_at is not None:
        raise NotFound("There is no such campaign.")
    return campaign


def content_of(session: Session, campaign: Campaign, version: int | None = None) -> CampaignContent:
    """The words of a version; default the current one."""
    key = {
        "shop_id": campaign.shop_id,
        "campaign_id": campaign.id,
        "version": campaign.content_version if version is None else version,
    }
    return session.get_one(CampaignContent, key)


def standing(rooms: Rooms, session: Session, ctx: ShopContext, campaign: Campaign) -> Standing:
    """The campaign with what still keeps it from running, step by step."""
    content = content_of(session, campaign)
    audience = audience_of(session, ctx, campaign.segment_id)
    found: list[Unresolved] = []
    taken = _name_taken(session, ctx, campaign, campaign.name or "")
    found += name_problems(campaign.name, taken)
    found += _sender_problems(session, ctx, campaign)
    if rooms.settings.env == "production" and not rooms.settings.smtp_url:
        found.append(Unresolved("sender", "sender_id", "This installation has no mail server: set ENCORE_SMTP_URL."))
    if campaign.audience_type is None:
        found.append(Unresolved("audience", "type", "Choose whom the campaign considers."))
    elif campaign.audience_type == "segment" and audience is None:
        found.append(Unresolved("audience", "segment_id", "The segment no longer exists. Choose another."))
    found += timing_of(campaign).problems()
    if timing_of(campaign).is_over(rooms.clock.now().astimezone(ctx.zone).date()):
        found.append(Unresolved("timing", "ends_on", "The last day has passed."))
    allowed = allowed_placeholders(audience.kind if audience and campaign.audience_type == "segment" else None)
    found += content_problems(campaign, words_of(content), brand_of(session, ctx), allowed)
    found += discount_checks.problems(rooms, session, ctx, campaign)
    return Standing(campaign, content, audience, found)


def timing_of(campaign: Campaign) -> TimingRules:
    """The timing as rules."""
    frequency: Any = campaign.frequency
    return TimingRules(
        frequency=frequency,
        every_days=campaign.every_days,
        wait_days=campaign.wait_days,
        repeats=campaign.repeats,
        send_from_hour=campaign.send_from_hour,
        send_until_hour=campaign.send_until_hour,
        send_weekdays=None if campaign.send_weekdays is None else tuple(campaign.send_weekdays),
        ends_on=campaign.ends_on,
    )


def window_of(campaign: Campaign) -> Window:
    """The hours and weekdays at which it may send, on the customer's clock."""
    return timing_of(campaign).window


def _sender_problems(session: Session, ctx: ShopContext, campaign: Campaign) -> list[Unresolved]:
    if campaign.sender_id is None:
        return [Unresolved("sender", "sender_id", "Choose a sender.")]
    try:
        sender = senders.find(session, ctx, f"snd_{campaign.sender_id}")
    except NotFound:
        return [Unresolved("sender", "sender_id", "The sender was deleted. Choose another.")]
    if not senders.is_verified(sender):
        text = f"{sender.from_address} is not verified yet. Open the link in the confirmation mail."
        return [Unresolved("sender", "sender_id", text)]
    return []


def _refuse_unfinished(unresolved: list[Unresolved]) -> None:
    if unresolved:
        first = unresolved[0]
        more = f" ({len(unresolved) - 1} more)" if len(unresolved) > 1 else ""
        raise Invalid(f"{first.step.capitalize()}: {first.message}{more}", field=f"{first.step}.{first.field}")


def go(campaign: Campaign, state: State) -> None:
    """Change the state as the table of transitions allows. Raises Conflict."""
    was: Any = campaign.state
    if state not in next_states(was):
        raise Conflict(f"A campaign that is {campaign.state} can't become {state}.")
    campaign.state = state


def _rules(session: Session, campaign: Campaign) -> tuple[object, ...]:
    """What a message in line was decided by: whom, when, in which words."""
    audience = (campaign.audience_type, campaign.segment_id)
    return *audience, timing_of(campaign), words_of(content_of(session, campaign)), str(campaign.utm)


def _empty_the_line(rooms: Rooms, ctx: ShopContext, number: int, reason: Reason = Reason.CAMPAIGN_NOT_ACTIVE) -> None:
    # A second transaction: the state is committed, so a stamp that runs now sees it; holding both
    # locks at once could meet a stamp that takes them the other way round.
    with rooms.store.session(ctx) as session:
        now = rooms.store.db_now(session)
        outbox.cancel_campaign(session, ctx, now, number, reason)


def _recommendation(session: Session, ctx: ShopContext, recommendation_id: str | None) -> Recommendation | None:
    if recommendation_id is None:
        return None
    number = number_of(recommendation_id, "rec_", "recommendation")
    row = session.get(Recommendation, {"shop_id": ctx.shop_id, "id": number})
    if row is None:
        raise NotFound("There is no such recommendation.")
    return row


def _suggested_name(rooms: Rooms, ctx: ShopContext, audience: Audience) -> str:
    title = None
    if audience.product_no is not None and (history := newest_history(rooms, ctx)):
        found = products(history[1], ctx, [audience.product_no])
        history[1].close()
        title = found[audience.product_no].title if found else None
    verb = {"repurchase": "Buy again", "cross_sell": "Goes with"}.get(audience.kind or "", "Campaign")
    return f"{verb}: {title or audience.name}"[:100]


def free_name(session: Session, ctx: ShopContext, wanted: str) -> str:
    """The name itself if no campaign has it, else with the first number that makes it new."""
    query = select(Campaign.folded_name).where(Campaign.shop_id == ctx.shop_id, Campaign.deleted_at.is_(None))
    taken = set(session.scalars(query))
    number, name = 1, wanted
    while fold_name(name) in taken:
        number += 1
        name = f"{wanted} {number}"
    return name


def _name_taken(session: Session, ctx: ShopContext, campaign: Campaign, name: str) -> bool:
    query = select(Campaign.id).where(
        Campaign.shop_id == ctx.shop_id,
        Campaign.folded_name == fold_name(name),
        Campaign.deleted_at.is_(None),
        Campaign.id != campaign.id,
    )
    return session.scalars(query).first() is not None


def _set_name(session: Session, ctx: ShopContext, campaign: Campaign, name: str | None) -> None:
    campaign.name = (name or "").strip() or None
    problems = name_problems(campaign.name, _name_taken(session, ctx, campaign, campaign.name or ""))
    campaign.folded_name = None if problems else fold_name(campaign.name or "")


def _set_audience(session: Session, ctx: ShopContext, campaign: Campaign, given: dict[str, Any]) -> set[str]:
    campaign.audience_type = given["type"]
    campaign.segment_id = None
    if given["type"] == "segment":
        if not given.get("segment_id"):
            raise Invalid("Choose a segment.", field="audience.segment_id")
        number = number_of(given["segment_id"], "seg_", "segment")
        if audience_of(session, ctx, number) is None:
            raise NotFound("There is no such segment.")
        campaign.segment_id = number
    return {"audience.segment_id"}


def _fitting_words(session: Session, campaign: Campaign, changes: dict[str, Any]) -> dict[str, Any]:
    """Suggested words that nobody has edited follow the audience: each kind has its own."""
    untouched = words_of(content_of(session, campaign)) in STARTERS.values()
    return changes | {"reset_content": True} if untouched and not changes.get("content") else changes


def _set_timing(campaign: Campaign, given: dict[str, Any]) -> set[str]:
    changed = {field: value for field, value in given.items() if value is not None or field in MAY_BE_NONE}
    for field, value in changed.items():
        setattr(campaign, field, value)
    for problem in timing_of(campaign).problems() if changed else ():
        raise Invalid(problem.message, field=f"timing.{problem.field}")
    return {f"timing.{field}" for field in changed}


def _set_words(
    rooms: Rooms, session: Session, ctx: ShopContext, campaign: Campaign, changes: dict[str, Any]
) -> set[str]:
    given = {field: value for field, value in (changes.get("content") or {}).items() if value is not None}
    seen = given.pop("blocks_before", None)
    if changes.get("reset_content"):
        audience = audience_of(session, ctx, campaign.segment_id)
        given = vars(starter(audience.kind if audience else None))
    elif "blocks" in given:
        given["blocks"] = blocks_from(given["blocks"])
    content = content_of(session, campaign)
    words = words_of(content)
    if seen is not None and "blocks" in given and words.blocks not in (blocks_from(seen), given["blocks"]):
        raise Conflict(BLOCKS_CHANGED, field="content.blocks")
    edited = {f"content.{field}" for field in given}
    given = {field: value for field, value in given.items() if value != getattr(words, field)}
    if not given:
        return edited
    used = select(Message.id).where(
        Message.shop_id == ctx.shop_id,
        Message.campaign_id == campaign.id,
        Message.content_version == content.version,
    )
    if session.scalars(used.limit(1)).first() is not None:
        # Mailed words are never changed: the web view of an old message shows what was sent.
        campaign.content_version += 1
        content = CampaignContent(
            shop_id=ctx.shop_id,
            campaign_id=campaign.id,
            version=campaign.content_version,
            created_at=rooms.clock.now(),
            **words.columns(),
        )
        session.add(content)
    for field, value in given.items():
        setattr(content, field, value)
    return edited
