"""Cutting rows into requests."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Member, Outcome, RowRejected, without_addresses
from connectors.chunks import chunks, isolating

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


class TestIsolating:
    @given(st.integers(1, 64), st.sets(st.integers(0, 63)))
    def test_exactly_the_members_at_fault_fail(self, count: int, broken: set[int]) -> None:
        members = [Member(n, f"m{n}@example.com") for n in range(count)]

        def send(part: Sequence[Member]) -> list[Outcome]:
            if any(member.key in broken for member in part):
                raise RowRejected("invalid", "One of these is broken.")
            return [Outcome.done(member) for member in part]

        outcomes = isolating(members, send)
        assert [outcome.key for outcome in outcomes] == list(range(count))
        failed = {outcome.key for outcome in outcomes if outcome.result == "failed"}
        assert failed == broken & set(range(count))

    def test_one_bad_member_costs_few_calls(self) -> None:
        calls = []

        def send(part: Sequence[Member]) -> list[Outcome]:
            calls.append(len(part))
            if any(member.key == 300 for member in part):
                raise RowRejected("invalid", "Broken.")
            return [Outcome.done(member) for member in part]

        isolating([Member(n, f"m{n}@example.com") for n in range(512)], send)
        assert len(calls) <= 2 * 9 + 1


class TestMessages:
    def test_addresses_are_taken_out(self) -> None:
        text = "ann.o'hara+x@example.co.uk is already a list member; see bob@shop.de."
        assert "@" not in without_addresses(text)
        assert "already a list member" in without_addresses(text)

    def test_they_fit_on_a_line(self) -> None:
        assert without_addresses("a\n  b\tc") == "a b c"
        assert len(without_addresses("x" * 1000)) == 300
