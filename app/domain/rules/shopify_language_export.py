"""Our rule → Shopify's segment query, with a list of what can't be carried over and of what differs."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from app.domain.rules import names
from app.domain.rules.shopify_language import (
    Anniversary,
    Call,
    Clause,
    Join,
    Query,
    Word,
    clause_count,
    negate,
    print_query,
    quoted,
)
from app.domain.rules.shopify_language_dates import CantSay, date_clauses
from app.domain.rules.shopify_language_import import CONSENTS, DATES, DIFFERS, NUMBERS, OF_ZERO, STATES, TEXTS
from app.domain.rules.tree import (
    Attr,
    Consent,
    Did,
    Group,
    Life,
    Measure,
    Member,
    Near,
    OrderOf,
    Predict,
    Rank,
    Reachable,
    Recent,
    Sample,
)

if TYPE_CHECKING:
    from app.domain.rules.shopify_language import Spelling
    from app.domain.rules.tree import Filter, Leaf, Node, Rule, Scalar, Window

MOST_CLAUSES = 10
MOST_IDS = 500
SYMBOLS = {"is": "=", "eq": "=", "is_not": "!=", "ne": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
LISTS = {"tags": "customer_tags", "country": "customer_countries"}
BACK = {ours: theirs for table in (NUMBERS, DATES, TEXTS) for theirs, ours in table.items()} | LISTS
CHANNELS = {ours: theirs for theirs, ours in CONSENTS.items()}
STATUS = {ours: theirs for theirs, ours in STATES.items()}
PARAMETERS = {"product.id": "id", "product.tag": "tag", "line.quantity": "quantity", "order.net": "amount"}
REASONS: dict[type, str] = {
    Predict: "Shopify does not know Encore's predictions.",
    Sample: "Shopify can't draw a random part of the customers.",
    Rank: "Shopify can't rank customers among each other.",
    OrderOf: "Shopify can't say what happened after something else.",
    Recent: "Shopify can't look at the details of the latest order alone.",
    Member: "Shopify does not know Encore's segments, nor their history.",
    Reachable: "Shopify does not know which addresses bounced or complained; its e-mail consent alone is less.",
}


@dataclass(frozen=True)
class Left:
    """A condition of the rule, by its place, with what is to be said about it."""

    path: str
    leaf: Leaf | None
    reason: str


@dataclass
class Exported:
    """query: None if nothing of the rule could be carried over.

    left_out: conditions that are not in the query; without them it selects other customers. differs: conditions that
    are, but mean something slightly else there.
    """

    query: str | None = None
    left_out: list[Left] = field(default_factory=list)
    differs: list[Left] = field(default_factory=list)


def export_rule(rule: Rule, unit: int, spelling: Spelling) -> Exported:
    """Write a rule as a segment query. unit: minor units per unit of the currency."""
    writer = _Writer(unit, spelling)
    query = writer.node(rule.match, "match")
    found = Exported(None if query is None else print_query(query, spelling), writer.left_out, writer.differs)
    if query is not None and clause_count(query) > MOST_CLAUSES:
        found.differs.append(Left("match", None, f"Shopify takes at most {MOST_CLAUSES} clauses in a query."))
    return found


class _Writer:
    def __init__(self, unit: int, spelling: Spelling) -> None:
        self._unit, self._spelling = unit, spelling
        self.left_out: list[Left] = []
        self.differs: list[Left] = []

    def node(self, node: Node, path: str) -> Query | None:
        """The query, or None: then it is listed why."""
        if not isinstance(node, Group):
            return self._leaf(node, path)
        region = _region(node)
        if region is not None:
            self.differs.append(Left(path, None, DIFFERS["customer_regions"]))
            return region
        parts: list[Query] = []
        for position, child in enumerate(node.nodes):
            place = f"{path}.{node.kind}[{position}]"
            part = self.node(child, place)
            if part is not None and node.kind == "none":
                part = self._negated(part, child, place)
            if part is not None:
                parts.append(part)
        return _join("OR" if node.kind == "any" else "AND", parts) if parts else None

    def _negated(self, part: Query, child: Node, path: str) -> Query | None:
        try:
            return negate(part)
        except ValueError as why:
            self.left_out.append(Left(path, None if isinstance(child, Group) else child, f"{why}."))
            return None

    def _leaf(self, leaf: Leaf, path: str) -> Query | None:
        try:
            found, note = self._say(leaf)
        except CantSay as why:
            text = str(why)
            self.left_out.append(Left(path, leaf, f"{text[:1].upper()}{text[1:].rstrip('.')}."))
            return None
        if note is not None:
            self.differs.append(Left(path, leaf, note))
        return found

    def _say(self, leaf: Leaf) -> tuple[Query, str | None]:
        match leaf:
            case Attr():
                return self._attr(leaf), DIFFERS.get(BACK.get(leaf.attr, ""))
            case Did():
                return self._did(leaf), _note(leaf.where)
            case Measure():
                return self._measure(leaf), DIFFERS["sum_amount" if leaf.field == "net" else "sum_quantity"]
            case Life(life="first_time", event="ordered"):
                return _dates("first_order_date", leaf.during), None
            case Life():
                raise CantSay("Shopify can't say how orders follow each other")
            case Consent():
                return _consent(leaf), None
            case Near():
                return self._near(leaf), DIFFERS["customer_within_distance"]
            case _:
                raise CantSay(REASONS[type(leaf)])

    def _attr(self, leaf: Attr) -> Query:
        found = self._known(leaf)
        name = BACK.get(leaf.attr)
        if leaf.missing == "match" and leaf.op not in {"is_not", "not_in", "not_contains"}:
            if name is None:
                raise CantSay("Shopify can't add those for whom the date is not known")
            return _join("OR", [found, Clause(name, "IS NULL")])
        if leaf.missing == "skip" and leaf.op in {"is_not", "not_in", "not_contains"} and name is not None:
            return _join("AND", [found, Clause(name, "IS NOT NULL")])
        return found

    def _known(self, leaf: Attr) -> Query:
        name = BACK.get(leaf.attr)
        if leaf.during is not None:
            if leaf.during.kind == "anniversary":
                return _anniversary(leaf)
            if name is None:
                raise CantSay("how Shopify's segments spell this date is not documented")
            return _dates(name, leaf.during)
        if name is not None and leaf.attr in LISTS:
            return _texts(name, leaf, "CONTAINS", "NOT CONTAINS")
        if name is None:
            known = names.attribute(leaf.attr)
            raise CantSay(f"Shopify's segments have no filter for {known.label if known else leaf.attr}")
        if leaf.op in {"set", "unset"}:
            return Clause(name, "IS NOT NULL" if leaf.op == "set" else "IS NULL")
        if leaf.attr in NUMBERS.values():
            return self._numbers(name, leaf.op or "is", leaf.value, leaf.attr == "spend.net")
        return _texts(name, leaf, "=", "!=")

    def _numbers(self, name: str, op: str, value: Any, money: bool) -> Query:  # noqa: FBT001 - of one use
        if op in {"in", "not_in"}:
            clauses: list[Query] = [
                Clause(name, "=" if op == "in" else "!=", self._number(item, money=money)) for item in value
            ]
            return _join("OR" if op == "in" else "AND", clauses)
        if op == "between":
            low, high = (self._number(item, money=money) for item in value)
            return Clause(name, "BETWEEN", (low, high))
        return Clause(name, SYMBOLS[op], self._number(value, money=money))

    def _number(self, value: Scalar, *, money: bool = False) -> Word:
        exact = Decimal(str(value)) / (self._unit if money else 1)
        return Word("number", f"{exact.normalize():f}")

    def _did(self, leaf: Did) -> Query:
        if leaf.event != "ordered":
            raise CantSay(f"Shopify's segments don't know who {names.EVENTS[leaf.event].past}")
        params = self._params(leaf.where)
        params += self._date_param(leaf.during)
        product = {param.name for param in params} & {"id", "tag", "quantity"}
        name = "products_purchased" if product else "orders_placed"
        if product and "amount" in {param.name for param in params}:
            raise CantSay("Shopify asks either for an order's amount or for its products")
        none = OF_ZERO[leaf.op](leaf.n)
        op, n = (_opposite(leaf.op), leaf.n) if none else (leaf.op, leaf.n)
        if OF_ZERO[op](n) or (op == "lt" and n <= 0):
            raise CantSay("this holds for everybody or nobody, whatever they ordered")
        if (op, n) not in {("gte", 1), ("gt", 0), ("ne", 0)}:
            self._needs_operators()
            params.append(Clause("count", SYMBOLS[op], self._number(n)))
        return Call(name, tuple(params), none)

    def _measure(self, leaf: Measure) -> Query:
        if leaf.function != "sum" or leaf.field not in {"net", "quantity"}:
            raise CantSay("Shopify adds up amounts and quantities only")
        self._needs_operators()
        money = leaf.field == "net"
        params = self._params(leaf.where) + self._date_param(leaf.during)
        if any((param.name in {"id", "tag", "quantity"}) == money for param in params if param.name != "date"):
            raise CantSay("Shopify adds up whole orders, or the quantities of products")
        none = OF_ZERO[leaf.op](leaf.value)
        op = _opposite(leaf.op) if none else leaf.op
        params.append(
            Clause("sum_amount" if money else "sum_quantity", SYMBOLS[op], self._number(leaf.value, money=money))
        )
        return Call("orders_placed" if money else "products_purchased", tuple(params), none)

    def _params(self, where: tuple[Filter, ...]) -> list[Clause]:
        params: list[Clause] = []
        for item in where:
            name = PARAMETERS.get(item.attr)
            if name is None:
                raise CantSay(f"Shopify can't tell orders apart by {names.FIELDS[item.attr].label.lower()}")
            if name in {param.name for param in params}:
                raise CantSay(f"Shopify takes one condition on {names.FIELDS[item.attr].label.lower()}")
            params.append(self._param(name, item))
        return params

    def _param(self, name: str, item: Filter) -> Clause:
        values = item.value if isinstance(item.value, tuple) else (item.value,)
        if name == "id":
            if len(values) > MOST_IDS:
                raise CantSay(f"Shopify takes at most {MOST_IDS} products in a list")
            if item.op in {"is_not", "not_in"}:
                self._needs_operators()
            words = tuple(Word("number", str(value)) for value in values)
            op = {"in": "IN", "not_in": "NOT IN"}.get(item.op)
            return Clause(name, op, words) if op else Clause(name, SYMBOLS[item.op], words[0])
        if name == "tag":
            if item.op != "is":
                raise CantSay("Shopify looks for products that have a tag, exactly as it is written")
            return Clause(name, "=", quoted(str(item.value)))
        if (name, item.op) != ("quantity", "is"):
            self._needs_operators()
        if item.op in {"in", "not_in", "set", "unset"}:
            raise CantSay(f"Shopify can't compare {name} so")
        found = self._numbers(name, item.op, item.value, name == "amount")
        if not isinstance(found, Clause):
            raise CantSay(f"Shopify can't compare {name} so")
        return found

    def _date_param(self, during: Window) -> list[Clause]:
        if during.kind == "ever":
            return []
        clauses = date_clauses("date", _as_json(during))
        if len(clauses) != 1:
            raise CantSay("Shopify takes one condition on the date of an order, and this window needs two")
        if self._spelling == "2026-07" and clauses[0].op not in {"=", "BETWEEN"}:
            return [_inclusive(clauses[0])]
        return clauses

    def _near(self, leaf: Near) -> Query:
        lat, lon, km = (self._number(value) for value in (leaf.lat, leaf.lon, leaf.km))
        place = (lat, lon) if self._spelling == "2026-07" else quoted(f"{lat.text},{lon.text}")
        params = (Clause("coordinates", "=", place), Clause("distance_km", "=", km))
        return Call("customer_within_distance", params)

    def _needs_operators(self) -> None:
        if self._spelling == "2026-07":
            raise CantSay("in Shopify's older spelling parameters can't be compared; choose the spelling of 2026-10")


def _region(group: Group) -> Query | None:
    """A country and a province of it, which Shopify names in one: 'US-NY'."""
    found = {leaf.attr: leaf.value for leaf in group.nodes if isinstance(leaf, Attr) and leaf.op == "is"}
    if group.kind != "all" or len(group.nodes) != len(found) or found.keys() != {"country", "province"}:
        return None
    return Clause("customer_regions", "CONTAINS", quoted(f"{found['country']}-{found['province']}"))


def _inclusive(clause: Clause) -> Clause:
    """`> -30d` as BETWEEN, the only way in which the older spelling gives a function a stretch of time."""
    given = clause.given
    if clause.op == ">" and isinstance(given, Word) and given.text[-1] in {"d", "w"}:
        days = int(given.text[1:-1]) * (7 if given.text.endswith("w") else 1) - 1
        start = Word("date", f"-{days}d" if days else "today")
        return Clause(clause.name, "BETWEEN", (start, Word("date", "today")))
    if clause.op == ">=" and isinstance(given, Word):
        return Clause(clause.name, "BETWEEN", (given, Word("date", "today")))
    raise CantSay("in Shopify's older spelling an order's date lies between two days; choose the spelling of 2026-10")


def _dates(name: str, window: Window) -> Query:
    if window.kind == "ever":
        return Clause(name, "IS NOT NULL")
    return _join("AND", list(date_clauses(name, _as_json(window))))


def _texts(name: str, leaf: Attr, yes: str, no: str) -> Query:
    values = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
    match leaf.op:
        case "set" | "unset":
            return Clause(name, "IS NOT NULL" if leaf.op == "set" else "IS NULL")
        case "is" | "in":
            return _join("OR", [Clause(name, yes, quoted(str(value))) for value in values])
        case "is_not" | "not_in":
            return _join("AND", [Clause(name, no, quoted(str(value))) for value in values])
        case _:
            raise CantSay("Shopify compares whole texts only")


def _consent(leaf: Consent) -> Query:
    name = CHANNELS[leaf.channel]
    if leaf.state in STATUS:
        return Clause(name, "=", quoted(STATUS[leaf.state]))
    return _join("AND", [Clause(name, "!=", quoted(state)) for state in STATUS.values()])


def _anniversary(leaf: Attr) -> Query:
    span = leaf.during.span if leaf.during else None
    if span is None or span.unit not in {"d", "w"}:
        raise CantSay("Shopify counts anniversaries to the day; say the time ahead in days or weeks")
    if not leaf.attr.startswith("metafield."):
        raise CantSay("how Shopify names this date in anniversaries is not documented")
    days = span.n * (7 if span.unit == "w" else 1)
    path = "metafields." + leaf.attr.removeprefix("metafield.")
    today = Word("date", "today")
    if days == 1:
        return Anniversary(path, "=", today)
    return Anniversary(path, "BETWEEN", (today, Word("date", f"+{days - 1}d")))


def _join(kind: Any, parts: list[Any]) -> Query:
    return parts[0] if len(parts) == 1 else Join(kind, tuple(parts))


def _opposite(op: str) -> str:
    return {"eq": "ne", "ne": "eq", "gt": "lte", "lte": "gt", "lt": "gte", "gte": "lt"}[op]


def _note(where: tuple[Filter, ...]) -> str | None:
    return next((DIFFERS[name] for item in where if (name := PARAMETERS.get(item.attr)) in DIFFERS), None)


def _as_json(window: Window) -> dict[str, Any]:  # noqa: PLR0911 - one per kind of window
    match window.kind:
        case "last" | "next":
            return {window.kind: str(window.span)}
        case "ago":
            return {"ago": [str(window.span), str(window.until)]}
        case "between":
            return {"from": window.start, "to": window.end}
        case "before":
            return {"before": window.end}
        case "since":
            return {"since": window.start}
        case "calendar":
            return {"calendar": window.period}
        case _:
            return {window.kind: True}
