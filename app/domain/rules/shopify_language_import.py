"""Shopify's segment query → our rule, with a list of what can't be carried over and of what differs."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from app.domain.rules.shopify_language import (
    Anniversary,
    Call,
    Clause,
    Given,
    Join,
    Query,
    Word,
    parse_query,
    print_query,
)
from app.domain.rules.shopify_language_dates import CantSay, window_of

if TYPE_CHECKING:
    from collections.abc import Callable

OPERATORS = {"=": "is", "!=": "is_not", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
COMPARES = {**OPERATORS, "=": "eq", "!=": "ne"}
NUMBERS = {"number_of_orders": "orders.count", "amount_spent": "spend.net"}
DATES = {"customer_added_date": "created", "first_order_date": "order.first", "last_order_date": "order.last"}
TEXTS = {"customer_language": "language", "rfm_group": "rfm_group"}
CONSENTS = {"email_subscription_status": "email", "sms_subscription_status": "sms"}
STATES = {"SUBSCRIBED": "yes", "PENDING": "pending"}
OF_ZERO: dict[str, Callable[[float], bool]] = {
    "eq": lambda n: n == 0, "ne": lambda n: n != 0, "gt": lambda n: n < 0, "gte": lambda n: n <= 0,
    "lt": lambda n: n > 0, "lte": lambda n: n >= 0,
}  # fmt: skip
"""Whether somebody without any order satisfies `0 op n`: then Shopify's functions, which look for orders, differ."""
KM_PER_MILE = 1.609344
MAIL = "Shopify's own e-mails are not in Encore's history; Encore records those that it sends itself."
BROWSING = "Encore does not record who looked at what in the store."
UNKNOWN = {
    "abandoned_checkout_date": "Encore does not import abandoned checkouts.",
    "companies": "Encore does not import companies.",
    "created_by_app_id": "Encore does not know which app made a customer.",
    "customer_account_status": "Encore does not import whether a customer's account is active.",
    "customer_cities": "Shopify names cities by codes of its own; choose the city by its name instead.",
    "customer_email_domain": "Encore keeps addresses sealed, and rules can't look into them.",
    "predicted_spend_tier": "Shopify's own prediction is not imported; rank by spend or predict it instead.",
    "product_subscription_status": "Encore does not import subscriptions to products.",
    "store_credit_accounts": "Encore does not import store credit.",
    "storefront.product_viewed": BROWSING,
    "storefront.collection_viewed": BROWSING,
    "storefront_event.product_viewed": BROWSING,
    "storefront_event.collection_viewed": BROWSING,
    **{f"shopify_email.{event}": MAIL for event in
       ("bounced", "clicked", "delivered", "marked_as_spam", "opened", "unsubscribed")},
}  # fmt: skip
"""What Shopify can filter by and Encore can't, and why."""
DIFFERS = {
    "number_of_orders": "Encore counts paid orders that were neither cancelled nor tests.",
    "amount_spent": "Encore counts spend net of refunds, without tax, shipping and gift cards.",
    "amount": "Encore takes an order's value net of refunds, without tax, shipping and gift cards.",
    "sum_amount": "Encore adds up values net of refunds, without tax, shipping and gift cards.",
    "quantity": "Encore counts the units that were kept, per order line.",
    "sum_quantity": "Encore adds up the units that were kept.",
    "customer_countries": "Encore looks at the default address only.",
    "customer_regions": "Encore looks at the default address only.",
    "customer_within_distance": "Encore looks at the default address only, to about a kilometre.",
}


@dataclass(frozen=True)
class Remark:
    """A part of one language with what is to be said about it in the other."""

    part: str
    reason: str


@dataclass
class Imported:
    """match: the node of the grammar, None if nothing of the query could be carried over.

    left_out: parts that are not in the rule; without them it selects other customers. differs: parts that are, but
    mean something slightly else.
    """

    match: dict[str, Any] | None = None
    left_out: list[Remark] = field(default_factory=list)
    differs: list[Remark] = field(default_factory=list)


def import_query(text: str, unit: int) -> Imported:
    """Read a segment query, in either spelling, into our grammar. unit: minor units per unit of the currency.

    Raises LanguageError for text that is no segment query.
    """
    reader = _Reader(unit)
    found = Imported(reader.node(parse_query(text)), reader.left_out, reader.differs)
    if found.match is not None and not {"all", "any", "none"} & set(found.match):
        found.match = {"all": [found.match]}
    return found


class _Reader:
    def __init__(self, unit: int) -> None:
        self._unit = unit
        self.left_out: list[Remark] = []
        self.differs: list[Remark] = []

    def node(self, query: Query) -> dict[str, Any] | None:
        """The node, or None: then it is listed why."""
        if isinstance(query, Join):
            parts = [node for part in query.parts if (node := self.node(part)) is not None]
            if len(parts) < 2:  # noqa: PLR2004 - a group of one is the one
                return parts[0] if parts else None
            return {"all" if query.kind == "AND" else "any": parts}
        written, before = print_query(query, "2026-10"), len(self.differs)
        try:
            match query:
                case Call():
                    return self._call(query, written)
                case Anniversary():
                    return _anniversary(query)
                case Clause():
                    return self._clause(query, written)
        except CantSay as why:
            del self.differs[before:]
            self.left_out.append(Remark(written, _sentence(str(why))))
            return None

    def _clause(self, clause: Clause, written: str) -> dict[str, Any]:  # noqa: PLR0911 - one per kind of filter
        name, op, given = clause.name, clause.op, clause.given
        if name in DIFFERS:
            self.differs.append(Remark(written, DIFFERS[name]))
        if name in NUMBERS:
            factor = self._unit if name == "amount_spent" else 1
            return {"attr": NUMBERS[name], **_number(OPERATORS, op, given, factor)}
        if name in DATES:
            return self._date(DATES[name], clause, written)
        if name in CONSENTS:
            return _consent(CONSENTS[name], op, given)
        if name in TEXTS or name == "customer_tags":
            return _text(TEXTS.get(name, "tags"), op, given)
        if name == "customer_countries":
            return _text("country", op, given)
        if name == "customer_regions":
            return _region(op, given)
        if name in {"orders_placed", "products_purchased"} and op in {"IS NULL", "IS NOT NULL"}:
            return _unless({"did": "ordered"}, negated=op == "IS NULL")
        raise CantSay(_why_not(name))

    def _date(self, attr: str, clause: Clause, written: str) -> dict[str, Any]:
        if clause.op in {"IS NULL", "IS NOT NULL"}:
            return {"attr": attr, "op": "unset" if clause.op == "IS NULL" else "set"}
        window, note = window_of("=" if clause.op == "!=" else clause.op, clause.given)
        if note is not None:
            self.differs.append(Remark(written, note))
        leaf = {"attr": attr, "op": "set"} if "ever" in window else {"attr": attr, "during": window}
        return {"none": [leaf]} if clause.op == "!=" else leaf

    def _call(self, call: Call, written: str) -> dict[str, Any]:
        params = {param.name: param for param in call.params}
        if len(params) < len(call.params):
            raise CantSay("a parameter stands there twice")
        for name in (call.name, *params):
            if name in DIFFERS:
                self.differs.append(Remark(written, DIFFERS[name]))
        if call.name == "customer_within_distance":
            found: dict[str, Any] = {"near": _near(params)}
        elif call.name in {"orders_placed", "products_purchased"}:
            found = self._ordered(call.name, params, written)
        else:
            raise CantSay(_why_not(call.name))
        return _unless(found, negated=call.negated)

    def _ordered(self, name: str, params: dict[str, Clause], written: str) -> dict[str, Any]:  # noqa: C901 - a list
        taken = {"orders_placed": {"date", "count", "amount", "sum_amount"},
                 "products_purchased": {"date", "count", "id", "tag", "quantity", "sum_quantity"}}[name]  # fmt: skip
        for other in params.keys() - taken:
            raise CantSay(f"Encore can't tell orders apart by {other}")
        base: dict[str, Any] = {}
        if "date" in params:
            window, note = window_of(params["date"].op, params["date"].given)
            if note is not None:
                self.differs.append(Remark(written, note))
            base["during"] = window
        where = self._where(params)
        if where:
            base["where"] = where
        found: list[dict[str, Any]] = []
        for param, of, factor in (("sum_amount", "ordered.net", self._unit), ("sum_quantity", "ordered.quantity", 1)):
            if param in params:
                bounds = _bounds(params[param].op, params[param].given, factor)
                found += [{"measure": "sum", "of": of, **base, **bound} for bound in bounds]
        if "count" in params:
            for bound in _bounds(params["count"].op, params["count"].given, 1):
                if not isinstance(bound["value"], int) or bound["value"] < 0:
                    raise CantSay("a count is a whole number")
                found.append({"did": "ordered", **base, "count": {"op": bound["op"], "n": bound["value"]}})
        if all(OF_ZERO[_limit(node)[0]](_limit(node)[1]) for node in found):
            found.insert(0, {"did": "ordered", **base})  # some order must be there, whatever is counted about it
        return found[0] if len(found) == 1 else {"all": found}

    def _where(self, params: dict[str, Clause]) -> list[dict[str, Any]]:
        where: list[dict[str, Any]] = []
        if "id" in params:
            where.append({"attr": "product.id", **_ids(params["id"])})
        if "tag" in params:
            where.append({"attr": "product.tag", **_only_text(params["tag"])})
        for name, attr, factor in (("quantity", "line.quantity", 1), ("amount", "order.net", self._unit)):
            if name in params:
                where.append({"attr": attr, **_number(OPERATORS, params[name].op, params[name].given, factor)})
        return where


def _limit(node: dict[str, Any]) -> tuple[str, float]:
    return (node["op"], node["value"]) if "measure" in node else (node["count"]["op"], node["count"]["n"])


def _why_not(name: str) -> str:
    if name.startswith("metafields."):
        return "Conditions on metafields are not carried over, but for anniversaries: add them by hand."
    return UNKNOWN.get(name, f"Encore does not know the filter {name}.")


def _unless(node: dict[str, Any], *, negated: bool) -> dict[str, Any]:
    return {"none": [node]} if negated else node


def _scaled(word: Word, factor: int) -> int | float:
    if word.kind != "number":
        raise CantSay("a number is expected here")
    try:
        value = Decimal(word.text) * factor
    except InvalidOperation as fault:
        raise CantSay(f"{word.text} is no number") from fault
    return int(value) if value == value.to_integral_value() else float(value)


def _number(words: dict[str, str], op: str, given: Given, factor: int) -> dict[str, Any]:
    if op == "BETWEEN" and isinstance(given, tuple):
        return {"op": "between", "value": [_scaled(word, factor) for word in given]}
    if op not in words or not isinstance(given, Word):
        raise CantSay("this can't be compared so")
    return {"op": words[op], "value": _scaled(given, factor)}


def _bounds(op: str, given: Given, factor: int) -> list[dict[str, Any]]:
    if op == "BETWEEN" and isinstance(given, tuple):
        low, high = given
        return [{"op": "gte", "value": _scaled(low, factor)}, {"op": "lte", "value": _scaled(high, factor)}]
    return [_number(COMPARES, op, given, factor)]


def _text(attr: str, op: str, given: Given) -> dict[str, Any]:
    words = {"=": "is", "CONTAINS": "is", "!=": "is_not", "NOT CONTAINS": "is_not", "IS NULL": "unset",
             "IS NOT NULL": "set"}  # fmt: skip
    if op not in words:
        raise CantSay("this can't be compared so")
    if given is None:
        return {"attr": attr, "op": words[op]}
    if not isinstance(given, Word) or given.kind != "text" or not given.text:
        raise CantSay("a text is expected here")
    return {"attr": attr, "op": words[op], "value": given.text}


def _only_text(param: Clause) -> dict[str, Any]:
    found = _text("", param.op, param.given)
    del found["attr"]
    return found


def _region(op: str, given: Given) -> dict[str, Any]:
    """`US-NY`: a country's code and a province's."""
    if given is None:
        return _text("province", op, given)
    country, dash, province = given.text.partition("-") if isinstance(given, Word) else ("", "", "")
    if op not in {"CONTAINS", "NOT CONTAINS"} or not dash or not country or not province:
        raise CantSay("a region is written like 'US-NY'")
    both = {"all": [{"attr": "country", "op": "is", "value": country},
                    {"attr": "province", "op": "is", "value": province}]}  # fmt: skip
    return _unless(both, negated=op == "NOT CONTAINS")


def _consent(channel: str, op: str, given: Given) -> dict[str, Any]:
    state = STATES.get(given.text) if isinstance(given, Word) else None
    if op not in {"=", "!="} or state is None:
        raise CantSay("Encore tells apart who is subscribed, who has not confirmed yet, and everybody else")
    return _unless({"consent": channel, "is": state}, negated=op == "!=")


def _ids(param: Clause) -> dict[str, Any]:
    words = {"=": "is", "!=": "is_not", "IN": "in", "NOT IN": "not_in"}
    given = param.given if isinstance(param.given, tuple) else (param.given,)
    values = [word.text for word in given if isinstance(word, Word) and word.text.isascii() and word.text.isdigit()]
    if param.op not in words or len(values) != len(given):
        raise CantSay("a product is named by its number")
    return {"op": words[param.op], "value": values if param.op in {"IN", "NOT IN"} else values[0]}


def _near(params: dict[str, Clause]) -> dict[str, Any]:
    for other in params.keys() - {"coordinates", "distance_km", "distance_mi"}:
        raise CantSay(f"Encore does not know the parameter {other}")
    distance = params.get("distance_km") or params.get("distance_mi")
    if "coordinates" not in params or distance is None or distance.op not in {"=", "<="}:
        raise CantSay("a place needs coordinates and a distance")
    given = params["coordinates"].given
    texts = given.text.split(",") if isinstance(given, Word) else [word.text for word in given or ()]
    try:
        lat, lon = (float(text) for text in texts)
    except ValueError as fault:
        raise CantSay("coordinates are two numbers: latitude and longitude") from fault
    if not isinstance(distance.given, Word):
        raise CantSay("a distance is a number")
    km = float(_scaled(distance.given, 1)) * (1 if distance.name == "distance_km" else KM_PER_MILE)
    return {"lat": lat, "lon": lon, "km": round(km, 6)}


def _anniversary(query: Anniversary) -> dict[str, Any]:
    attr = "metafield." + query.path.removeprefix("metafields.")
    if not query.path.startswith("metafields."):
        raise CantSay("anniversaries are carried over for dates in metafields")
    match query.op, query.given:
        case "=", Word(text="today"):
            days = 1
        case "BETWEEN", (Word(text="today"), Word(text=until)) if until[:1] == "+" and until[-1:] in {"d", "w"}:
            days = int(until[1:-1]) * (7 if until.endswith("w") else 1) + 1
        case _:
            raise CantSay("Encore knows anniversaries from today until some days or weeks ahead")
    return {"attr": attr, "during": {"anniversary": {"next": f"{days}d"}}}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
