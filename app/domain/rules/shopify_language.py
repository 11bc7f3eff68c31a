"""Shopify's segment query language: text ↔ tree, in both spellings.

Reference: https://shopify.dev/docs/api/shopifyql/segment-query-language-reference and the change of the function
syntax in Admin API 2026-10, https://shopify.dev/changelog/updated-function-syntax-on-the-segment-query-language
What the words mean in our grammar: `shopify_language_import` and `shopify_language_export`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

Spelling = Literal["2026-07", "2026-10"]
"""2026-07: products_purchased(id: 7) = true. 2026-10: products_purchased MATCHES (id = 7)."""

MOST_TEXT = 20_000
MOST_DEPTH = 20
COMPARISONS = ("=", "!=", ">", ">=", "<", "<=")
OPPOSITE = {"=": "!=", "!=": "=", ">": "<=", "<=": ">", "<": ">=", ">=": "<", "CONTAINS": "NOT CONTAINS",
            "NOT CONTAINS": "CONTAINS", "IS NULL": "IS NOT NULL", "IS NOT NULL": "IS NULL", "IN": "NOT IN",
            "NOT IN": "IN"}  # fmt: skip
TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:\\.|[^'\\])*')
    |(?P<date>\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2})?|[+-]\d+[dwmy]\b|today\b|yesterday\b|\d+_(?:days|months)_ago\b)
    |(?P<number>-?\d+(?:\.\d+)?)
    |(?P<symbol>>=|<=|!=|[=<>(),:])
    |(?P<word>[A-Za-z_][\w]*(?:\.[A-Za-z_][\w]*)*))""",
    re.VERBOSE,
)


class LanguageError(ValueError):
    """Text that is no segment query: `position` counts characters from 0."""

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(f"At character {position + 1}: {problem}")
        self.position = position
        self.problem = problem


@dataclass(frozen=True)
class Word:
    """A value as written, quotes taken off."""

    kind: Literal["text", "number", "date"]
    text: str


Given = Word | tuple[Word, ...] | None
"""What an operator compares with: one value, two (BETWEEN, coordinates), a list (IN), or nothing (IS NULL)."""


@dataclass(frozen=True)
class Clause:
    """`name op given`: a filter, or a parameter of a function."""

    name: str
    op: str
    given: Given = None


@dataclass(frozen=True)
class Call:
    """A function that customers match or don't."""

    name: str
    params: tuple[Clause, ...]
    negated: bool = False


@dataclass(frozen=True)
class Anniversary:
    """A date returns: `anniversary('metafields.facts.birth_date') BETWEEN today AND +30d`."""

    path: str
    op: str
    given: Given


@dataclass(frozen=True)
class Join:
    """Clauses of which all (AND) or any (OR) hold."""

    kind: Literal["AND", "OR"]
    parts: tuple[Query, ...]


Query = Clause | Call | Anniversary | Join


def parse_query(text: str) -> Query:
    """Read a segment query, in either spelling. Raises LanguageError."""
    if len(text) > MOST_TEXT:
        raise LanguageError(MOST_TEXT, f"a query has at most {MOST_TEXT:,} characters")
    reader = _Reader(text)
    found = reader.either(1)
    reader.end()
    return found


def negate(query: Query) -> Query:
    """Who does not match, without a NOT around: the language has none."""
    match query:
        case Join():
            return Join("OR" if query.kind == "AND" else "AND", tuple(negate(part) for part in query.parts))
        case Call():
            return replace(query, negated=not query.negated)
        case Clause():
            return _negated(query)
        case Anniversary():
            raise ValueError("Shopify can't say that an anniversary does not lie in a time")


def _negated(clause: Clause) -> Query:
    """A date that is not known is in no stretch of time, so its absence belongs to the opposite."""
    given = clause.given
    if isinstance(given, tuple) and clause.op == "BETWEEN":
        parts = [Clause(clause.name, "<", given[0]), Clause(clause.name, ">", given[1])]
    else:
        parts = [replace(clause, op=OPPOSITE[clause.op])]
    first = given[0] if isinstance(given, tuple) else given
    if first is not None and first.kind == "date" and clause.op not in {"=", "!="}:
        parts.append(Clause(clause.name, "IS NULL"))
    return parts[0] if len(parts) == 1 else Join("OR", tuple(parts))


def print_query(query: Query, spelling: Spelling) -> str:
    """The query as text."""
    return _print(query, spelling, None)


def clause_count(query: Query) -> int:
    """How many clauses a query has; Shopify takes ten."""
    return sum(clause_count(part) for part in query.parts) if isinstance(query, Join) else 1


def quoted(text: str) -> Word:
    """A text value."""
    return Word("text", text)


def _print(query: Query, spelling: Spelling, around: str | None) -> str:
    match query:
        case Join():
            text = f" {query.kind} ".join(_print(part, spelling, query.kind) for part in query.parts)
            return f"({text})" if around is not None and around != query.kind else text
        case Call():
            if spelling == "2026-10":
                params = ", ".join(_clause(param) for param in query.params)
                return f"{query.name} {'NOT ' if query.negated else ''}MATCHES ({params})"
            params = ", ".join(f"{param.name}: {_old(param)}" for param in query.params)
            return f"{query.name}({params}) = {'false' if query.negated else 'true'}"
        case Anniversary():
            path = _value(quoted(query.path))
            name = f"anniversary({path})" if spelling == "2026-10" else f"anniversary(date: {path})"
            return f"{name} {query.op}{_given(query.op, query.given)}"
        case Clause():
            return _clause(query)


def _clause(clause: Clause) -> str:
    return f"{clause.name} {clause.op}{_given(clause.op, clause.given)}"


def _old(param: Clause) -> str:
    """A parameter's value in the spelling that has no operators, but for dates."""
    if param.op in {"=", "IN"}:
        return _given(param.op, param.given).strip()
    return f"{param.op}{_given(param.op, param.given)}"


def _given(op: str, given: Given) -> str:
    if given is None:
        return ""
    if isinstance(given, Word):
        return f" {_value(given)}"
    if op == "BETWEEN":
        return f" {_value(given[0])} AND {_value(given[1])}"
    return f" ({', '.join(_value(word) for word in given)})"


def _value(word: Word) -> str:
    if word.kind != "text":
        return word.text
    escaped = word.text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


class _Reader:
    """A recursive descent over the tokens; AND binds closer than OR."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str, int]] = []
        at = 0
        while text[at:].strip():
            found = TOKEN.match(text, at)
            if found is None:
                start = at + len(text[at:]) - len(text[at:].lstrip())
                raise LanguageError(start, f"{text[start]!r} is not expected here")
            kind = found.lastgroup or ""
            self._tokens.append((kind, found[kind], found.start(kind)))
            at = found.end()
        self._at, self._length = 0, len(text)

    def either(self, depth: int) -> Query:
        return self._joined("OR", depth)

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise self._unexpected("AND, OR or the end")

    def _joined(self, kind: Literal["AND", "OR"], depth: int) -> Query:
        parts = [self._joined("AND", depth) if kind == "OR" else self._one(depth)]
        while self._takes(kind):
            parts.append(self._joined("AND", depth) if kind == "OR" else self._one(depth))
        return parts[0] if len(parts) == 1 else Join(kind, tuple(parts))

    def _one(self, depth: int) -> Query:
        if depth > MOST_DEPTH:
            raise self._unexpected(f"at most {MOST_DEPTH} parentheses inside each other")
        if self._takes("("):
            found = self.either(depth + 1)
            self._needs(")")
            return found
        name = self._next("word", "a filter such as customer_tags")
        if name.lower() == "anniversary":
            return self._anniversary()
        if self._takes("("):
            return self._old_call(name)
        negated = self._takes("NOT_MATCHES") or self._takes("NOT", "MATCHES")
        if negated or self._takes("MATCHES"):
            self._needs("(")
            return Call(name, self._params(), negated)
        return self._comparison(name)

    def _anniversary(self) -> Query:
        self._needs("(")
        if self._takes("date"):
            self._needs(":")
        path = self._text()
        self._needs(")")
        found = self._comparison("anniversary")
        return Anniversary(path, found.op, found.given)

    def _old_call(self, name: str) -> Query:
        params = []
        while not self._takes(")"):
            param = self._next("word", "a parameter")
            self._needs(":")
            params.append(self._param(param))
            if not self._takes(","):
                self._needs(")")
                break
        negated = self._takes("!=")
        if not negated:
            self._needs("=")
        if self._takes("false"):
            return Call(name, tuple(params), not negated)
        self._needs("true")
        return Call(name, tuple(params), negated)

    def _param(self, name: str) -> Clause:
        """A parameter of the older spelling: a bare value means equal, or one of several."""
        if self._peek()[1] in COMPARISONS or self._peek()[1].upper() == "BETWEEN":
            return self._comparison(name)
        if self._peek()[1] == "(":
            return Clause(name, "=" if name == "coordinates" else "IN", self._list())
        return Clause(name, "=", self._word())

    def _params(self) -> tuple[Clause, ...]:
        params = []
        while not self._takes(")"):
            params.append(self._comparison(self._next("word", "a parameter")))
            if not self._takes(","):
                self._needs(")")
                break
        return tuple(params)

    def _comparison(self, name: str) -> Clause:
        for op in ("IS NOT NULL", "IS NULL"):
            if self._takes(*op.split()):
                return Clause(name, op)
        if self._takes("BETWEEN"):
            low = self._word()
            self._needs("AND")
            return Clause(name, "BETWEEN", (low, self._word()))
        for op in ("NOT CONTAINS", "CONTAINS"):
            if self._takes(*op.split()):
                return Clause(name, op, self._word())
        for op in ("NOT IN", "IN"):
            if self._takes(*op.split()):
                return Clause(name, op, self._list())
        for op in COMPARISONS:
            if self._takes(op):
                return Clause(name, op, self._list() if self._peek()[1] == "(" else self._word())
        raise self._unexpected("an operator such as =, CONTAINS or MATCHES")

    def _list(self) -> tuple[Word, ...]:
        self._needs("(")
        words = [self._word()]
        while self._takes(","):
            words.append(self._word())
        self._needs(")")
        return tuple(words)

    def _word(self) -> Word:
        kind, text, _ = self._peek()
        if kind == "text":
            return quoted(self._text())
        if kind in {"number", "date"}:
            self._at += 1
            return Word("number" if kind == "number" else "date", text)
        raise self._unexpected("a value: a text in single quotes, a number or a date")

    def _text(self) -> str:
        text = self._next("text", "a text in single quotes")
        return re.sub(r"\\(.)", r"\1", text[1:-1])

    def _peek(self) -> tuple[str, str, int]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "", self._length)

    def _takes(self, *words: str) -> bool:
        """Whether these words or symbols come next; if so they are passed."""
        coming = self._tokens[self._at : self._at + len(words)]
        same = [kind in {"word", "symbol"} and text.upper() == word.upper() for (kind, text, _), word in
                zip(coming, words, strict=False)]  # fmt: skip
        if len(same) < len(words) or not all(same):
            return False
        self._at += len(words)
        return True

    def _needs(self, word: str) -> None:
        if not self._takes(word):
            raise self._unexpected(f"{word!r}")

    def _next(self, kind: str, what: str) -> str:
        found, text, _ = self._peek()
        if found != kind:
            raise self._unexpected(what)
        self._at += 1
        return text

    def _unexpected(self, wanted: str) -> LanguageError:
        _, text, position = self._peek()
        return LanguageError(position, f"{wanted} is expected, not {text!r}" if text else f"{wanted} is expected")
