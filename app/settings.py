"""Settings: the environment, read once, typed, and refused at start where it makes no sense.

Every variable is documented in `.env.example`; a test compares the two.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

AES_KEY_BYTES = 32
MIN_PEPPER_BYTES = 16
LOCAL_ENV = ".encore/local.env"
CDN_HOST = "cdn.shopify.com"


class Settings(BaseSettings):
    """Encore's settings, from environment variables with the prefix ENCORE_ (and a .env file)."""

    # The environment wins over .env, .env over what the demo keeps for the command line.
    model_config = SettingsConfigDict(
        env_prefix="ENCORE_", env_file=(LOCAL_ENV, ".env"), extra="ignore", frozen=True, hide_input_in_errors=True
    )

    env: Literal["production", "development"] = "production"
    data_dir: Path = Path(".encore/data")
    database_url: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=4000, ge=1, le=65535)
    public_url: str = "http://127.0.0.1:4000"
    web_threads: int = Field(default=8, ge=1, le=64)
    workers: int = Field(default=2, ge=1, le=64)

    keys: SecretStr = SecretStr("")
    pepper: SecretStr = SecretStr("")

    shopify_api_key: str = ""
    shopify_api_secret: SecretStr = SecretStr("")
    shopify_api_url: str = ""
    admin_origin: str = "https://admin.shopify.com"
    app_bridge_url: str = f"https://{CDN_HOST}/shopifycloud/app-bridge.js"
    polaris_url: str = f"https://{CDN_HOST}/shopifycloud/polaris-1.js"

    klaviyo_url: str = ""
    mailchimp_url: str = ""
    smtp_url: str = ""
    mail_url: str = ""
    bounce_address: str = ""
    bounce_mailbox: SecretStr = SecretStr("")
    sns_topics: str = ""
    dns_server: str = ""
    spf_include: str = ""
    dkim_selector: str = Field(default="encore", pattern=r"^[A-Za-z0-9-]{1,63}$")
    daily_limits: bool = True
    sending_epoch: str = ""
    clock_file: Path | None = None
    export_dir: Path | None = None

    @field_validator("clock_file", "export_dir", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value  # as a path it would be the folder that the process was started in

    @model_validator(mode="after")
    def _refuse_what_cannot_work(self) -> Self:
        self.key_ring()
        if len(self.pepper.get_secret_value().encode()) < MIN_PEPPER_BYTES:
            raise ValueError(f"ENCORE_PEPPER needs at least {MIN_PEPPER_BYTES} bytes")
        if self.env == "production":
            self._refuse_sandbox()
        return self

    def _refuse_sandbox(self) -> None:
        for name in ("app_bridge_url", "polaris_url"):
            parts = urlsplit(getattr(self, name))
            if parts.scheme != "https" or parts.hostname != CDN_HOST:
                raise ValueError(f"ENCORE_{name.upper()} must be Shopify's CDN in production")
        for name in ("shopify_api_url", "klaviyo_url", "mailchimp_url", "clock_file"):
            if getattr(self, name):
                raise ValueError(f"ENCORE_{name.upper()} is for the sandbox and refused in production")
        if not self.daily_limits:
            raise ValueError("ENCORE_DAILY_LIMITS=false is for the sandbox and refused in production")
        if urlsplit(self.public_url).scheme != "https":
            raise ValueError("ENCORE_PUBLIC_URL must be https in production: unsubscribe links need it")
        for name in ("shopify_api_key", "shopify_api_secret"):
            value = getattr(self, name)
            if not (value.get_secret_value() if isinstance(value, SecretStr) else value):
                raise ValueError(f"ENCORE_{name.upper()} is missing")

    def key_ring(self) -> dict[int, bytes]:
        """The AES keys by number, from `1:BASE64,2:BASE64`. Raises ValueError on a malformed ring."""
        ring: dict[int, bytes] = {}
        for part in filter(None, self.keys.get_secret_value().split(",")):
            number, _, encoded = part.partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
                ring[int(number)] = key
            except (ValueError, binascii.Error) as fault:
                raise ValueError("ENCORE_KEYS must look like 1:BASE64,2:BASE64") from fault
            if len(key) != AES_KEY_BYTES or not 1 <= int(number) <= 255:  # noqa: PLR2004 - one byte names the key
                raise ValueError("each key of ENCORE_KEYS is 32 bytes, numbered 1 to 255")
        if not ring:
            raise ValueError("ENCORE_KEYS is missing; `openssl rand -base64 32` makes a key")
        return ring

    @property
    def store_url(self) -> str:
        """The SQLAlchemy URL: the setting, or SQLite in the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'encore.sqlite3'}"

    @property
    def outgoing(self) -> str:
        """Where mail goes: the mail address if there is one, else the SMTP one; empty: files in the data folder."""
        return self.mail_url or self.smtp_url

    @property
    def topics(self) -> frozenset[str]:
        """The SNS topics that reports are taken from."""
        return frozenset(part.strip() for part in self.sns_topics.split(",") if part.strip())

    @property
    def lake_dir(self) -> Path:
        """Where the Delta tables live."""
        return self.data_dir / "lake"

    @property
    def imports_dir(self) -> Path:
        """Where exports lie while an import runs; they hold personal data."""
        return self.data_dir / "imports"

    @property
    def kept_exports_dir(self) -> Path:
        """Where downloads of segments lie for a day, sealed."""
        return self.data_dir / "exports"


def make_local_settings() -> Path | None:
    """Make keys for this machine where nothing is set up yet; returns the file, or None if something is.

    So that the embedded default works from the first command. Production sets ENCORE_KEYS itself and never
    comes here.
    """
    file = Path(LOCAL_ENV)
    if any(name.startswith("ENCORE_") for name in os.environ) or file.exists() or Path(".env").exists():
        return None
    key = base64.b64encode(secrets.token_bytes(AES_KEY_BYTES)).decode()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    text = f"ENCORE_ENV=development\nENCORE_KEYS=1:{key}\nENCORE_PEPPER={secrets.token_hex(AES_KEY_BYTES)}\n"
    file.write_text(text, encoding="utf-8")
    return file
