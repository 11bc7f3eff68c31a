"""A stand-in for Klaviyo's API, revision 2026-07-15: accounts, lists, profiles, bulk imports.

It has the operations with which a list is kept equal to a segment, and none that changes consent:
a call that would subscribe or unsubscribe someone is an unknown route, and so a recorded failure.
"""

from sandbox.klaviyo.app import create_app

__all__ = ["create_app"]
