"""The nearest change that would flip a customer's membership: found by turning one dial after the other, in thought.

Every change that is told was made on a copy of the customer's data, and membership did flip. One change is sought
first; only if none flips, the fewest conditions that would have to turn over are, and one change for each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.domain.rules.alone import combined
from app.domain.rules.changes import (
    Change,
    FewerOrders,
    MoreEvents,
    MoreOrders,
    SetConsent,
    SetMember,
    SetReachable,
    SetValue,
    Spend,
    concerns,
    put,
)
from app.domain.rules.dials import ANOTHER, Dial, dials, filters
from app.domain.rules.explain import truths
from app.domain.rules.names import attribute
from app.domain.rules.own_values import shown, value_of
from app.domain.rules.sentence import leaf_sentence, money
from app.domain.rules.tree import Did, Group, Leaf, Node, Rule, leaves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.rules.alone import Alone
    from app.domain.rules.sentence import Wording

MOST_LOOKS = 800  # at single leaves, a change made in thought counting as some; what was found until then stands
LOOKS_OF_A_CHANGE = 3
TOLD = 3
IMPOSSIBLE = 1e9


@dataclass(frozen=True)
class Way:
    """Changes that together flip membership. `effort`: how large they are beside what is, each 0 to about 1."""

    changes: tuple[Change, ...]
    effort: float
    text: str


def nearest(rule: Rule, alone: Alone, wording: Wording) -> list[Way]:
    """Ways to flip the customer's membership, the nearest first, at most three; none if nothing that can change does.

    Of one family the smallest change is given, and one change comes before two.
    """
    search = _Search(rule, alone, wording)
    ways = search.single() or search.joint()
    return sorted(ways, key=lambda way: (way.effort, way.text))[:TOLD]


class _Search:
    """One search for one customer."""

    def __init__(self, rule: Rule, alone: Alone, wording: Wording) -> None:
        self._rule, self._alone, self._wording = rule, alone, wording
        self._truth = truths(rule, alone)
        self._member = combined(rule.match, self._truth)
        self._leaves = dict(leaves(rule.match))
        self._dials = dials(rule, alone)
        self._end = alone.looks + MOST_LOOKS

    def single(self) -> list[Way]:
        """The smallest setting of each dial that flips membership by itself."""
        best: dict[str, Way] = {}
        for dial in self._dials:
            change = self._smallest(dial, ())
            if change is not None:
                way = self._way((change,), (dial,))
                if way.text not in best or way.effort < best[way.text].effort:
                    best[way.text] = way
        return list(best.values())

    def joint(self) -> list[Way]:
        """One change for each of the fewest conditions that would have to turn over; made smaller where that can be."""
        options = {path: self._turning(leaf, path) for path, leaf in self._leaves.items()}
        efforts = {path: IMPOSSIBLE if option is None else 1 + option[2] for path, option in options.items()}
        _, paths = self._cheapest(self._rule.match, "match", efforts, not self._member)
        chosen: dict[Dial, Change] = {}
        for path in sorted(paths):
            option = options[path]
            if option is None:
                return []
            chosen[option[0]] = option[1]
        if not self._flips(tuple(chosen.values())):
            return []
        for dial in list(chosen):
            others = tuple(change for other, change in chosen.items() if other is not dial)
            if others and self._flips(others):
                del chosen[dial]
                continue
            chosen[dial] = self._smallest(dial, others) or chosen[dial]
        return [self._way(tuple(chosen.values()), tuple(chosen))]

    def _smallest(self, dial: Dial, others: tuple[Change, ...]) -> Change | None:
        """The first setting of a dial that flips membership together with the others."""
        before: Change | None = None
        for change in dial.settings:
            if self._alone.looks > self._end:
                return None
            if self._flips((*others, change)):
                return self._between(before, change, others) if dial.between else change
            before = change
        return None

    def _between(self, low: Change | None, high: Change, others: tuple[Change, ...]) -> Change:
        """The smallest amount or number above one that does not flip, up to one that does."""
        if not isinstance(high, Spend | MoreOrders | MoreEvents):
            return high
        least, most = (_size(low) if low is not None else 0), _size(high)
        while most - least > 1:
            middle = (least + most) // 2
            if self._flips((*others, _sized(high, middle))):
                most = middle
            else:
                least = middle
        return _sized(high, most)

    def _flips(self, changes: tuple[Change, ...]) -> bool:
        return combined(self._rule.match, self._after(changes)) != self._member

    def _after(self, changes: tuple[Change, ...]) -> dict[str, bool]:
        """Whether each leaf holds after changes; only those are asked that the changes can concern."""
        truth = dict(self._truth)
        self._alone.looks += LOOKS_OF_A_CHANGE
        with self._alone.in_thought() as thought:
            world = put(changes, self._alone, thought)
            for path, leaf in self._leaves.items():
                if any(concerns(change, leaf) for change in changes):
                    truth[path] = self._alone.holds(leaf, world)
        return truth

    def _turning(self, leaf: Leaf, path: str) -> tuple[Dial, Change, float] | None:
        """The dial and its smallest setting that turns one leaf over, and its effort; None if nothing does."""
        found: list[tuple[float, int, Dial, Change]] = []
        for position, dial in enumerate(self._dials):
            for change in dial.settings:
                if not concerns(change, leaf) or self._alone.looks > self._end:
                    break
                if self._after((change,))[path] != self._truth[path]:
                    found.append((self._effort(change), position, dial, change))
                    break
        if not found:
            return None
        effort, _, dial, change = min(found, key=lambda one: one[:2])
        return dial, change, effort

    def _cheapest(self, node: Node, path: str, efforts: dict[str, float], wanted: bool) -> tuple[float, frozenset[str]]:  # noqa: FBT001 - what the node shall be
        """The least effort to make a node hold, or not hold, and the leaves to turn over; each leaf counts one more."""
        if not isinstance(node, Group):
            return (0.0, frozenset()) if self._truth[path] == wanted else (efforts[path], frozenset({path}))
        inner = wanted if node.kind != "none" else not wanted
        parts = [
            self._cheapest(child, f"{path}.{node.kind}[{position}]", efforts, inner)
            for position, child in enumerate(node.nodes)
        ]
        every = (node.kind == "all") == wanted if node.kind != "none" else wanted
        if every:
            return sum(effort for effort, _ in parts), frozenset().union(*(paths for _, paths in parts))
        return min(parts, key=lambda part: (part[0], sorted(part[1])))

    def _way(self, changes: tuple[Change, ...], about: Sequence[Dial]) -> Way:
        texts = [self._text(change, dial.leaf) for change, dial in zip(changes, about, strict=True)]
        return Way(changes, sum(self._effort(change) for change in changes), ", and if ".join(texts))

    def _effort(self, change: Change) -> float:
        """How large a change is beside what is: 0 to about 1; what can't happen any more comes last."""
        match change:
            case MoreOrders() | MoreEvents():
                return change.n / (change.n + 3)
            case Spend():
                usual = 50 * self._alone.world.unit
                return change.amount / (change.amount + usual)
            case FewerOrders():
                return 2 + change.n / (change.n + 3)
            case SetConsent() | SetReachable() | SetMember():
                return 0.5
            case SetValue():
                return 1 + self._value_effort(change)

    def _value_effort(self, change: SetValue) -> float:
        known = attribute(change.attr)
        now = value_of(known, self._alone) if known else None
        if isinstance(change.value, int | float) and isinstance(now, int | float):
            size = abs(change.value - now)
            return float(size / (size + abs(now) + abs(change.value))) if size else 0.0
        return math.nextafter(1, 0) if change.value is None else 0.5

    def _text(self, change: Change, leaf: Leaf | None) -> str:  # noqa: PLR0911 - one line per family
        about = f", counted by “{leaf_sentence(leaf, self._wording)}”" if isinstance(leaf, Did) else ""
        match change:
            case MoreOrders():
                more = "order" if change.n == 1 else "orders"
                which = self._like(leaf, "placed")
                return f"the customer placed {change.n:,} more {more} now{about if self._filtered(leaf) else ''}{which}"
            case MoreEvents():
                times = "time" if change.n == 1 else "times"
                return f"it happened {change.n:,} more {times} now{about}{self._like(leaf, 'seen')}"
            case Spend():
                return f"the customer spent {money(change.amount, self._wording.currency)} more now, in one order"
            case FewerOrders():
                fewer = "order" if change.n == 1 else "orders"
                return f"the customer had placed {change.n:,} {fewer} fewer{about}; what happened can't be undone"
            case SetConsent():
                words = {"yes": "allowed", "no": "did not allow", "pending": "had not yet confirmed"}[change.state]
                return f"the customer {words} {'e-mail' if change.channel == 'email' else 'text messages'}"
            case SetReachable():
                return f"the customer could{'' if change.reachable else ' not'} be reached by e-mail"
            case SetMember():
                name = self._wording.segment(change.segment) or change.segment
                return f"the customer were {'' if change.member else 'not '}in “{name}”"
            case SetValue():
                return self._value_text(change)

    def _filtered(self, leaf: Leaf | None) -> bool:
        return isinstance(leaf, Did) and (bool(leaf.where) or leaf.event != "ordered")

    def _like(self, about: Leaf | None, past: str) -> str:
        """Where a condition asks more of an event than the text says, not every such event need flip membership."""
        said = set(filters(about)) if isinstance(about, Did) else set()
        asked = {item for leaf in self._leaves.values() for item in filters(leaf)}
        return "" if asked <= said else f", like one {past} lately"

    def _value_text(self, change: SetValue) -> str:
        known = attribute(change.attr)
        if known is None:
            return ""
        now = value_of(known, self._alone)
        if isinstance(change.value, tuple):
            more = [text for text in change.value if text not in now]
            less = [text for text in now if text not in change.value]
            what = [f"“{text}” too" for text in more if text != ANOTHER] + [
                "another one" for text in more if text == ANOTHER
            ]
            what += [f"no “{text}”" for text in less]
            return f"{known.words} had {' and '.join(what)}"
        said = self._said(change.value, known.type)
        return f"{known.words} were {said} instead of {self._said(now, known.type)}"

    def _said(self, value: object, kind: str) -> str:
        if value == ANOTHER:
            return "something else"
        text = shown(value, kind, self._wording.currency, self._alone.world.zone)
        return f"“{text}”" if kind == "text" and value is not None else text


def _size(change: Change) -> int:
    return change.amount if isinstance(change, Spend) else getattr(change, "n", 0)


def _sized(change: Spend | MoreOrders | MoreEvents, size: int) -> Change:
    return replace(change, amount=size) if isinstance(change, Spend) else replace(change, n=size)
