"""Klaviyo's filter language: `any(email,["a@b.com","c@d.com"])`, `equals(name,"VIP")`, `and(...)`.

Reference: https://developers.klaviyo.com/en/reference/api_overview#filtering
Which field takes which operator is written in the published document as prose per operation.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<mark>[()\[\],])|(?P<word>[^\s()\[\],"']+))"""
)
_SQL = {
    "equals": "=",
    "greater-than": ">",
    "greater-or-equal": ">=",
    "less-than": "<",
    "less-or-equal": "<=",
}
_SAME = frozenset({"any", "equals"})

Allowed = Mapping[str, frozenset[str]]  # field -> operators

LIST_FIELDS: Allowed = {
    "id": _SAME,
    "name": _SAME,
    "created": frozenset({"greater-than"}),
    "updated": frozenset({"greater-than"}),
}
PROFILE_FIELDS: Allowed = {
    "id": _SAME,
    "email": _SAME,
    "phone_number": _SAME,
    "external_id": _SAME,
    "created": frozenset({"greater-than", "less-than"}),
    "updated": frozenset({"greater-than", "less-than"}),
}
MEMBER_FIELDS: Allowed = {
    "email": _SAME,
    "phone_number": _SAME,
    "joined_group_at": frozenset(_SQL) - {"equals"},
}


@dataclass(frozen=True)
class Condition:
    """One comparison; several of them must all hold."""

    operator: str
    field: str
    values: tuple[str, ...]

    def sql(self, columns: Mapping[str, str]) -> str:
        """The comparison as SQL with a placeholder per value; `columns` maps fields to columns."""
        column = columns[self.field]
        if self.operator == "any":
            return f"{column} IN ({', '.join('?' * len(self.values))})"
        return f"{column} {_SQL[self.operator]} ?"


def parse(text: str, allowed: Allowed) -> list[Condition]:
    """Read a filter. Raises ValueError saying what is wrong, unknown fields and operators included."""
    tokens = _Tokens(text)
    conditions = list(_all_of(tokens, allowed))
    if tokens.left():
        raise ValueError(f"unexpected {tokens.left()!r}")
    return conditions


class _Tokens:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def left(self) -> str:
        return self._text[self._position :].strip()

    def next(self) -> tuple[str, str]:
        """(kind, value), kind is string, mark or word."""
        found = _TOKEN.match(self._text, self._position)
        if found is None:
            raise ValueError(f"unexpected {self.left()[:20]!r}" if self.left() else "it ends too early")
        self._position = found.end()
        kind = str(found.lastgroup)
        value = found[kind]
        return kind, re.sub(r"\\(.)", r"\1", value[1:-1]) if kind == "string" else value

    def peek(self) -> str:
        position = self._position
        try:
            return self.next()[1] if self.left() else ""
        finally:
            self._position = position

    def expect(self, mark: str) -> None:
        kind, value = self.next()
        if kind != "mark" or value != mark:
            raise ValueError(f"expected {mark!r}, found {value!r}")


def _all_of(tokens: _Tokens, allowed: Allowed) -> Iterator[Condition]:
    yield from _expression(tokens, allowed)
    while tokens.peek() == ",":
        tokens.expect(",")
        yield from _expression(tokens, allowed)


def _expression(tokens: _Tokens, allowed: Allowed) -> Iterator[Condition]:
    operator = tokens.next()[1]
    tokens.expect("(")
    if operator == "and":
        yield from _all_of(tokens, allowed)
    else:
        field = tokens.next()[1]
        if operator not in allowed.get(field, frozenset()):
            raise ValueError(f"{operator} is not an operator of {field} here")
        tokens.expect(",")
        yield Condition(operator, field, _values(tokens, operator))
    tokens.expect(")")


def _values(tokens: _Tokens, operator: str) -> tuple[str, ...]:
    if operator != "any":
        return (_value(tokens),)
    tokens.expect("[")
    values = [_value(tokens)]
    while tokens.peek() == ",":
        tokens.expect(",")
        values.append(_value(tokens))
    tokens.expect("]")
    return tuple(values)


def _value(tokens: _Tokens) -> str:
    kind, value = tokens.next()
    if kind == "mark":
        raise ValueError(f"expected a value, found {value!r}")
    return value
