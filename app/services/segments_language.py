"""Shopify's segment language for the builder: rules from pasted segments, and segments to copy."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from app.domain.money import exponent
from app.domain.rules.parse import RuleError, parse
from app.domain.rules.sentence import leaf_sentence, sentence
from app.domain.rules.shopify_language import LanguageError
from app.domain.rules.shopify_language_export import export_rule
from app.domain.rules.shopify_language_import import import_query
from app.errors import Invalid
from app.services.published import open_run, published
from app.services.segments import read_rule
from app.services.segments_world import wording

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.context import ShopContext
    from app.domain.rules.sentence import Wording
    from app.domain.rules.shopify_language import Spelling
    from app.domain.rules.shopify_language_export import Left
    from app.services.rooms import Rooms


def import_segment(rooms: Rooms, ctx: ShopContext, query: str) -> dict[str, Any]:
    """A pasted segment query as a rule: shape of the API's `ImportedSegment`. Raises Invalid for other text."""
    try:
        found = import_query(query, 10 ** exponent(ctx.currency))
    except LanguageError as fault:
        raise Invalid(f"This is not a Shopify segment query. {fault}.", field="query") from fault
    rule, text = None, None
    if found.match is not None:
        rule = {"v": 1, "match": found.match}
        try:
            parsed = parse(rule)
        except RuleError as fault:  # Shopify allows what our limits don't: depth, numbers, dates
            raise Invalid(f"Encore can't hold this segment: {fault.problem}.", field="query") from fault
        with _words(rooms, ctx) as words:
            text = sentence(parsed, words)
    return {
        "rule": rule,
        "sentence": text,
        "left_out": [{"part": one.part, "reason": one.reason} for one in found.left_out],
        "differs": [{"part": one.part, "reason": one.reason} for one in found.differs],
    }


def export_segment(rooms: Rooms, ctx: ShopContext, rule: dict[str, Any], spelling: Spelling) -> dict[str, Any]:
    """A rule as a segment query: shape of the API's `ExportedSegment`. Raises Invalid."""
    found = export_rule(read_rule(rule), 10 ** exponent(ctx.currency), spelling)
    with _words(rooms, ctx) as words:
        return {
            "query": found.query,
            "left_out": [_remark(one, words) for one in found.left_out],
            "differs": [_remark(one, words) for one in found.differs],
        }


def _remark(left: Left, words: Wording) -> dict[str, str]:
    part = "The whole rule" if left.leaf is None else leaf_sentence(left.leaf, words)
    return {"part": part, "reason": left.reason}


@contextmanager
def _words(rooms: Rooms, ctx: ShopContext) -> Iterator[Wording]:
    """The shop's titles and names; before the first refresh there are no titles."""
    run = published(rooms, ctx)
    if run is None:
        with duckdb.connect() as bare:
            bare.execute("CREATE TABLE products (product_id BIGINT, title VARCHAR)")
            yield wording(rooms, ctx, bare)
    else:
        with open_run(rooms, ctx, run) as connection:
            yield wording(rooms, ctx, connection)
