"""Why a customer is a member: the conditions that hold for the customer, with the customer's own values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import orjson

from app.domain.rules import names
from app.domain.rules.evaluate import matched_leaves
from app.domain.rules.names import PAIR_KIND
from app.domain.rules.own_values import shown
from app.domain.rules.parse import RuleError, parse
from app.domain.rules.sentence import leaf_sentence
from app.domain.rules.tree import Attr, Predict
from app.errors import EncoreError
from app.services.automatic_segments_products import type_of
from app.services.published import open_run, published

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.context import ShopContext
    from app.domain.rules.tree import Leaf, Rule
    from app.services.rooms import Rooms
    from app.services.segments_world import ShopWorld
    from app.store.models.segments import Segment

SHOWN = 3
IN_LIST = "customer_no IN (SELECT unnest(CAST(? AS INTEGER[])))"


def of_segment(segment: Segment, world: ShopWorld, customers: Sequence[int]) -> dict[int, str]:
    """A reason per customer; an uploaded list is its own reason."""
    if segment.source == "upload":
        return dict.fromkeys(customers, "On the uploaded list")
    if segment.rule_text is None:
        return dict.fromkeys(customers, segment.definition)
    try:
        return of_rule(parse(orjson.loads(segment.rule_text)), world, customers)
    except (RuleError, EncoreError, duckdb.Error):  # the stored members still stand
        return dict.fromkeys(customers, segment.definition)


def of_rule(rule: Rule, world: ShopWorld, customers: Sequence[int]) -> dict[int, str]:
    """A reason per customer: the conditions that hold, at most three, with the customer's values."""
    parts: dict[int, list[str]] = {number: [] for number in customers}
    for path, leaf, members in matched_leaves(rule, world.world):
        if ".none[" in f".{path}":
            continue  # it holds for those who are out
        values = _values(leaf, world, customers)
        for number in customers:
            text = values.get(number) or leaf_sentence(leaf, world.wording)
            if number in members and len(parts[number]) < SHOWN and text not in parts[number]:
                parts[number].append(text)  # once: "more than 1" and "at most 2" of a value say it alike
    return {number: "; ".join(texts) or "None of the excluded conditions holds" for number, texts in parts.items()}


def facts(connection: duckdb.DuckDBPyConnection, customers: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Orders, net spend and last order of customers who have any."""
    found = connection.execute(
        f"SELECT customer_no, orders, net_minor, last_order_at FROM features WHERE {IN_LIST}", [list(customers)]
    ).fetchall()
    return {
        number: {"orders": orders, "net_spend_minor": net, "last_order_at": last} for number, orders, net, last in found
    }


def chances(rooms: Rooms, ctx: ShopContext, segment: Segment, customers: Sequence[int]) -> dict[int, float]:
    """The probability of a product or type segment's purchase, else of any order within 30 days."""
    run = published(rooms, ctx)
    if run is None:
        return {}
    what = (segment.key or "").partition(":")[0]
    with open_run(rooms, ctx, run) as connection:
        if segment.product_no is not None and what in PAIR_KIND:
            rows = connection.execute(
                f"SELECT customer_no, probability FROM pairs WHERE kind = ? AND product_no = ? AND {IN_LIST}",
                [PAIR_KIND[what], segment.product_no, list(customers)],
            ).fetchall()
        elif (about := type_of(segment.key, segment.rule_text)) is not None:
            rows = connection.execute(
                f"SELECT customer_no, probability FROM type_pairs WHERE kind = ? AND product_type = ? AND {IN_LIST}",
                [PAIR_KIND[what], about, list(customers)],
            ).fetchall()
        else:
            rows = connection.execute(
                f"SELECT customer_no, p_order_30d FROM customer_values WHERE {IN_LIST}", [list(customers)]
            ).fetchall()
    return {number: chance for number, chance in rows if chance is not None}


def _values(leaf: Leaf, world: ShopWorld, customers: Sequence[int]) -> dict[int, str]:
    if isinstance(leaf, Attr):
        return _attribute_values(leaf, world, customers)
    if isinstance(leaf, Predict) and leaf.what in PAIR_KIND:
        source, about = "pairs JOIN products USING (product_no)", "product_id = CAST(? AS BIGINT)"
        if leaf.product_type is not None:
            source, about = "type_pairs", "product_type = ?"
        rows = world.connection.execute(
            f"SELECT customer_no, probability FROM {source} WHERE kind = ? AND {about} AND {IN_LIST}",
            [PAIR_KIND[leaf.what], leaf.product_type or leaf.product, list(customers)],
        ).fetchall()
        again = "again " if leaf.what == "buy_again" else "for the first time "
        return {number: f"{chance:.1%} chance to buy {again}within 30 days" for number, chance in rows}
    return {}


def _attribute_values(leaf: Attr, world: ShopWorld, customers: Sequence[int]) -> dict[int, str]:
    known = names.attribute(leaf.attr)
    if known is None:
        return {}
    rows = world.connection.execute(
        f"SELECT customer_no, v FROM (SELECT customer_no, {known.column} AS v FROM {known.owner})"
        f" WHERE v IS NOT NULL AND {IN_LIST}",
        [list(customers)],
    ).fetchall()
    return {
        number: f"{known.label}: {shown(value, known.type, world.wording.currency, world.world.zone)}"
        for number, value in rows
    }
