"""Fixtures of the page tests: the built pages in Chromium over answers that the test chooses."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.running_demo import RunningDemo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from flask import Flask
    from playwright.sync_api import FrameLocator, Page


def _load(name: str) -> ModuleType:
    """A module beside this file; the tests' folders are no packages."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


fake_api = _load("fake_api")


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
def api(built: None) -> Iterator[fake_api.FakeApi]:
    """The answers; full until the test changes them."""
    answers = fake_api.FakeApi()
    yield answers
    answers.release()


@pytest.fixture
def go(api: fake_api.FakeApi, serve: Callable[[Flask], str], page: Page) -> Callable[[str], Page]:
    """Opens an address of the app in the browser."""
    base = serve(fake_api.create_app(api))

    def open_page(path: str) -> Page:
        page.goto(base + path)
        return page

    return open_page


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
