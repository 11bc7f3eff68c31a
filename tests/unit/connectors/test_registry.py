"""Which vendors there are, and what a key has to look like."""

from __future__ import annotations

import pytest

from connectors.base import Misconfigured
from connectors.mailchimp import Mailchimp
from connectors.registry import CONNECTORS, VendorConnectors


class TestRegistry:
    def test_every_vendor_describes_itself_under_its_name(self) -> None:
        for name, (description, _) in CONNECTORS.items():
            assert description.name == name
            assert description.permissions
            assert "Encore never" in description.consent
            opened = VendorConnectors().open(name, {"api_key": "some-key"})
            assert opened.describe() is description
            opened.close()

    def test_an_unknown_vendor_is_refused(self) -> None:
        with pytest.raises(Misconfigured, match="no connector"):
            VendorConnectors().open("pigeon_post", {"api_key": "x"})

    @pytest.mark.parametrize("key", ["", "  ", "two words", "schlüssel", "line\nbreak"])
    def test_what_can_be_no_key_is_refused_before_any_call(self, key: str) -> None:
        with pytest.raises(Misconfigured, match="API key"):
            VendorConnectors().open("klaviyo", {"api_key": key})

    @pytest.mark.parametrize(
        ("key", "host"),
        [
            ("0123abc-us21", "https://us21.api.mailchimp.com/3.0"),
            ("0123abc", "https://api.mailchimp.com/3.0"),
            ("0123abc-evil.example/", "https://api.mailchimp.com/3.0"),
        ],
    )
    def test_a_mailchimp_key_names_its_data_centre(self, key: str, host: str) -> None:
        opened = VendorConnectors().open("mailchimp", {"api_key": key})
        assert isinstance(opened, Mailchimp)
        assert opened._client.host == host
        opened.close()
