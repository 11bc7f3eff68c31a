"""One policy for all vendors: how long to wait, how often to try again, how fast to go.

An adapter hands every call to `Transport.call`. The vendors' own libraries retry in ways that the
caller can't see (or not at all), so their retries are off and these are the only ones.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential_jitter

from connectors.base import Throttled, Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.base import Window

T = TypeVar("T")


@dataclass(frozen=True)
class Pace:
    """A clock that only runs forwards, and a way to wait; tests give their own."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Policy:
    """How patient a call is; all times in seconds.

    longest_wait:  a vendor that asks for more is not waited for: the caller comes back later.
    after_timeout: a call without an answer may still hold one of the account's connections.
    """

    connect_timeout: float = 5.0
    read_timeout: float = 60.0
    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 60.0
    after_timeout: float = 5.0

    @property
    def timeout(self) -> tuple[float, float]:
        """Connect and read timeout, as urllib3 and requests take them."""
        return (self.connect_timeout, self.read_timeout)


class Limiter:
    """Keeps one account inside the vendor's windows; shared by all threads that use the account.

    windows: by operation; sliding, so stricter than the fixed windows that vendors count in.
    """

    def __init__(self, windows: Mapping[str, tuple[Window, ...]], pace: Pace) -> None:
        self._windows = windows
        self._pace = pace
        self._lock = threading.Lock()
        self._made: dict[str, deque[float]] = {}
        self._closed_until: dict[str, float] = {}

    def acquire(self, operation: str) -> None:
        """Wait until one more call of the operation fits, and count it."""
        while True:
            with self._lock:
                wait = self._wait_for(operation)
                if wait <= 0:
                    self._made.setdefault(operation, deque()).append(self._pace.monotonic())
                    return
            self._pace.sleep(wait)

    def observe(self, operation: str, remaining: int, reset_seconds: float) -> None:
        """Take the vendor's word for what is left: another program may use the same account."""
        if remaining <= 0 and reset_seconds > 0:
            with self._lock:
                self._closed_until[operation] = self._pace.monotonic() + reset_seconds

    def _wait_for(self, operation: str) -> float:
        now = self._pace.monotonic()
        wait = self._closed_until.get(operation, now) - now
        windows = self._windows.get(operation, ())
        made = self._made.setdefault(operation, deque())
        longest = max((window.seconds for window in windows), default=0.0)
        while made and made[0] <= now - longest:
            made.popleft()
        for window in windows:
            # The call that has to leave the window before another one fits.
            if len(made) >= window.calls and made[-window.calls] > now - window.seconds:
                wait = max(wait, made[-window.calls] + window.seconds - now)
        return wait


@dataclass(frozen=True)
class Transport:
    """What an adapter makes its calls through."""

    limiter: Limiter
    policy: Policy = field(default_factory=Policy)
    pace: Pace = field(default_factory=Pace)

    def call(self, operation: str, send: Callable[[], T], *, repeatable: bool = True) -> T:
        """Make one call under the account's limits, trying again where that helps.

        send:       makes the call and raises ConnectorError.
        repeatable: False for a call that would make a second thing when its answer was lost.
        Raises what the last try raised.
        """

        def once() -> T:
            self.limiter.acquire(operation)
            return send()

        retrying = Retrying(
            retry=retry_if_exception(lambda fault: self._worth_retrying(fault, repeatable=repeatable)),
            stop=stop_after_attempt(self.policy.attempts),
            wait=self._wait,
            sleep=self.pace.sleep,
            reraise=True,
        )
        return retrying(once)

    def _worth_retrying(self, fault: BaseException, *, repeatable: bool) -> bool:
        if isinstance(fault, Throttled):
            return (fault.retry_after or 0) <= self.policy.longest_wait
        return isinstance(fault, Transient) and repeatable

    def _wait(self, state: RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        backoff = wait_exponential_jitter(
            multiplier=self.policy.first_wait, max=self.policy.longest_wait, jitter=self.policy.first_wait
        )(state)
        if isinstance(fault, Throttled) and fault.retry_after is not None:
            # Jitter on top, so that two workers told the same do not come back together.
            return fault.retry_after + min(backoff, self.policy.first_wait)
        if isinstance(fault, Transient) and fault.timed_out:
            return max(backoff, self.policy.after_timeout)
        return backoff
