"""Pure rules of sending: arbitration, consent, timing, the holdout coin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from app.domain.arbitration import Candidate, choose
from app.domain.campaigns import REASON_TEXTS, Reason, TimingRules, fold_name, is_held_out, name_problems
from app.domain.consent import refusal

START = datetime(2026, 1, 1, tzinfo=UTC)


def candidate(random: Random) -> Candidate:
    """Few distinct values, so that ties are common at every step of the order."""
    campaign = random.randint(1, 4)
    return Candidate(
        campaign_id=campaign,
        campaign_created_at=START + timedelta(days=campaign % 2),
        customer_no=1,
        product_no=random.randint(1, 3),
        kind=random.choice(["repurchase", "cross_sell"]),
        probability=random.choice([0.1, 0.2, 0.3]),
        overdue_days=random.choice([None, -3.0, 0.0, 2.0]),
        lift=random.choice([None, 1.0, 2.5]),
    )


def oracle(candidates: list[Candidate]) -> Candidate:
    """The rule as prose has it: narrow down step by step, no sort key."""

    def keep_most(of: list[Candidate], worth: object) -> list[Candidate]:
        most = max(worth(c) for c in of)  # type: ignore[operator]
        return [c for c in of if worth(c) == most]  # type: ignore[operator]

    left = [c for c in candidates if c.kind == "repurchase"]
    if left:
        left = keep_most(left, lambda c: c.probability)
        left = keep_most(left, lambda c: -1e9 if c.overdue_days is None else c.overdue_days)
    else:
        left = keep_most(list(candidates), lambda c: c.lift or 0.0)
        left = keep_most(left, lambda c: c.probability)
    left = keep_most(left, lambda c: -c.campaign_created_at.timestamp())
    left = keep_most(left, lambda c: -c.campaign_id)
    return keep_most(left, lambda c: -c.product_no)[0]


class TestArbitration:
    def test_equals_the_rule_in_prose_on_random_sets(self) -> None:
        random = Random(7)
        for _ in range(10_000):
            candidates = [candidate(random) for _ in range(random.randint(1, 7))]
            won = choose(candidates)
            expected = oracle(candidates)
            assert (won.campaign_id, won.product_no, won.kind) == (
                expected.campaign_id,
                expected.product_no,
                expected.kind,
            )

    def test_the_order_of_the_candidates_does_not_matter(self) -> None:
        random = Random(8)
        for _ in range(500):
            candidates = [candidate(random) for _ in range(6)]
            won = choose(candidates)
            random.shuffle(candidates)
            again = choose(candidates)
            assert (won.campaign_id, won.product_no, won.kind, won.probability) == (
                again.campaign_id, again.product_no, again.kind, again.probability,
            )  # fmt: skip


class TestConsent:
    @pytest.mark.parametrize(
        ("state", "reason"),
        [
            ("SUBSCRIBED", None),
            ("NOT_SUBSCRIBED", Reason.NOT_SUBSCRIBED),
            ("PENDING", Reason.NOT_SUBSCRIBED),
            ("UNSUBSCRIBED", Reason.NOT_SUBSCRIBED),
            ("REDACTED", Reason.NOT_SUBSCRIBED),
            ("INVALID", Reason.NOT_SUBSCRIBED),
            ("SOMETHING_SHOPIFY_ADDS_LATER", Reason.NOT_SUBSCRIBED),
            ("subscribed", Reason.NOT_SUBSCRIBED),
        ],
    )
    def test_only_a_clear_yes_is_a_yes(self, state: str, reason: Reason | None) -> None:
        given = refusal(email_hash="h", email_valid=True, email_consent=state, suppressed=False, erased_at=None)
        assert given is reason

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"erased_at": START}, Reason.ERASED),
            ({"merged_into": 2}, Reason.NO_ADDRESS),
            ({"email_hash": None}, Reason.NO_ADDRESS),
            ({"email_valid": False}, Reason.INVALID_ADDRESS),
            ({"suppressed": True}, Reason.SUPPRESSED),
        ],
    )
    def test_everything_else_that_forbids_a_mail_is_named(self, changes: dict[str, object], reason: Reason) -> None:
        facts = {
            "email_hash": "h", "email_valid": True, "email_consent": "SUBSCRIBED", "suppressed": False,
            "erased_at": None,
        }  # fmt: skip
        assert refusal(**{**facts, **changes}) is reason  # type: ignore[arg-type]


class TestTiming:
    def test_less_than_a_week_is_refused_with_the_reason(self) -> None:
        (problem,) = TimingRules(frequency="every", every_days=6).problems()
        assert (problem.step, problem.field) == ("timing", "every_days")
        assert "rolling week" in problem.message

    @pytest.mark.parametrize(("drawn", "days"), [(None, 21), (7, 7), (60, 60)])
    def test_left_to_the_app_the_drawn_wait_counts_and_21_days_without_one(self, drawn: int | None, days: int) -> None:
        rules = TimingRules(frequency="optimise", every_days=3)
        assert rules.problems() == []
        before = START + timedelta(days=days, seconds=-1)
        assert rules.too_soon(START, before, drawn) is Reason.FREQUENCY
        assert rules.too_soon(START, START + timedelta(days=days), drawn) is None
        assert rules.too_soon(None, START, drawn) is None

    def test_a_drawn_wait_changes_nothing_under_other_frequencies(self) -> None:
        assert TimingRules(frequency="once").too_soon(START, START + timedelta(days=99), 7) is Reason.ONCE_ONLY
        every = TimingRules(frequency="every", every_days=30)
        assert every.too_soon(START, START + timedelta(days=29), 7) is Reason.FREQUENCY

    def test_the_suggested_timing_has_no_problem(self) -> None:
        assert TimingRules().problems() == []

    @pytest.mark.parametrize(
        ("field", "value"), [("wait_days", -1), ("wait_days", 91), ("repeats", 0), ("repeats", 11)]
    )
    def test_bounds_are_kept(self, field: str, value: int) -> None:
        assert [p.field for p in TimingRules(**{field: value}).problems()] == [field]  # type: ignore[arg-type]


class TestNames:
    def test_case_and_spaces_do_not_make_another_name(self) -> None:
        assert fold_name("  Spring   SALE ") == fold_name("spring sale")

    @pytest.mark.parametrize("name", ["", "   ", None, "x" * 121])
    def test_one_to_120_characters(self, name: str | None) -> None:
        assert len(name_problems(name, taken=False)) == 1


class TestReasons:
    def test_every_reason_has_its_words(self) -> None:
        assert set(REASON_TEXTS) == set(Reason)


class TestTheHoldoutCoin:
    def test_is_stable_and_lands_as_often_as_asked(self) -> None:
        held = {n for n in range(20_000) if is_held_out(1, 5, n, 10)}
        assert held == {n for n in range(20_000) if is_held_out(1, 5, n, 10)}
        assert 1_850 < len(held) < 2_150  # four standard deviations around 2,000 are 170

    def test_arms_of_two_campaigns_are_independent(self) -> None:
        both = sum(is_held_out(1, 5, n, 50) and is_held_out(1, 6, n, 50) for n in range(20_000))
        assert 4_700 < both < 5_300

    def test_zero_percent_holds_nobody_out(self) -> None:
        assert not any(is_held_out(1, 5, n, 0) for n in range(1_000))
