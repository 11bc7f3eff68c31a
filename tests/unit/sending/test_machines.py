"""Opens and clicks that no person made, and whose opens may be seen."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.machines import clicked_by_machine, may_observe_opens, opened_by_machine

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"
LATER = timedelta(hours=3)


class TestWhoseOpensMayBeObserved:
    @pytest.mark.parametrize(
        ("shop", "customer", "allowed"),
        [
            ("opted_in", "OPTED_IN", True), ("opted_in", "OPTED_OUT", False), ("opted_in", "UNKNOWN", False),
            ("opted_in", None, False), ("unless_opted_out", "OPTED_IN", True), ("unless_opted_out", None, True),
            ("unless_opted_out", "UNKNOWN", True), ("unless_opted_out", "OPTED_OUT", False), ("off", "OPTED_IN", False),
            ("whatever comes", "OPTED_IN", False),
        ],
    )  # fmt: skip
    def test_shop_and_customer_decide(self, shop: str, customer: str | None, allowed: bool) -> None:
        assert may_observe_opens(shop, customer) is allowed


class TestOpens:
    @pytest.mark.parametrize(
        ("agent", "since", "machine"),
        [
            (BROWSER, LATER, False),
            (BROWSER, None, False),
            (BROWSER, timedelta(seconds=9), True),
            ("Mozilla/5.0", LATER, True),
            ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", LATER, True),
            ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", LATER, True),
            ("", LATER, True),
        ],
    )
    def test_proxies_and_haste_tell(self, agent: str, since: timedelta | None, machine: bool) -> None:
        assert opened_by_machine(agent, since) is machine


class TestClicks:
    @pytest.mark.parametrize(
        ("method", "agent", "since", "links", "machine"),
        [
            ("GET", BROWSER, LATER, 1, False),
            ("GET", BROWSER, LATER, 2, False),
            ("GET", BROWSER, timedelta(seconds=90), 1, False),
            ("GET", BROWSER, timedelta(seconds=89), 1, True),
            ("GET", BROWSER, LATER, 3, True),
            ("HEAD", BROWSER, LATER, 1, True),
            ("GET", "python-requests/2.32", LATER, 1, True),
            ("GET", "Mozilla/5.0 (compatible; BarracudaCentral)", LATER, 1, True),
            ("GET", "", LATER, 1, True),
        ],
    )
    def test_method_agent_haste_and_number_tell(
        self, method: str, agent: str, since: timedelta, links: int, machine: bool
    ) -> None:
        assert clicked_by_machine(method, agent, since, links) is machine
