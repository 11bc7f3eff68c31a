"""A stand-in for Mailchimp's Marketing API 3.0: audiences, members, tags, merge fields, batches."""

from sandbox.mailchimp.app import create_app

__all__ = ["create_app"]
