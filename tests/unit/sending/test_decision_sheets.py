"""Standing decisions as columns: what a tick changes of them, and how they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.campaigns import Reason
from app.services import decision_sheets as sheets
from app.services.decision_sheets import PLACE, SAYINGS, Decisions

if TYPE_CHECKING:
    import pytest

PLAIN = [str(Reason.WEEKLY_CAP), str(Reason.NOT_SUBSCRIBED), str(Reason.BETTER_CAMPAIGN)]
MESSAGES = [sheets.SELECTED, str(Reason.HELD_OUT)]
OUT = str(Reason.NOT_IN_SEGMENT)
Plain = dict[int, tuple[str, int, int]]
"""customer → (what is said, about which product, since when)."""


def columns(plain: Plain) -> Decisions:
    who = sorted(plain)
    return Decisions(
        customer_no=np.array(who, np.int32),
        says=np.array([PLACE[plain[one][0]] for one in who], np.uint8),
        product_no=np.array([plain[one][1] for one in who], np.int32),
        kind=np.zeros(len(who), np.int8),
        probability=np.full(len(who), 0.25, np.float32),
        lift=np.full(len(who), np.nan, np.float32),
        since=np.array([plain[one][2] for one in who], np.int64),
    )


def plain(decisions: Decisions) -> Plain:
    rows = zip(
        decisions.customer_no.tolist(), decisions.says.tolist(), decisions.product_no.tolist(),
        decisions.since.tolist(), strict=True,
    )  # fmt: skip
    return {customer: (SAYINGS[says], product, since) for customer, says, product, since in rows}


def by_hand(before: Plain, tick: Plain, now: int) -> tuple[Plain, Plain]:
    """(what stands, what ended), customer by customer."""
    stands, ended = {}, {}
    for customer in before.keys() | tick.keys():
        old, new = before.get(customer), tick.get(customer, (OUT, sheets.NONE, now))
        if old is not None and old[0] == new[0] and (old[1] == new[1] or new[0] == OUT) and new[0] not in MESSAGES:
            stands[customer] = old
        else:
            stands[customer] = new
            if old is not None:
                ended[customer] = old
    return stands, ended


said = st.sampled_from([*PLAIN, *MESSAGES])
whole = st.dictionaries(st.integers(0, 12), st.tuples(said, st.integers(1, 2), st.just(1)))
tick = st.dictionaries(st.integers(0, 12), st.tuples(said, st.integers(1, 2), st.just(2)))


@given(whole, tick)
def test_a_tick_changes_what_a_look_at_each_customer_would(before: Plain, now: Plain) -> None:
    stands, ended = sheets.merged(columns(before), columns(now), np.int64(2))
    assert (plain(stands), plain(ended)) == by_hand(before, now, 2)


def test_a_message_that_is_under_way_is_still_the_decision_that_made_it() -> None:
    standing = columns({1: (sheets.SELECTED, 5, 1), 2: (str(Reason.WEEKLY_CAP), 5, 1)})
    under_way = str(Reason.MESSAGE_UNDER_WAY)
    decided = columns({1: (under_way, 5, 2), 2: (under_way, 5, 2)})
    stands, ended = sheets.merged(standing, decided, np.int64(2), np.array([True, True]))
    assert plain(stands) == {1: (sheets.SELECTED, 5, 1), 2: (under_way, 5, 2)}
    assert plain(ended) == {2: (str(Reason.WEEKLY_CAP), 5, 1)}


@settings(deadline=None)  # the first writing loads the format
@given(whole)
def test_what_is_kept_comes_back(some: Plain) -> None:
    assert plain(sheets.unpacked(sheets.packed(columns(some)))) == some


def test_what_was_kept_under_another_list_of_sayings_still_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = sheets.packed(columns({1: (str(Reason.WEEKLY_CAP), 5, 1)}))
    turned = tuple(reversed(SAYINGS))
    monkeypatch.setattr(sheets, "SAYINGS", turned)
    monkeypatch.setattr(sheets, "PLACE", {saying: place for place, saying in enumerate(turned)})
    assert sheets.unpacked(kept).says.tolist() == [turned.index(Reason.WEEKLY_CAP)]


def test_numbers_fall_into_sheets_without_a_gap() -> None:
    some = columns({0: (PLAIN[0], 1, 1), 65_535: (PLAIN[0], 1, 1), 65_536: (PLAIN[1], 1, 1)})
    assert some.parts() == {0, 1}
    assert [len(some.part(number)) for number in (0, 1, 2)] == [2, 1, 0]
