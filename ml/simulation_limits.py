"""How many messages may leave on a simulated day: a new domain warms up, one without DKIM stays small, hours are full.

What is beyond a limit is decided anew the next day, as messages are that wait for more than a day. Who goes is drawn:
the outbox's order within a tick is that of random ids.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.history import Bools, Floats, Ints


@dataclass(frozen=True)
class Limit:
    """What some campaigns may send together. Days are the calendar's: today's rest, then a whole one for each day.

    Messages are handed over as soon as a day begins where some wait, so a simulated day has what the calendar's next
    day allows, and the first one today's rest as well.

    campaigns: (k,) which they are. daily: (T + 1,) messages on today and each day after it. steps: rather than that, a
    day's limit is the step after the largest one of which a day before it used the part `filled`; past the last one
    there is none. past: messages of each day before today, the newest first; a day counts for as many days as are here.
    today: of today. rest: whether any may still leave today. ahead: messages in line that go before all others.
    """

    campaigns: Bools
    daily: Floats
    steps: tuple[float, ...] = ()
    past: tuple[float, ...] = ()
    today: float = 0.0
    rest: bool = True
    ahead: float = 0.0
    filled: float = 1.0


def scaled(limit: Limit, share: float) -> Limit:
    """The limit for a share of the customers, which is a share of it."""
    return replace(
        limit,
        daily=limit.daily * share,
        steps=tuple(step * share for step in limit.steps),
        past=tuple(day * share for day in limit.past),
        today=limit.today * share,
        ahead=limit.ahead * share,
    )


class Limits:
    """All limits in all futures, and what was sent under them."""

    def __init__(self, limits: Sequence[Limit], draws: int, rng: np.random.Generator) -> None:
        self._each = [_Counted(limit, draws) for limit in limits]
        self._draws, self._rng = draws, rng

    def admit(self, day: int, draw: Ints, campaign: Ints) -> Bools:
        """(m,) which of a day's messages may leave, given the future and the campaign of each, by futures in order."""
        leaves: Bools = np.ones(len(draw), dtype=bool)
        for one in self._each:
            mine = np.flatnonzero(leaves & one.limit.campaigns[campaign])
            wanted = np.bincount(draw[mine], minlength=self._draws)
            room = np.floor(one.room(day, wanted.astype(float)))
            ends = np.cumsum(wanted)
            for future in np.flatnonzero(wanted > room).tolist():
                stay = self._rng.permutation(wanted[future])[int(room[future]) :]
                leaves[mine[ends[future] - wanted[future] + stay]] = False
        # Counted last: what another limit keeps back has not filled a day of this one.
        for one in self._each:
            left = draw[leaves & one.limit.campaigns[campaign]]
            one.count(day, np.bincount(left, minlength=self._draws).astype(float))
        return leaves


class _Counted:
    """One limit, with (D, p + T + 1) messages of each day: those remembered, today, the days after it."""

    def __init__(self, limit: Limit, draws: int) -> None:
        self.limit = limit
        self._back = len(limit.past)
        days = np.concatenate([limit.past[::-1], [limit.today], np.zeros(len(limit.daily) - 1)])
        self._sent = np.tile(days, (draws, 1))

    def room(self, day: int, wanted: Floats) -> Floats:
        """(D,) how many of those wanted may leave."""
        found: Floats = np.minimum(wanted, sum(self._parts(day, wanted)) - self._ahead(day))
        return np.maximum(found, 0.0)

    def count(self, day: int, left: Floats) -> None:
        """Note how many left."""
        first, second = self._parts(day, left)
        self._sent[:, self._back] += first
        self._sent[:, self._back + day + 1] += second

    def _ahead(self, day: int) -> float:
        return self.limit.ahead if day == 0 else 0.0

    def _parts(self, day: int, wanted: Floats) -> tuple[Floats, Floats]:
        """(D,), (D,): how many leave today, and how many with the beginning of the next calendar day."""
        all_ = wanted + self._ahead(day)
        today = np.zeros_like(all_)
        if day == 0 and self.limit.rest:
            today = np.minimum(all_, np.maximum(self._allowed(0, today) - self.limit.today, 0.0))
        return today, np.minimum(all_ - today, self._allowed(day + 1, today))

    def _allowed(self, calendar_day: int, today: Floats) -> Floats:
        """(D,) the limit of a calendar day, if so many more leave today."""
        if not self.limit.steps:
            return np.full(len(self._sent), self.limit.daily[calendar_day])
        seen = self._sent[:, calendar_day : calendar_day + self._back].copy()
        if 0 < calendar_day <= self._back:
            seen[:, self._back - calendar_day] += today
        steps = np.array([*self.limit.steps, np.inf])
        passed = (seen.max(axis=1)[:, None] >= self.limit.filled * steps).sum(axis=1)
        allowed: Floats = steps[passed]
        return allowed
