"""What a domain's records say, and what is told to set."""

from __future__ import annotations

import pytest

from app.domain import sender_domain
from app.domain.sender_domain import Wanted

WANTED = Wanted("beans.example", "mail.encore.example", "encore", "encore._domainkey.mail.encore.example", "AAAA")


class TestSpf:
    @pytest.mark.parametrize(
        ("texts", "state"),
        [
            ([], "missing"),
            (["google-site-verification=1", "v=spf10 include:mail.encore.example"], "missing"),
            (["v=spf1 include:mail.encore.example ~all"], "passed"),
            (["V=SPF1 mx +include:Mail.Encore.Example -all", "other"], "passed"),
            (["v=spf1 include:other.example -all"], "wrong"),
            (["v=spf1 -include:mail.encore.example ~all"], "wrong"),
            (["v=spf1 include:mail.encore.example.evil.example ~all"], "wrong"),
            (["v=spf1 include:mail.encore.example ~all", "v=spf1 mx -all"], "wrong"),
        ],
    )
    def test_states(self, texts: list[str], state: str) -> None:
        assert sender_domain.spf(texts, WANTED).state == state


class TestDkim:
    @pytest.mark.parametrize(
        ("texts", "state"),
        [
            ([], "missing"),
            (["hello"], "missing"),
            (["v=DKIM1; k=rsa; p=AAAA"], "passed"),
            (["k=rsa; p=AA AA;"], "passed"),
            (["v=DKIM1; p="], "wrong"),
            (["v=DKIM1; p=BBBB"], "wrong"),
        ],
    )
    def test_states(self, texts: list[str], state: str) -> None:
        assert sender_domain.dkim(texts, WANTED).state == state

    def test_any_key_passes_while_ours_is_not_known(self) -> None:
        unknown = Wanted("beans.example", "x", "encore", "y", None)
        assert sender_domain.dkim(["v=DKIM1; p=BBBB"], unknown).state == "passed"


class TestDmarc:
    @pytest.mark.parametrize(
        ("texts", "state"),
        [
            ([], "missing"),
            (["v=DMARC1; p=none"], "passed"),
            (["v=DMARC1;p=reject;rua=mailto:a@b.example"], "passed"),
            (["v=DMARC1; rua=mailto:a@b.example"], "wrong"),
            (["v=DMARC1; p=maybe"], "wrong"),
            (["v=DMARC1; p=none", "v=DMARC1; p=reject"], "wrong"),
            (["v=DMARC12; p=none"], "missing"),
        ],
    )
    def test_states(self, texts: list[str], state: str) -> None:
        assert sender_domain.dmarc(texts).state == state

    def test_is_looked_for_at_the_domains_above_too(self) -> None:
        assert sender_domain.dmarc_names("a.shop.example") == ["_dmarc.a.shop.example", "_dmarc.shop.example"]
        assert sender_domain.dmarc_names("localhost") == ["_dmarc.localhost"]


class TestRecordsToSet:
    def test_an_spf_record_that_exists_is_kept_and_added_to(self) -> None:
        checks = {"spf": {"found": "v=spf1 mx include:other.example -all"}}
        value = sender_domain.records(WANTED, checks)["spf"].value
        assert value == "v=spf1 include:mail.encore.example mx include:other.example -all"
        assert sender_domain.spf([value], WANTED).state == "passed"

    def test_what_is_told_to_set_passes(self) -> None:
        records = sender_domain.records(WANTED, {})
        assert sender_domain.spf([records["spf"].value], WANTED).state == "passed"
        assert sender_domain.dmarc([records["dmarc"].value]).state == "passed"
        assert (records["dkim"].kind, records["dkim"].name) == ("CNAME", "encore._domainkey.beans.example")
