"""How a field of the Admin schema gets its value from a shop's tables: one description, two readers.

Ordinary queries resolve fields one by one through it; bulk operations compile a whole selection into one
expression (`walker.py`). Expressions are Python over `{column}` names plus the helpers `money`, `listed`,
`gid`, `shop`, `currency`, `lifetime` and `coordinate`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

COLUMN = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Leaf:
    """A scalar or enum, given by an expression."""

    expr: str

    @property
    def columns(self) -> set[str]:
        """The columns that the expression reads."""
        return set(COLUMN.findall(self.expr))


@dataclass(frozen=True)
class Embed:
    """An object without a table of its own, null unless the expression `when` holds."""

    fields: Mapping[str, "Field"]
    when: str = ""


@dataclass(frozen=True)
class Ref:
    """Another record, named by a column of this one; null when the column is."""

    type: str
    column: str


@dataclass(frozen=True)
class Items:
    """A plain list: the expression gives a list of dicts, whose keys `fields` read as `{key}`."""

    expr: str
    fields: Mapping[str, "Field"]


@dataclass(frozen=True)
class Lookup:
    """At most one record of another table, chosen by this record's id and the field's arguments."""

    type: str
    via: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Connection:
    """The records of `type` for which the SQL expression `via` (of table t, or of `through`) is this record's id."""

    type: str
    via: str
    arguments: tuple[str, ...] = ()
    through: str = ""


Field = Leaf | Embed | Ref | Items | Lookup | Connection


@dataclass(frozen=True)
class Record:
    """A type with a table: extra columns come from `joins`; `times` may be searched and sorted by."""

    table: str
    fields: Mapping[str, Field]
    joins: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def sql(self, column: str) -> str:
        """The SQL expression of a column."""
        return self.extra.get(column, f"t.{column}")


def gid(kind: str, column: str = "id") -> Leaf:
    """A global id such as gid://shopify/Order/1, null when the column is."""
    return Leaf(f"gid('{kind}', {{{column}}})")


def money(expr: str) -> Embed:
    """MoneyV2 of an expression in cents."""
    return Embed({"amount": Leaf(f"money({expr})"), "currencyCode": Leaf("currency")})


def bag(expr: str) -> Embed:
    """MoneyBag of an expression in cents; the shop sells in its own currency only."""
    return Embed({"shopMoney": money(expr), "presentmentMoney": money(expr)})
