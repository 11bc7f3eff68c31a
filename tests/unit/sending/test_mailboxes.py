"""Which provider keeps a mailbox, as its address says."""

from __future__ import annotations

import pytest

from app.domain.mailboxes import provider_of


@pytest.mark.parametrize(
    ("address", "provider"),
    [
        ("ann@gmail.com", "gmail"), ("Ann@GoogleMail.com ", "gmail"), ("ann@hotmail.co.uk", "outlook"),
        ("ann@live.com.mx", "outlook"), ("ann@outlook.de", "outlook"), ("ann@msn.com", "outlook"),
        ("ann@yahoo.co.jp", "yahoo"), ("ann@aol.com", "yahoo"), ("ann@me.com", "icloud"),
        ("ann@beans.example", "other"), ("ann@yahoo.beans.example", "other"), ("ann@live.beans", "other"),
        ("ann@gmail.com.evil.example", "other"), ("ann@notgmail.com", "other"), ("yahoo.com", "yahoo"), ("", "other"),
    ],
)  # fmt: skip
def test_a_provider_is_known_by_the_whole_domain(address: str, provider: str) -> None:
    assert provider_of(address) == provider
