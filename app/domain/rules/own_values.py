"""A customer's own values, in words: what a condition looks at."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb

from app.domain.rules import names
from app.domain.rules.compile import When, measure_query, moments_query
from app.domain.rules.compile_customers import dated, dates_query, distance_query
from app.domain.rules.names import PAIR_KIND
from app.domain.rules.sentence import money
from app.domain.rules.tree import (
    EVER,
    Attr,
    Consent,
    Did,
    Life,
    Measure,
    Member,
    Near,
    Predict,
    Rank,
    Reachable,
    Recent,
)

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

    from app.domain.rules.alone import Alone
    from app.domain.rules.sentence import Wording
    from app.domain.rules.tree import Leaf

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAR_KM = 100  # from there on whole kilometres are shown
TOTALS = frozenset({"sum", "distinct"})
STATES = {"yes": "Allows", "no": "Does not allow", "pending": "Has not yet confirmed"}
CHANNELS = {"email": "e-mail", "sms": "text messages"}


def own_value(leaf: Leaf, alone: Alone, wording: Wording) -> str | None:  # noqa: C901, PLR0911 - one line per kind of leaf
    """The customer's own value as a short text, e.g. "Ordered 3 times, last on 4 March 2026"; None where none is."""
    match leaf:
        case Attr():
            return _attr(leaf, alone, wording)
        case Did():
            return _did(leaf, alone)
        case Measure():
            return _measure(leaf, alone, wording)
        case Predict():
            return _predict(leaf, alone, wording)
        case Consent():
            return f"{STATES[consent_state(alone, leaf.channel)]} {CHANNELS[leaf.channel]}"
        case Reachable():
            return "Can be reached by e-mail" if alone.holds(leaf) else "Can't be reached by e-mail"
        case Member():
            return _member(leaf, alone, wording)
        case Recent():
            return _recent(leaf, alone)
        case Life():
            return _life(leaf, alone)
        case Near():
            return _near(leaf, alone)
        case Rank():
            return _valued(leaf.attr, alone, wording)
        case _:
            return None


def value_of(attribute: names.Attribute, alone: Alone) -> Any:
    """The customer's value of an attribute; None where it is missing."""
    rows = alone.connection.execute(f"SELECT {attribute.column} AS v FROM {attribute.owner}").fetchall()
    value = rows[0][0] if rows else None
    if value is None and attribute.type == "list":
        return []
    return attribute.absent if value is None else value


def own_date(leaf: Attr, alone: Alone) -> date | datetime | None:
    """The customer's date that a leaf with a window looks at: a day without a time, or an instant; None if missing."""
    rows = alone.connection.execute(dates_query(leaf).sql).fetchall()
    if not rows:
        return None
    _, on_day, instant = rows[0]
    return on_day if instant is None else EPOCH + timedelta(microseconds=instant)


def shown(value: Any, kind: str, currency: str, zone: ZoneInfo) -> str:  # noqa: PLR0911 - one line per kind
    """A value in words: $12.50, 14%, 4 March 2026."""
    if value is None:
        return "not known"
    if kind == "money":
        return money(value, currency)
    if kind == "share":
        return f"{value * 100:.3g}%"
    if kind == "date":
        return day(value, zone)
    if kind == "boolean":
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def day(moment: datetime, zone: ZoneInfo) -> str:
    """The shop's day of an instant: 4 March 2026."""
    local = moment.astimezone(zone)
    return f"{local.day} {local:%B %Y}"


def consent_state(alone: Alone, channel: str) -> str:
    """yes, no or pending: what the customer allows on a channel."""
    for state in ("yes", "pending"):
        try:
            if alone.customer_no in alone.world.consent(channel, state):
                return state
        except KeyError:  # nobody is in that state
            continue
    return "no"


def moments(leaf: Did, alone: Alone) -> list[datetime]:
    """When the customer did what a leaf counts, oldest first."""
    world = alone.world
    query = moments_query(leaf, When(world.as_of, world.zone, world.unit))
    rows = alone.connection.execute(query.sql, query.values).fetchall()
    return [EPOCH + timedelta(microseconds=at) for (at,) in rows]


def measured(leaf: Measure, alone: Alone) -> float | None:
    """What a leaf measures of the customer; None for an average, a smallest or a largest of nothing."""
    world = alone.world
    query = measure_query(leaf, When(world.as_of, world.zone, world.unit))
    rows = alone.connection.execute(query.sql, query.values).fetchall()
    found = [row[1] for row in rows if row[0] == alone.customer_no]
    if found:
        return float(found[0])
    return 0.0 if leaf.function in TOTALS else None


def _attr(leaf: Attr, alone: Alone, wording: Wording) -> str | None:
    known = names.attribute(leaf.attr)
    if known is None or not dated(leaf):
        return _valued(leaf.attr, alone, wording)
    found = own_date(leaf, alone)
    return f"{known.label}: {'not known' if found is None else _date(found, alone.world.zone)}"


def _valued(name: str, alone: Alone, wording: Wording) -> str | None:
    known = names.attribute(name)
    if known is None:
        return None
    text = shown(value_of(known, alone), known.type, wording.currency, alone.world.zone)
    return f"{known.label}: {text}"


def _date(found: date | datetime, zone: ZoneInfo) -> str:
    return day(found, zone) if isinstance(found, datetime) else f"{found.day} {found:%B %Y}"


def _recent(leaf: Recent, alone: Alone) -> str:
    past = names.EVENTS[leaf.event].past
    when = moments(Did(leaf.event, leaf.where, "gte", 1, EVER), alone)
    if not when:
        return f"Never {past} so" if leaf.where else f"Never {past}"
    return f"Last {past}{' so' if leaf.where else ''} on {day(when[-1], alone.world.zone)}"


def _life(leaf: Life, alone: Alone) -> str:
    past, zone = names.EVENTS[leaf.event].past, alone.world.zone
    when = moments(Did(leaf.event, (), "gte", 1, EVER), alone)
    if not when:
        return f"Never {past}"
    if len(when) == 1:
        return f"{past[:1].upper()}{past[1:]} once, on {day(when[0], zone)}"
    return (
        f"{past[:1].upper()}{past[1:]} {len(when):,} times, first on {day(when[0], zone)},"
        f" last on {day(when[-1], zone)}"
    )


def _near(leaf: Near, alone: Alone) -> str:
    query = distance_query(leaf)
    rows = alone.connection.execute(query.sql, query.values).fetchall()
    if not rows:
        return "No address on the map"
    km = rows[0][1]
    return f"{km:,.0f} km away" if km >= FAR_KM else f"{km:.3g} km away"


def _member(leaf: Member, alone: Alone, wording: Wording) -> str:
    name = wording.segment(leaf.segment) or leaf.segment
    inside = alone.holds(replace(leaf, moved=None, during=None))
    text = f"Is {'' if inside else 'not '}in “{name}”"
    if leaf.moved is None:
        return text
    changes = alone.world.history(leaf.segment)
    parts = {"entered": [c.at for c in changes[1:] if alone.customer_no in c.entered],
             "left": [c.at for c in changes if alone.customer_no in c.left]}  # fmt: skip
    told = [f"last {word} on {day(at[-1], alone.world.zone)}" for word, at in parts.items() if at]
    return ", ".join([text, *(told or ["not seen to enter or leave"])])


def _did(leaf: Did, alone: Alone) -> str:
    past = names.EVENTS[leaf.event].past
    when = moments(leaf, alone)
    if not when:
        return f"Never {past} so" if leaf.where or leaf.during.kind != "ever" else f"Never {past}"
    times = "once" if len(when) == 1 else f"{len(when):,} times"
    return f"{past[:1].upper()}{past[1:]} {times}, last on {day(when[-1], alone.world.zone)}"


def _measure(leaf: Measure, alone: Alone, wording: Wording) -> str:
    value = measured(leaf, alone)
    if value is None:
        return "No such order"
    known = names.MEASURES[f"{leaf.event}.{leaf.field}"]
    whole = int(value) if value.is_integer() else round(value, 2)
    return f"{known.label[:1].upper()}{known.label[1:]}: {shown(whole, known.type, wording.currency, alone.world.zone)}"


def _predict(leaf: Predict, alone: Alone, wording: Wording) -> str:
    value = _predicted(leaf, alone)
    if value is None:
        return "No prediction for this customer"
    if leaf.what == "next_order":
        return f"Next order expected on {day(value, alone.world.zone)}"
    if leaf.what == "value":
        return f"Expected spend: {money(round(value), wording.currency)}"
    return f"Chance: {value * 100:.3g}%"


def _predicted(leaf: Predict, alone: Alone) -> Any:
    unit = alone.world.unit
    columns = {"next_order": "next_order_at", "value": f"value_12m * {unit:d}"}
    values: list[str | None] = []
    sql = f"SELECT {columns.get(leaf.what, f'1 - p_order_{leaf.horizon}')} FROM customer_values"
    if leaf.product_type is not None:
        sql = "SELECT probability FROM type_pairs WHERE kind = ? AND product_type = ?"
        values = [PAIR_KIND[leaf.what], leaf.product_type]
    elif leaf.what in PAIR_KIND:
        sql = (
            "SELECT probability FROM pairs JOIN products USING (product_no)"
            " WHERE kind = ? AND product_id = TRY_CAST(? AS BIGINT)"
        )
        values = [PAIR_KIND[leaf.what], leaf.product]
    try:
        rows = alone.connection.execute(sql, values).fetchall()
    except duckdb.BinderException:  # a run from before this was predicted
        return None
    return rows[0][0] if rows else None
