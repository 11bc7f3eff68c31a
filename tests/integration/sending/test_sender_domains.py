"""Domains are looked up at a real name server, and what it says decides how much may leave."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from flask import g
from sqlalchemy import select

from app.api.app import create_app
from app.errors import Conflict
from app.mail.dns import Dns
from app.services import campaigns, plan_sends, send_due, sender_domains, senders_health, sending_limits
from app.store import outbox
from app.store.models.mail_events import SendingHour
from app.store.models.sending import Message
from sandbox.clock import SandboxClock
from sandbox.dns import start_dns
from sandbox.options import SandboxOptions, ports_from
from tests.integration.sending.world import COFFEE, LONG_AGO, TEA, World, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.dns.server import NameServer

DOMAIN, OWN = "beans.example", "encore.example"


@pytest.fixture
def names(tmp_path: Path) -> Iterator[NameServer]:
    options = SandboxOptions(app_url="https://encore.example", ports={**ports_from(4010), "dns": 0})
    server = start_dns(tmp_path / "dns", SandboxClock(tmp_path), options)
    yield server
    server.stop()


@pytest.fixture
def shop(world: World, names: NameServer, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world that asks this name server and keeps the daily limits."""
    monkeypatch.setattr("app.mail.dns.ANSWER_SECONDS", 0.2)
    monkeypatch.setattr("app.mail.dns.WHOLE_SECONDS", 0.3)
    world.rooms = replace(world.rooms, names=Dns(names.address), settings=settings(daily_limits=True))
    return world


def states(shop: World) -> dict[str, str]:
    checks = sender_domains.check(shop.rooms, shop.ctx, DOMAIN, OWN)
    return {name: checks[name]["state"] for name in ("spf", "dkim", "dmarc")}


class TestChecks:
    def test_a_domain_that_is_set_up_passes(self, shop: World) -> None:
        assert states(shop) == {"spf": "passed", "dkim": "passed", "dmarc": "passed"}

    def test_each_record_is_looked_at_for_itself(self, shop: World, names: NameServer) -> None:
        names.zone.set(DOMAIN, "TXT", ["v=spf1 -all"])
        names.zone.set(f"encore._domainkey.{DOMAIN}", "TXT", ["v=DKIM1; p=OTHER"])
        names.zone.set(f"_dmarc.{DOMAIN}", "TXT", [])
        assert states(shop) == {"spf": "wrong", "dkim": "wrong", "dmarc": "missing"}

    @pytest.mark.parametrize("fault", ["silent", "servfail"])
    def test_a_name_server_in_trouble_says_neither_yes_nor_no(self, shop: World, names: NameServer, fault: str) -> None:
        names.zone.fail(DOMAIN, fault)  # type: ignore[arg-type]
        assert set(states(shop).values()) == {"unreachable"}

    def test_silence_takes_nothing_back_and_a_no_does(self, shop: World, names: NameServer) -> None:
        states(shop)
        names.zone.fail(DOMAIN, "servfail")
        assert sender_domains.is_aligned(sender_domains.check(shop.rooms, shop.ctx, DOMAIN, OWN))
        names.zone.fail(DOMAIN, "nxdomain")
        assert not sender_domains.is_aligned(sender_domains.check(shop.rooms, shop.ctx, DOMAIN, OWN))
        names.zone.fail(DOMAIN, "servfail")
        assert not sender_domains.is_aligned(sender_domains.check(shop.rooms, shop.ctx, DOMAIN, OWN))

    def test_the_card_shows_what_to_set_and_when_it_was_looked_up(self, shop: World, names: NameServer) -> None:
        sender = shop.sender()
        (before,) = senders_health.listing(shop.rooms, shop.ctx)
        assert (before.checked_at, {check.state for check in before.checks}) == (None, {"not_checked"})
        names.zone.set(f"encore._domainkey.{DOMAIN}", "TXT", [])
        found = senders_health.check(shop.rooms, shop.ctx, sender)
        dkim = next(check for check in found.checks if check.name == "dkim")
        assert (dkim.state, dkim.record_type, dkim.record_name, dkim.record_value) == (
            "missing", "CNAME", f"encore._domainkey.{DOMAIN}", "encore._domainkey.encore.example",
        )  # fmt: skip
        assert found.checked_at == shop.clock.now()
        assert (found.stage, found.limit_today) == ("no_dkim", 499)

    def test_a_confirmed_address_has_its_domain_looked_up(self, shop: World) -> None:
        shop.sender()
        assert (1, "check_domain", DOMAIN) in shop.jobs.asked

    def test_nobody_is_asked_about_an_address_that_is_not_confirmed(self, shop: World) -> None:
        with pytest.raises(Conflict):
            senders_health.check(shop.rooms, shop.ctx, shop.sender(verified=False))

    def test_free_mail_is_judged_by_the_domain_that_it_goes_out_from(self, shop: World) -> None:
        shop.sender("ann@gmail.com")
        (found,) = senders_health.listing(shop.rooms, shop.ctx)
        assert (found.domain, found.on_behalf) == (OWN, True)

    def test_over_http(self, shop: World) -> None:
        sender = shop.sender()

        def authenticate() -> None:
            g.shop = shop.ctx

        client = create_app(shop.rooms, authenticate, []).test_client()
        checked = client.post(f"/api/deliverability/senders/{sender}/check").json
        assert [check["state"] for check in checked["checks"]] == ["passed"] * 3
        assert client.get("/api/deliverability/senders").json["items"] == [checked]
        assert client.get("/api/senders").json["items"][0]["domain_checks"]["dkim"] == "passed"
        assert client.post("/api/deliverability/senders/snd_99/check").status_code == 404


class TestWarmUp:
    @pytest.mark.parametrize(
        ("best", "limit"),
        [(0, 1_000), (749, 1_000), (750, 2_000), (1_000, 2_000), (1_499, 2_000), (1_500, 4_000), (95_999, 128_000),
         (96_000, None)],
    )  # fmt: skip
    def test_a_day_that_uses_three_quarters_leads_to_the_next_step(self, best: int, limit: int | None) -> None:
        step = sending_limits.step_after(best)
        table = sending_limits.WARM_UP
        assert (table[step] if step < len(table) else None) == limit

    def test_full_days_lead_through_every_step_even_if_workers_pass_a_limit_by_a_batch_each(self) -> None:
        table = sending_limits.WARM_UP
        for over in (0, send_due.WORKERS * outbox.MAX_BATCH):
            assert [sending_limits.step_after(limit + over) for limit in table] == list(range(1, len(table) + 1))

    def count(self, shop: World, number: int) -> None:
        with shop.store.session(shop.ctx) as session:
            sending_limits.count(session, shop.ctx, shop.clock.now(), {DOMAIN: number})

    def queued(self, shop: World) -> dict[int, object]:
        with shop.store.reading(shop.ctx) as session:
            rows = session.scalars(select(Message).where(Message.state == "queued"))
            return {row.customer_no: row.not_before for row in rows}

    def waiting(self, shop: World, count: int) -> None:
        shop.campaign(shop.coffee_drinkers(count), name="A")
        plan_sends.plan(shop.rooms, shop.ctx)

    def test_what_is_beyond_the_day_waits_for_the_next_and_is_not_lost(self, shop: World) -> None:
        self.waiting(shop, 5)
        sender_domains.check(shop.rooms, shop.ctx, DOMAIN, OWN)
        self.count(shop, 997)
        assert send_due.send(shop.rooms, shop.ctx).sent == 3
        later = self.queued(shop)
        assert len(later) == 2
        (midnight,) = set(later.values())
        assert midnight == shop.clock.now().replace(hour=5) + timedelta(days=1)  # the shop's, in New York
        assert send_due.send(shop.rooms, shop.ctx).sent == 0
        shop.clock.advance(timedelta(hours=17))
        assert send_due.send(shop.rooms, shop.ctx).sent == 2

    def test_without_dkim_it_stays_below_five_hundred(self, shop: World) -> None:
        self.waiting(shop, 5)
        self.count(shop, 497)
        assert send_due.send(shop.rooms, shop.ctx).sent == 2

    def test_one_domain_at_its_limit_holds_up_no_other(self, shop: World) -> None:
        shop.customer(50)
        shop.bought(50, COFFEE, LONG_AGO)
        shop.pair(50, TEA, "cross_sell", 0.5, because_product_no=COFFEE, lift=2.0)
        shop.campaign(shop.coffee_drinkers(3), name="Coffee")
        other = shop.sender("hello@other.example")
        tea = shop.campaign(shop.segment("buy_new:102", "cross_sell", [50], TEA), name="Tea", active=False)
        campaigns.change(shop.rooms, shop.ctx, tea, {"sender_id": other})
        campaigns.activate(shop.rooms, shop.ctx, tea)
        plan_sends.plan(shop.rooms, shop.ctx)
        self.count(shop, 499)
        assert send_due.send(shop.rooms, shop.ctx).sent == 1
        assert [e.mail_from for e in shop.transport.taken] == ["hello@other.example"]
        assert set(self.queued(shop)) == {1, 2, 3}
        resumes = {f.domain: f.resumes_at is not None for f in senders_health.listing(shop.rooms, shop.ctx)}
        assert resumes == {DOMAIN: True, "other.example": False}

    def test_the_shop_s_own_hourly_limit_holds(self, shop: World) -> None:
        self.waiting(shop, 12)
        senders_health.choose(shop.rooms, shop.ctx, {"hourly_limit": 10})
        assert send_due.send(shop.rooms, shop.ctx).sent == 10
        assert send_due.send(shop.rooms, shop.ctx).sent == 0
        shop.clock.advance(timedelta(hours=1))
        assert send_due.send(shop.rooms, shop.ctx).sent == 2

    def test_what_left_is_counted_by_hour_and_domain(self, shop: World) -> None:
        self.waiting(shop, 3)
        send_due.send(shop.rooms, shop.ctx)
        with shop.store.reading(shop.ctx) as session:
            (row,) = session.scalars(select(SendingHour))
        assert (row.domain, row.hour, row.handed_over) == (DOMAIN, shop.clock.now().replace(minute=0), 3)
