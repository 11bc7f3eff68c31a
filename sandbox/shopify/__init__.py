"""A stand-in for Shopify: tokens, the Admin API on the official schema, bulk operations, webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from flask import Flask

    from sandbox.clock import SandboxClock
    from sandbox.options import SandboxOptions


def create_app(state_dir: Path, clock: SandboxClock, options: SandboxOptions) -> Flask:
    """The stand-in as a Flask app; see `sandbox.shopify.app.create_app`."""
    # here, not above: who only mints an id token should not load the whole Admin schema
    from sandbox.shopify.app import create_app as create  # noqa: PLC0415

    return create(state_dir, clock, options)
