"""Fixtures of the page tests: the built pages in Chromium over answers that the test chooses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.e2e.pages import fake_api
from tests.e2e.running_demo import RunningDemo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask
    from playwright.sync_api import FrameLocator, Page


@pytest.fixture(scope="session")
def built() -> None:
    """The pages and the shims, built. Their absence fails in CI and skips elsewhere."""
    missing = [
        command
        for present, command in (
            (fake_api.BUILT / ".vite" / "manifest.json", "npm ci && npm run build in embedded_ui"),
            (fake_api.SHIMS / "polaris.js", "npm ci && npm run build in sandbox/shims"),
        )
        if not present.exists()
    ]
    if missing:
        message = "Not built: run " + " and ".join(missing)
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture
def api(built: None) -> fake_api.FakeApi:
    """The answers; full until the test changes them."""
    return fake_api.FakeApi()


@pytest.fixture
def go(api: fake_api.FakeApi, serve: Callable[[Flask], str], page: Page) -> Iterator[Callable[[str], Page]]:
    """Opens an address of the app in the browser."""
    base = serve(fake_api.create_app(api))

    def open_page(path: str) -> Page:
        page.goto(base + path)
        return page

    yield open_page
    api.release()


@pytest.fixture(scope="session")
def tiny(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """Encore over the sandbox, installed in the tiny shop, imported and refreshed; nothing made in it yet."""
    demo = RunningDemo(tmp_path_factory.mktemp("tiny"), "tiny").start()
    yield demo
    demo.interrupt()


@pytest.fixture
def encore(tiny: RunningDemo, page: Page) -> Callable[[str], FrameLocator]:
    """Opens one of Encore's pages within the admin of the tiny shop; returns the app's frame."""

    def open_at(path: str) -> FrameLocator:
        page.goto(tiny.url + path.rstrip("/"))
        return page.frame_locator("#app-frame")

    return open_at
