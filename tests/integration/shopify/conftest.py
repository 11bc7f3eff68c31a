"""The Shopify stand-in with the tiny shop, and Encore connected to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.clock import SandboxClock
from sandbox.options import SandboxOptions
from sandbox.shopify.app import create_app
from tests.fakes import FakeClock
from tests.standins import TINY, Connected, connect, fresh_store, port_of, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask import Flask


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, str]]:
    """The stand-in and its address; webhooks stay queued."""
    state = tmp_path_factory.mktemp("shopify")
    ports = {"shopify": 0}
    options = SandboxOptions(shops={TINY: "tiny"}, ports=ports, deliver_webhooks=False)
    app = create_app(state, SandboxClock(state), options)
    with serving(app) as url:
        ports["shopify"] = port_of(url)
        yield app, url
    app.extensions["shopify"].close()


@pytest.fixture
def shop_url(stand_in: tuple[Flask, str]) -> str:
    return stand_in[1]


@pytest.fixture
def shop_clock(stand_in: tuple[Flask, str]) -> FakeClock:
    """A clock that stands at the shop's present."""
    return FakeClock(stand_in[0].extensions["shopify"].clock.now())


@pytest.fixture
def encore(shop_url: str, shop_clock: FakeClock, tmp_path: Path) -> Iterator[Connected]:
    """Encore on an empty store, connected to the stand-in."""
    store = fresh_store(tmp_path)
    connected = connect(shop_url, tmp_path, store, shop_clock)
    yield connected
    connected.close()
    store.close()
