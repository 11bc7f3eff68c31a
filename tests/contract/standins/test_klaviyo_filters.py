"""Klaviyo's filter language, read and refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.klaviyo.filters import MEMBER_FIELDS, PROFILE_FIELDS, Condition, parse

VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30)


def quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class TestAFilter:
    @given(st.lists(VALUES, min_size=1, max_size=5), VALUES)
    def test_means_what_was_written_whatever_the_values_hold(self, emails: list[str], phone: str) -> None:
        text = f"any(email,[{','.join(map(quoted, emails))}]),equals(phone_number,{quoted(phone)})"
        assert parse(text, PROFILE_FIELDS) == [
            Condition("any", "email", tuple(emails)),
            Condition("equals", "phone_number", (phone,)),
        ]

    @given(st.text(max_size=40))
    def test_is_read_or_refused_but_never_breaks_the_reader(self, text: str) -> None:
        with contextlib.suppress(ValueError):  # any other error would end the test
            assert parse(text, PROFILE_FIELDS)

    @pytest.mark.parametrize("text", ['and(equals(email,"a"),equals(id,"b"))', "equals(email,'a'),equals(id,'b')"])
    def test_may_join_conditions_with_and_or_a_comma(self, text: str) -> None:
        assert parse(text, PROFILE_FIELDS) == [Condition("equals", "email", ("a",)), Condition("equals", "id", ("b",))]

    def test_compares_times_without_quotes(self) -> None:
        found = parse("greater-than(joined_group_at,2026-11-01T00:00:00Z)", MEMBER_FIELDS)
        assert found == [Condition("greater-than", "joined_group_at", ("2026-11-01T00:00:00Z",))]

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "email",
            "equals(email)",
            'equals(email,"a"',
            'equals(email,"a") x',
            'any(email,"a")',
            "any(email,[])",
            "any(email,[(])",
            'greater-than(email,"a")',
            'equals(shoe_size,"44")',
            'or(equals(email,"a"),equals(email,"b"))',
        ],
    )
    def test_that_klaviyo_would_not_read_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"\w"):
            parse(text, PROFILE_FIELDS)
