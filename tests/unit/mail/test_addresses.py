"""One mailbox, one spelling."""

from __future__ import annotations

import pytest

from app.domain.addresses import mail_address, normal_address


class TestNormalAddress:
    @pytest.mark.parametrize(
        "spelling", ["ann@bücher.example", " ANN@BÜCHER.example ", "Ann@xn--bcher-kva.example", "ann@bücher。example"]
    )
    def test_is_the_same_for_every_spelling(self, spelling: str) -> None:
        assert normal_address(spelling) == "ann@xn--bcher-kva.example"

    def test_keeps_domains_apart_that_the_standard_of_2003_confused(self) -> None:
        assert normal_address("a@straße.de") == "a@xn--strae-oqa.de"
        assert normal_address("a@strasse.de") == "a@strasse.de"

    @pytest.mark.parametrize("text", ["", " Nobody ", "jörg@Example.com", "a@-ü-.example", "@", "a@" + "ü" * 300])
    def test_takes_any_text(self, text: str) -> None:
        assert normal_address(text) == text.strip().lower()


class TestMailAddress:
    def test_keeps_the_local_part_as_written(self) -> None:
        assert mail_address("Ann.Lee@Example.COM") == "Ann.Lee@example.com"

    @pytest.mark.parametrize("text", ["", "ann", "@example.com", "jörg@example.com", "a@-ü-.example"])
    def test_refuses_what_mail_cannot_carry(self, text: str) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - the kind is the contract
            mail_address(text)
