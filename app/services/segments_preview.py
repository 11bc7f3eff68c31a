"""The builder's live side: count a rule, sample its members, templates and the vocabulary with the shop's values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.rules import names
from app.domain.rules.canonical import rule_hash
from app.domain.rules.evaluate import evaluate
from app.domain.rules.parse import MAX_DEPTH, MAX_LEAVES, MAX_VALUES, parse
from app.domain.rules.sentence import sentence
from app.services import segment_details, segments_reasons
from app.services.evaluate_segments import leaf_rows
from app.services.published import open_run, published
from app.services.segments import check_fed, check_references, number, read_rule
from app.services.segments_world import open_world

if TYPE_CHECKING:
    import duckdb

    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

MOST_CHOICES = 200
WINDOWS = ["last", "ago", "from", "before", "since", "calendar", "next", "ever", "anniversary"]


def preview(
    rooms: Rooms, ctx: ShopContext, rule: dict[str, Any], sample: int, segment_id: str | None = None
) -> dict[str, Any]:
    """Count a rule on the published run: shape of the API's `RulePreview`. Raises Invalid, Unavailable."""
    parsed = read_rule(rule)
    check_references(rooms, ctx, parsed, number(segment_id) if segment_id else None)
    with open_world(rooms, ctx) as world:
        check_fed(parsed, world.run)
        found = evaluate(parsed, world.world)
        chosen = segment_details.page_of(found.members, -1, sample)
        reasons = segments_reasons.of_rule(parsed, world, chosen)
        facts = segments_reasons.facts(world.connection, chosen)
        leaves = leaf_rows(found, world)
        text = sentence(parsed, world.wording)
        everybody, as_of = world.reach, world.run.as_of
    with rooms.store.reading(ctx) as session:
        shown = segment_details.rows(session, rooms, ctx, chosen, everybody, reasons, facts, {})
    missing = len(found.from_missing)
    return {
        "count": len(found.members),
        "reachable": found.reachable,
        "universe": len(everybody.universe),
        "leaves": leaves,
        "from_missing": missing,
        "missing_note": f"{missing:,} of them {'is' if missing == 1 else 'are'} in because a value is missing."
        if missing
        else None,
        "sentence": text,
        "rule_hash": rule_hash(parsed),
        "next_flip_at": found.next_flip,
        "duration_ms": round(found.seconds * 1000),
        "as_of": as_of,
        "timezone": ctx.timezone,
        "sample": shown,
    }


def vocabulary(rooms: Rooms, ctx: ShopContext) -> dict[str, Any]:
    """The closed table of names, and this shop's values: shape of the API's `Vocabulary`."""
    run = published(rooms, ctx)
    values: dict[str, list[Any]] = {
        "products": [],
        "types": [],
        "predicted_types": [],
        "countries": [],
        "tags": [],
        "metafields": [],
        "gender": [],
        "area_income": [],
        "events": [],
    }
    if run is not None:
        with open_run(rooms, ctx, run) as connection:
            values = _values(connection)
            values["events"] = ["events"] if "events" in run.versions else []
    return {
        "names": _names(values),
        "operators": names.OPERATOR_WORDS,
        "windows": WINDOWS,
        "horizons": {what: list(horizons) for what, horizons in names.HORIZONS.items()},
        "max_leaves": MAX_LEAVES,
        "max_depth": MAX_DEPTH,
        "max_values": MAX_VALUES,
        "products": values["products"],
        "product_types": values["types"],
        "predicted_types": values["predicted_types"],
        "countries": values["countries"],
        "tags": values["tags"],
        "currency": ctx.currency,
        "timezone": ctx.timezone,
    }


def _names(values: dict[str, list[Any]]) -> list[dict[str, Any]]:
    choices = {
        "country": values["countries"],
        "tags": values["tags"],
        "types.favourite": values["types"],
        "gender": values["gender"],
        "area_income": values["area_income"],
    }
    own = [found for key in values["metafields"] if (found := names.attribute(f"metafield.{key}"))]
    entries = [
        _entry(known.name, known.label, "attribute", known.type, known.owner, known.words,
               names.operators(known.name), nullable=known.nullable, choices=choices.get(known.name, []))
        for known in (*names.ATTRIBUTES.values(), *own)
    ]  # fmt: skip
    compare = ("eq", "ne", "gt", "gte", "lt", "lte")
    entries += [
        _entry(event.name, event.label, "event", "number", event.source, event.past, compare)
        for event in names.EVENTS.values()
        if event.source == "orders" or values["events"]
    ]
    entries += [
        _entry(field.name, field.label, "event_field", field.type, field.table, field.label,
               names.OPERATORS[field.type], nullable=True,
               events=[event.name for event in names.EVENTS.values() if field.name in event.fields],
               choices=values["types"] if field.name == "product.type" else [])
        for field in names.FIELDS.values()
    ]  # fmt: skip
    entries += [
        _entry(item.name, item.label, "measure", item.type, "orders", item.label, compare, choices=list(item.functions))
        for item in names.MEASURES.values()
    ]
    entries += [
        _entry(what, what.replace("_", " "), "prediction", "money" if what == "value" else "share", "predictions",
               what.replace("_", " "), compare, nullable=True, choices=list(horizons))
        for what, horizons in names.HORIZONS.items()
    ]  # fmt: skip
    entries += [
        _entry(
            "next_order", "next order", "prediction", "date", "predictions", "next order is expected", (), nullable=True
        )
    ]
    entries += [
        _entry(channel, label, "consent", "text", "store", label, (), choices=["yes", "no", "pending"])
        for channel, label in (("email", "E-mail consent"), ("sms", "Text message consent"))
    ]
    entries += [
        _entry(name, words, kind, "date", owner, words, ())
        for kind, owner, table in (("life", "events", names.LIVES), ("move", "store", names.MOVES))
        for name, words in table.items()
    ]
    return entries


def _entry(
    name: str,
    label: str,
    kind: str,
    value_type: str,
    owner: str,
    words: str,
    operators: tuple[str, ...],
    *,
    nullable: bool = False,
    events: list[str] | None = None,
    choices: list[str] | None = None,
) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "kind": kind,
        "type": value_type,
        "owner": owner,
        "nullable": nullable,
        "sentence": words,
        "operators": list(operators),
        "events": events or [],
        "choices": choices or [],
    }


def _values(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Any]]:
    def column(sql: str) -> list[str]:
        return [row[0] for row in connection.execute(f"{sql} LIMIT {MOST_CHOICES}").fetchall()]

    bought = connection.execute(
        f"""SELECT CAST(p.product_id AS VARCHAR), p.title, p.product_type, count(DISTINCT l.customer_no) AS buyers
            FROM products p JOIN order_lines l USING (product_no) WHERE l.counts
            GROUP BY ALL ORDER BY buyers DESC, p.title LIMIT {MOST_CHOICES}"""
    ).fetchall()
    return {
        "products": [
            {"product_id": product, "title": title, "product_type": kind, "buyers": buyers}
            for product, title, kind, buyers in bought
        ],
        "types": column(
            "SELECT product_type FROM products WHERE product_type <> '' GROUP BY 1 ORDER BY count(*) DESC, 1"
        ),
        "predicted_types": column(
            "SELECT product_type FROM type_base_rates GROUP BY 1 ORDER BY sum(positives) DESC, 1"
        ),
        "countries": column(
            "SELECT country FROM customers WHERE country IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1"
        ),
        "tags": column(
            "SELECT tag FROM (SELECT unnest(tags) AS tag FROM customers) GROUP BY 1 ORDER BY count(*) DESC, 1"
        ),
        "metafields": column(
            "SELECT key FROM (SELECT unnest(map_keys(metafields)) AS key FROM customers) GROUP BY 1 ORDER BY 1"
        ),
        **{
            name: column(f"SELECT {name} FROM demographics WHERE {name} IS NOT NULL GROUP BY 1 ORDER BY 1")
            for name in ("gender", "area_income")
        },
    }


def templates(rooms: Rooms, ctx: ShopContext) -> list[dict[str, Any]]:
    """Rules to start from, with the shop's best seller and live sizes: shape of the API's `Template`."""
    with open_world(rooms, ctx) as world:
        best = _values(world.connection)["products"][:1]
        made = []
        for key, name, why, match in _templates(best[0] if best else None):
            rule = {"v": 1, "match": match}
            parsed = parse(rule)
            found = evaluate(parsed, world.world)
            made.append(
                {
                    "key": key,
                    "name": name,
                    "why": why,
                    "rule": rule,
                    "sentence": sentence(parsed, world.wording),
                    "count": len(found.members),
                }
            )
    return made


def _templates(best: dict[str, Any] | None) -> list[tuple[str, str, str, dict[str, Any]]]:
    never = {"op": "eq", "n": 0}
    found: list[tuple[str, str, str, dict[str, Any]]] = [
        ("quiet_regulars", "Regulars gone quiet", "Three or more orders, none in the last 60 days.",
         {"all": [{"attr": "orders.count", "op": "gte", "value": 3},
                  {"did": "ordered", "count": never, "during": {"last": "60d"}}, {"reachable": "email"}]}),
        ("second_order", "Waiting for the second order", "One order, placed between 30 and 90 days ago.",
         {"all": [{"attr": "orders.count", "op": "is", "value": 1},
                  {"attr": "order.last", "during": {"ago": ["90d", "30d"]}}]}),
        ("never_ordered", "Subscribed, never ordered", "They gave an address and no order yet.",
         {"all": [{"consent": "email", "is": "yes"}, {"did": "ordered", "count": never}]}),
        ("value_at_risk", "Valuable and slipping", "High expected spend, and a good chance to stay away.",
         {"all": [{"in": "auto:high_value"}, {"predict": "lapse", "horizon": "30d", "op": "gte", "value": 0.5}]}),
    ]  # fmt: skip
    if best:
        where = [{"attr": "product.id", "op": "is", "value": best["product_id"]}]
        found.insert(0, (
            "lost_favourite", f"Stopped buying {best['title']}", "Bought your best seller twice, not lately.",
            {"all": [{"did": "ordered", "where": where, "count": {"op": "gte", "n": 2}},
                     {"did": "ordered", "where": where, "count": never, "during": {"last": "60d"}}]},
        ))  # fmt: skip
    return found
