"""Cutting rows into requests."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Member, Misconfigured, Outcome, RowRejected, Transient, without_addresses
from connectors.chunks import MOST_CALLS, PROBES, chunks, isolating

if TYPE_CHECKING:
    from collections.abc import Sequence


class TestChunks:
    @given(st.lists(st.integers(1, 50)), st.integers(1, 7), st.integers(1, 60))
    def test_rows_keep_their_order_and_every_chunk_both_limits(self, rows: list[int], most: int, size: int) -> None:
        cut = list(chunks(rows, most, size=lambda row: row, max_size=size))
        assert [row for chunk in cut for row in chunk] == rows
        for chunk in cut:
            assert 1 <= len(chunk) <= most
            assert sum(chunk) <= size or len(chunk) == 1

    @given(st.lists(st.integers(1, 50)), st.integers(1, 7), st.integers(50, 90))
    def test_no_chunk_is_closed_early(self, rows: list[int], most: int, size: int) -> None:
        cut = list(chunks(rows, most, size=lambda row: row, max_size=size))
        for chunk, following in itertools.pairwise(cut):
            assert len(chunk) == most or sum(chunk) + following[0] > size

    def test_without_a_size_only_rows_count(self) -> None:
        assert list(chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]


class FakeVendor:
    """Refuses a request that holds a broken member, or every request; names the members if it is helpful."""

    def __init__(self, broken: set[int], *, helpful: bool = False, refuses_all: bool = False) -> None:
        self.broken, self.helpful, self.refuses_all = broken, helpful, refuses_all
        self.calls = 0

    def send(self, part: Sequence[Member]) -> list[Outcome]:
        self.calls += 1
        named = [position for position, member in enumerate(part) if member.key in self.broken]
        if named or self.refuses_all:
            raise RowRejected("invalid", "One of these is broken.", named if self.helpful else ())
        return [Outcome.done(member) for member in part]

    def isolating(self, count: int) -> list[Outcome]:
        members = [Member(n, f"m{n}@example.com") for n in range(count)]
        parts = isolating(members, self.send, lambda member: member)
        return [outcome for part in parts for outcome in part]


def failed(outcomes: list[Outcome]) -> set[int]:
    return {outcome.key for outcome in outcomes if outcome.result == "failed"}


class TestIsolating:
    @given(st.integers(4, 64), st.data(), st.booleans())
    def test_exactly_the_members_at_fault_fail(self, count: int, data: st.DataObject, helpful: bool) -> None:
        broken = data.draw(st.sets(st.integers(0, count - 2), max_size=10))  # so that a probe finds a good one
        outcomes = FakeVendor(broken, helpful=helpful).isolating(count)
        assert sorted(outcome.key for outcome in outcomes) == list(range(count))
        assert failed(outcomes) == broken
        assert all(outcome.final for outcome in outcomes)

    def test_one_bad_member_costs_few_calls(self) -> None:
        vendor = FakeVendor({300})
        vendor.isolating(512)
        assert vendor.calls <= 2 * 9 + 1 + PROBES

    def test_bad_members_side_by_side_hold_nobody_else_up(self) -> None:
        outcomes = FakeVendor({0, 1, 2, 3, 4}).isolating(40)
        assert failed(outcomes) == {0, 1, 2, 3, 4}

    @pytest.mark.parametrize("count", [4, 40, 10_000])
    def test_a_request_that_is_refused_whoever_is_in_it_fails_nobody(self, count: int) -> None:
        vendor = FakeVendor(set(), refuses_all=True)
        with pytest.raises(Misconfigured, match="Every request is refused, whoever is in it: One of these is broken"):
            vendor.isolating(count)
        assert vendor.calls == 1 + PROBES

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_so_few_that_nobody_can_tell_are_worth_another_try(self, count: int) -> None:
        outcomes = FakeVendor(set(), refuses_all=True).isolating(count)
        assert failed(outcomes) == set(range(count))
        assert not any(outcome.final for outcome in outcomes)

    def test_too_many_bad_members_end_the_search_and_what_was_found_stands(self) -> None:
        vendor = FakeVendor(set(range(0, 2000, 2)))
        members = [Member(n, f"m{n}@example.com") for n in range(2000)]
        found: list[Outcome] = []
        with pytest.raises(Transient):
            for part in isolating(members, vendor.send, lambda member: member):
                found += part
        assert vendor.calls == MOST_CALLS
        assert found

    def test_the_outcomes_of_an_accepted_part_are_there_before_the_next_request(self) -> None:
        vendor = FakeVendor({7})
        members = [Member(n, f"m{n}@example.com") for n in range(8)]
        parts = isolating(members, vendor.send, lambda member: member)
        seen = 0
        with pytest.raises(ConnectionError):
            for part in parts:
                seen += len(part)
                vendor.send = self.broken  # type: ignore[method-assign]
                parts.throw(ConnectionError())
        assert seen == 1

    def broken(self, _part: Sequence[Member]) -> list[Outcome]:
        raise ConnectionError


class TestMessages:
    def test_addresses_are_taken_out(self) -> None:
        text = "ann.o'hara+x@example.co.uk is already a list member; see bob@shop.de."
        assert "@" not in without_addresses(text)
        assert "already a list member" in without_addresses(text)

    def test_they_fit_on_a_line(self) -> None:
        assert without_addresses("a\n  b\tc") == "a b c"
        assert len(without_addresses("x" * 1000)) == 300
