"""What a merchant set for the whole shop: each with a default that is on already, each change written down."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app.domain.campaigns import DEFAULT_HOLDOUT_PERCENT
from app.errors import Conflict, Invalid
from app.store import cap
from app.store.counters import allocate
from app.store.models.campaigns import Decision
from app.store.models.sending import Cap, Message, is_live
from app.store.models.settings import SettingsChange, ShopSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

CAP_DAYS = "SELECT cap_days FROM shop_settings WHERE shop_id = :shop"  # for rowset.ask
LEAST_CAP_DAYS, MOST_CAP_DAYS = 7, 28
MOST_HOLDOUT = 50
LEAST_KEPT, MOST_KEPT = 90, 3650
HOURS = 24
MAX_POLICY = 2000
MOST_CHANGES = 200
ELSEWHERE = "Somebody else changed the settings meanwhile. Look at them again, then save."


@dataclass(frozen=True)
class Values:
    """The settings themselves.

    cap_days:        days between two e-mails to one customer, over all campaigns; 7 is the least there is
    quiet_from, quiet_until: hours of the day in which new campaigns send nothing; both or neither
    holdout_percent: of new campaigns
    consent_policy:  the merchant's own words on how customers agree to e-mail
    keep_diary_days: how long decisions that no longer stand are kept
    """

    cap_days: int = LEAST_CAP_DAYS
    quiet_from: int | None = None
    quiet_until: int | None = None
    holdout_percent: int = DEFAULT_HOLDOUT_PERCENT
    consent_policy: str = ""
    keep_diary_days: int = 1095


@dataclass(frozen=True)
class Kept:
    """The settings with their version: whoever saves says which one they saw."""

    values: Values
    version: int


@dataclass(frozen=True)
class Effect:
    """What a change would do now, in numbers. confirm: what has to be typed first; None if nothing."""

    customers_waiting: int
    customers_waiting_before: int
    decisions_removed: int
    confirm: str | None


@dataclass(frozen=True)
class Change:
    """One setting that was changed."""

    id: int
    at: datetime
    who: str
    name: str
    before: Any
    after: Any


def read(session: Session, ctx: ShopContext) -> Kept:
    """The shop's settings; defaults where nothing was changed."""
    row = session.get(ShopSettings, ctx.shop_id)
    if row is None:
        return Kept(Values(), 0)
    return Kept(Values(**{name: getattr(row, name) for name in Values.__dataclass_fields__}), row.version)


def cap_window(session: Session, ctx: ShopContext) -> timedelta:
    """The least time between two e-mails to one customer; never less than a week, whatever is stored."""
    return window_of(read(session, ctx).values.cap_days)


def window_of(cap_days: int | None) -> timedelta:
    """The same, of what `CAP_DAYS` found."""
    if cap_days is None or cap_days <= LEAST_CAP_DAYS:
        return cap.WINDOW
    return max(cap.WINDOW, timedelta(days=cap_days))


def sending_hours(values: Values) -> dict[str, int]:
    """The hours that a new campaign starts with: what the shop's quiet hours leave; empty where there are none.

    A campaign sends in one stretch of a day: quiet hours in its middle leave what comes after them.
    """
    if values.quiet_from is None or values.quiet_until is None:
        return {}
    until = values.quiet_from if values.quiet_from > values.quiet_until else HOURS
    return {"send_from_hour": values.quiet_until, "send_until_hour": until}


def settings(rooms: Rooms, ctx: ShopContext) -> Kept:
    """The shop's settings."""
    with rooms.store.reading(ctx) as session:
        return read(session, ctx)


def preview(rooms: Rooms, ctx: ShopContext, changes: Mapping[str, Any]) -> Effect:
    """What these changes would do now. Raises Invalid for values that are never allowed."""
    with rooms.store.reading(ctx) as session:
        before = read(session, ctx).values
        after = _checked(replace(before, **changes))
        now = rooms.store.db_now(session)
        return Effect(
            customers_waiting=_within(session, ctx, now, after.cap_days),
            customers_waiting_before=_within(session, ctx, now, before.cap_days),
            decisions_removed=_older(session, ctx, now, after) if after.keep_diary_days < before.keep_diary_days else 0,
            confirm=_to_type(ctx, before, after),
        )


def change(
    rooms: Rooms, ctx: ShopContext, changes: Mapping[str, Any], *, version: int, who: str, confirmed: str = ""
) -> Kept:
    """Save changes and write down who changed what.

    version: of the settings that the changes were made on. confirmed: what was typed, if the change asks for it.
    Raises Invalid for values that are never allowed or a missing confirmation, Conflict if they changed meanwhile.
    """
    try:
        with rooms.store.session(ctx) as session:
            row = session.get(ShopSettings, ctx.shop_id, with_for_update=True)
            kept = read(session, ctx)
            if kept.version != version:
                raise Conflict(ELSEWHERE)
            after = _checked(replace(kept.values, **changes))
            asked = _to_type(ctx, kept.values, after)
            if asked is not None and confirmed.strip() != asked:
                raise Invalid(
                    f"Type {asked} to confirm: history that is removed does not come back.", field="confirmed"
                )
            before, new = asdict(kept.values), asdict(after)
            differing = [name for name in new if new[name] != before[name]]
            if not differing:
                return kept
            if row is None:
                session.add(ShopSettings(shop_id=ctx.shop_id, version=1, **new))
            else:
                row.version += 1
                for name in differing:
                    setattr(row, name, new[name])
            record(session, ctx, rooms.clock.now(), who, {name: (before[name], new[name]) for name in differing})
            session.flush()
            return Kept(after, kept.version + 1)
    except IntegrityError as fault:  # two first saves in one moment
        raise Conflict(ELSEWHERE) from fault


def record(session: Session, ctx: ShopContext, now: datetime, who: str, changed: Mapping[str, tuple[Any, Any]]) -> None:
    """Write down that somebody changed settings: name → (before, after)."""
    if not changed:
        return
    first = allocate(session, ctx.shop_id, "settings_changes", len(changed))
    session.add_all(
        SettingsChange(
            shop_id=ctx.shop_id,
            id=first + step,
            at=now,
            who=who[:64],
            name=name,
            change={"before": before, "after": after},
        )
        for step, (name, (before, after)) in enumerate(sorted(changed.items()))
    )


def changes(rooms: Rooms, ctx: ShopContext) -> list[Change]:
    """The newest changes, newest first."""
    query = select(SettingsChange).where(SettingsChange.shop_id == ctx.shop_id).order_by(SettingsChange.id.desc())
    with rooms.store.reading(ctx) as session:
        return [
            Change(row.id, row.at, row.who, row.name, row.change.get("before"), row.change.get("after"))
            for row in session.scalars(query.limit(MOST_CHANGES))
        ]


def _checked(values: Values) -> Values:
    quiet = (values.quiet_from, values.quiet_until)
    bad_hour = any(hour is not None and not 0 <= hour < HOURS for hour in quiet)
    checks = (
        ("cap_days", not LEAST_CAP_DAYS <= values.cap_days <= MOST_CAP_DAYS,
         f"Between {LEAST_CAP_DAYS} and {MOST_CAP_DAYS} days: more than one e-mail a week is never sent."),
        ("quiet_from", bad_hour, "An hour of the day, 0 to 23."),
        ("quiet_until", (quiet[0] is None) != (quiet[1] is None), "Give both hours, or neither."),
        ("quiet_until", quiet[0] is not None and quiet[0] == quiet[1],
         "The two hours must differ: else nothing would ever be sent."),
        ("holdout_percent", not 0 <= values.holdout_percent <= MOST_HOLDOUT, f"Between 0 and {MOST_HOLDOUT} percent."),
        ("consent_policy", len(values.consent_policy) > MAX_POLICY, f"At most {MAX_POLICY:,} characters."),
        ("keep_diary_days", not LEAST_KEPT <= values.keep_diary_days <= MOST_KEPT,
         f"Between {LEAST_KEPT} and {MOST_KEPT:,} days."),
    )  # fmt: skip
    for name, wrong, text in checks:
        if wrong:
            raise Invalid(text, field=name)
    return replace(values, consent_policy=values.consent_policy.strip())


def _to_type(ctx: ShopContext, before: Values, after: Values) -> str | None:
    """What must be typed before history is removed: the shop's own name in Shopify, so that nobody does it asleep."""
    return ctx.domain if after.keep_diary_days < before.keep_diary_days else None


def _within(session: Session, ctx: ShopContext, now: datetime, days: int) -> int:
    """Customers who may not be mailed now under a cap of this many days."""
    since = now - max(cap.WINDOW, timedelta(days=days)) - cap.MARGIN
    mine = (Cap.shop_id == ctx.shop_id, Cap.key.like("c:%"), Cap.last_at > since)
    return session.scalar(select(func.count()).select_from(Cap).where(*mine)) or 0


def old_decisions(session: Session, ctx: ShopContext, now: datetime) -> Any:
    """The condition on decisions that are kept no longer: replaced long ago, and no message names them as its own."""
    return _old(ctx, now, read(session, ctx).values)


def _old(ctx: ShopContext, now: datetime, values: Values) -> Any:
    live = select(Message.id).where(Message.shop_id == ctx.shop_id, is_live())
    return (
        (Decision.shop_id == ctx.shop_id)
        & Decision.current.is_(False)
        & (Decision.last_tick < now - timedelta(days=values.keep_diary_days))
        & (Decision.message_id.is_(None) | Decision.message_id.not_in(live))
    )


def _older(session: Session, ctx: ShopContext, now: datetime, values: Values) -> int:
    return session.scalar(select(func.count()).select_from(Decision).where(_old(ctx, now, values))) or 0
