"""The adapters against the stand-ins over real HTTP."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from connectors.base import Member
from connectors.registry import VendorConnectors
from connectors.transport import Pace, Policy
from sandbox.klaviyo import create_app as klaviyo_app
from sandbox.mailchimp import create_app as mailchimp_app
from tests.contract.standins.conftest import run  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connectors.base import AudienceDestination, Outcome
    from tests.contract.standins.conftest import Running

KEYS = {"klaviyo": "pk_sandbox", "mailchimp": "sandbox-us1"}


class QuickPace:
    """Real time that waits by jumping: sleeping moves the clock and takes no time."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return time.monotonic() + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def pace() -> QuickPace:
    return QuickPace()


@pytest.fixture
def connectors_for(pace: QuickPace) -> Callable[..., VendorConnectors]:
    """The registry pointed at a stand-in, with short timeouts and waits that take no time."""

    def build(vendor: str, standin: Running, **policy: Any) -> VendorConnectors:
        return VendorConnectors(
            {vendor: standin.url},
            Policy(**{"read_timeout": 10.0, **policy}),
            Pace(pace.monotonic, pace.sleep),
        )

    return build


@pytest.fixture
def klaviyo(run: Any) -> Iterator[Running]:  # noqa: F811
    with run(klaviyo_app) as standin:
        yield standin


@pytest.fixture
def mailchimp(run: Any) -> Iterator[Running]:  # noqa: F811
    with run(mailchimp_app) as standin:
        yield standin


def opened(connectors: VendorConnectors, vendor: str, key: str | None = None) -> AudienceDestination:
    return connectors.open(vendor, {"api_key": key or KEYS[vendor]})


def sent(batches: Iterator[list[Outcome]]) -> list[Outcome]:
    return [outcome for batch in batches for outcome in batch]


def results(outcomes: list[Outcome]) -> dict[int, str]:
    return {outcome.key: outcome.result for outcome in outcomes}


def people(count: int, **fields: Any) -> list[Member]:
    return [Member(key=n, email=f"ann{n}@example.com", first_name="Ann", **fields) for n in range(1, count + 1)]
