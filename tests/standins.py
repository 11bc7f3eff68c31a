"""Real servers on loopback for tests: a stand-in on a free port, and Encore's rooms connected to it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shopify_app import ShopifyApp

from app.lake.lake import Lake
from app.services.rooms import Rooms
from app.settings import Settings
from app.shopify.bulk import BulkExports
from app.shopify.consent import ShopifyConsent
from app.shopify.discounts import ShopifyDiscounts
from app.shopify.graphql import AdminApi
from app.shopify.http import make_client
from app.shopify.importer import ShopifyImport
from app.shopify.install import Installer
from app.shopify.marketing import ShopifyMarketing
from app.shopify.session_tokens import verify
from app.shopify.tokens import Tokens
from app.store.crypto import Vault
from app.store.schema import metadata
from app.store.session import Store
from tests.fakes import FakeJobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx
    from flask import Flask

    from app.domain.clock import Clock
    from app.domain.context import ShopContext

TINY = "encore-tiny.myshopify.com"
KEY, SECRET = "encore-sandbox-key", "encore-sandbox-secret-0123456789abcdef"


def port_of(url: str) -> int:
    """The port of an address."""
    return urlsplit(url).port or 0


@contextmanager
def serving(app: Flask, threads: int = 4) -> Iterator[str]:
    """Serve a Flask app on a free loopback port; yields its address."""
    from sandbox.web import WebServer

    server = WebServer(app, "127.0.0.1", 0, threads).start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()


def settings_for(folder: Path, **values: object) -> Settings:
    """Settings of a test: the sandbox's key and secret, data in a folder of the test's own."""
    given: dict[str, object] = {
        "env": "development",
        "data_dir": folder,
        "keys": "1:" + "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
        "pepper": "pepper-of-the-tests",
        "shopify_api_key": KEY,
        "shopify_api_secret": SECRET,
        **values,
    }
    return Settings(_env_file=None, **given)  # type: ignore[call-arg, arg-type] # pydantic reads it by name


@dataclass
class Connected:
    """Encore's Shopify room, connected to a stand-in."""

    rooms: Rooms
    client: httpx.Client
    tokens: Tokens
    api: AdminApi
    exports: BulkExports
    installer: Installer
    jobs: FakeJobs

    def importer(self, border: Callable[[str], None] = lambda _: None) -> ShopifyImport:
        """An importer that calls `border` at every stage border."""
        return ShopifyImport(self.rooms, self.api, self.exports, self.rooms.settings.data_dir / "imports", border)

    def install(self, domain: str = TINY) -> ShopContext:
        """Install the app in a shop as a visit from the admin does."""
        from sandbox.shopify.tokens import mint_id_token

        token = mint_id_token(domain, 42)
        return self.installer.ensure(verify(token, KEY, SECRET))

    def close(self) -> None:
        self.client.close()


def connect(url: str, folder: Path, store: Store, clock: Clock) -> Connected:
    """Encore's rooms on a store, its Shopify calls sent to the stand-in at `url`."""
    settings = settings_for(folder, shopify_api_url=url)
    vault = Vault(settings.key_ring(), settings.pepper.get_secret_value().encode())
    client = make_client(url)
    app = ShopifyApp(KEY, SECRET)
    tokens = Tokens(app, client, store, vault, clock)
    api = AdminApi(app, client, tokens, sleep=_short)
    jobs = FakeJobs()
    rooms = Rooms(
        settings=settings,
        clock=clock,
        store=store,
        lake=Lake(settings.lake_dir),
        vault=vault,
        jobs=jobs,
        connectors=None,  # type: ignore[arg-type] # an import sends nothing
        transport=None,  # type: ignore[arg-type] # an import mails nobody
        consent_writer=ShopifyConsent(api, store),
        discount_shop=ShopifyDiscounts(api, sleep=_blink),
        marketing_shop=ShopifyMarketing(api),
    )
    return Connected(
        rooms, client, tokens, api, BulkExports(api, client, sleep=_blink), Installer(rooms, api, tokens), jobs
    )


def _short(seconds: float) -> None:
    threading.Event().wait(min(seconds, 0.2))


def _blink(_seconds: float) -> None:
    threading.Event().wait(0.02)


def fresh_store(folder: Path) -> Store:
    """A SQLite store with all tables."""
    store = Store(f"sqlite:///{folder / 'encore.sqlite3'}")
    metadata().create_all(store.engine)
    return store
