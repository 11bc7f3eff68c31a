"""One policy for timeouts, repeats and pace."""

from __future__ import annotations

import pytest

from connectors.base import Misconfigured, Throttled, Transient, Window
from connectors.transport import Limiter, Pace, Policy, Transport


class Clock:
    """Time that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    @property
    def pace(self) -> Pace:
        return Pace(self.monotonic, self.sleep)


class Calls:
    """Fails with the given faults in turn, then succeeds."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.made = 0

    def __call__(self) -> str:
        self.made += 1
        if self.faults:
            raise self.faults.pop(0)
        return "answer"


def transport(clock: Clock, **policy: float) -> Transport:
    return Transport(Limiter({}, clock.pace), Policy(**policy), clock.pace)


class TestLimiter:
    def test_no_window_ever_holds_more_than_it_may(self) -> None:
        clock = Clock()
        limiter = Limiter({"call": (Window(3, 1.0), Window(10, 60.0))}, clock.pace)
        made = []
        for _ in range(25):
            limiter.acquire("call")
            made.append(clock.now)
        for window, calls in ((1.0, 3), (60.0, 10)):
            for start in made:
                assert len([at for at in made if start <= at < start + window]) <= calls

    def test_it_is_no_slower_than_the_windows_ask(self) -> None:
        clock = Clock()
        limiter = Limiter({"call": (Window(10, 60.0),)}, clock.pace)
        for _ in range(30):
            limiter.acquire("call")
        assert clock.now == pytest.approx(120.0)

    def test_operations_do_not_wait_for_each_other(self) -> None:
        clock = Clock()
        limiter = Limiter({"a": (Window(1, 60.0),), "b": (Window(1, 60.0),)}, clock.pace)
        limiter.acquire("a")
        limiter.acquire("b")
        limiter.acquire("unlimited")
        assert clock.slept == []

    def test_the_vendor_s_word_counts_more_than_our_own_count(self) -> None:
        clock = Clock()
        limiter = Limiter({"call": (Window(100, 60.0),)}, clock.pace)
        limiter.observe("call", remaining=0, reset_seconds=17)
        limiter.acquire("call")
        assert clock.now == pytest.approx(17)


class TestTransport:
    def test_a_passing_fault_is_tried_again_with_growing_waits(self) -> None:
        clock, calls = Clock(), Calls(*[Transient("down")] * 3)
        assert transport(clock).call("x", calls) == "answer"
        assert calls.made == 4
        assert clock.slept[0] < 1.01
        assert clock.slept[2] > clock.slept[0]

    def test_it_gives_up_after_so_many_tries_with_the_last_fault(self) -> None:
        clock, calls = Clock(), Calls(*[Transient(f"down {n}") for n in range(9)])
        with pytest.raises(Transient, match="down 2"):
            transport(clock, attempts=3).call("x", calls)

    def test_what_a_merchant_has_to_mend_is_not_tried_again(self) -> None:
        calls = Calls(Misconfigured("gone", "The list is gone."))
        with pytest.raises(Misconfigured):
            transport(Clock()).call("x", calls)
        assert calls.made == 1

    def test_a_call_that_would_do_it_twice_is_not_repeated(self) -> None:
        calls = Calls(Transient("answer lost"))
        with pytest.raises(Transient):
            transport(Clock()).call("x", calls, repeatable=False)
        assert calls.made == 1

    def test_a_throttled_call_was_not_made_and_is_repeated_all_the_same(self) -> None:
        calls = Calls(Throttled("slower", 3))
        assert transport(Clock()).call("x", calls, repeatable=False) == "answer"

    def test_the_vendor_s_wait_is_kept_to(self) -> None:
        clock = Clock()
        transport(clock).call("x", Calls(Throttled("slower", 12)))
        assert 12 <= clock.now < 13

    def test_a_wait_beyond_patience_goes_to_the_caller(self) -> None:
        clock = Clock()
        with pytest.raises(Throttled):
            transport(clock).call("x", Calls(Throttled("tomorrow", 86_400)))
        assert clock.slept == []

    def test_after_a_timeout_the_vendor_gets_time_to_finish(self) -> None:
        clock = Clock()
        transport(clock).call("x", Calls(Transient("no answer", timed_out=True)))
        assert clock.now >= 5

    def test_every_try_counts_against_the_limit(self) -> None:
        clock = Clock()
        limited = Transport(Limiter({"x": (Window(1, 60.0),)}, clock.pace), Policy(), clock.pace)
        limited.call("x", Calls(Transient("down")))
        assert clock.now >= 60
