"""Settings are refused at start where they can't work or would be unsafe."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import Settings

GOOD = {
    "keys": "1:a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
    "pepper": "a pepper of some length",
    "shopify_api_key": "key",
    "shopify_api_secret": "secret",
    "public_url": "https://encore.example.com",
}
ENV_EXAMPLE = Path(__file__).parents[3] / ".env.example"


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, **{**GOOD, **values})  # type: ignore[call-arg, arg-type]


class TestProduction:
    def test_good_settings_are_taken(self) -> None:
        assert settings().env == "production"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("app_bridge_url", "http://127.0.0.1:4011/shims/app-bridge.js"),
            ("polaris_url", "https://cdn.shopify.com.evil.example/polaris.js"),
            ("shopify_api_url", "http://127.0.0.1:4010"),
            ("klaviyo_url", "http://127.0.0.1:4012"),
            ("mailchimp_url", "http://127.0.0.1:4013"),
            ("clock_file", "/tmp/clock.json"),  # noqa: S108
            ("public_url", "http://encore.example.com"),
            ("shopify_api_key", ""),
            ("shopify_api_secret", ""),
        ],
    )
    def test_a_sandbox_address_or_a_missing_secret_is_refused(self, name: str, value: str) -> None:
        with pytest.raises(ValidationError):
            settings(**{name: value})

    def test_development_may_use_the_sandbox(self) -> None:
        assert settings(env="development", shopify_api_url="http://127.0.0.1:4010").shopify_api_url


class TestKeys:
    @pytest.mark.parametrize(
        "keys", ["", "1:short", "x:a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=", "0:" + GOOD["keys"][2:]]
    )
    def test_a_malformed_ring_is_refused(self, keys: str) -> None:
        with pytest.raises(ValidationError):
            settings(keys=keys)

    def test_a_short_pepper_is_refused(self) -> None:
        with pytest.raises(ValidationError):
            settings(pepper="short")

    def test_secrets_never_show_in_the_settings_text(self) -> None:
        assert "a2tra" not in repr(settings())
        assert "some length" not in repr(settings())


class TestTheExampleFile:
    def test_it_documents_every_setting_and_no_other(self) -> None:
        lines = ENV_EXAMPLE.read_text(encoding="utf-8").splitlines()
        named = {line.lstrip("# ").split("=")[0] for line in lines if "ENCORE_" in line and "=" in line}
        assert named == {f"ENCORE_{name.upper()}" for name in Settings.model_fields}
