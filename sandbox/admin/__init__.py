"""The sandbox's Shopify admin: the page around an embedded app, and the scripts that it loads."""

from sandbox.admin.app import create_app

__all__ = ["create_app"]
