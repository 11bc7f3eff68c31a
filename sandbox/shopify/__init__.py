"""A stand-in for Shopify: tokens, the Admin API on the official schema, bulk operations, webhooks."""

from sandbox.shopify.app import create_app

__all__ = ["create_app"]
