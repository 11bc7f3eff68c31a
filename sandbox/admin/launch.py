"""Where the admin's iframe points: the app's address with the signed launch query."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

from sandbox.options import SandboxOptions
from sandbox.shopify.install import DEMO_USER_ID
from sandbox.shopify.tokens import mint_id_token

LAUNCH_PARAMETERS = frozenset({"embedded", "hmac", "host", "id_token", "locale", "session", "shop", "timestamp"})
_STORE = re.compile(r"[a-z0-9][a-z0-9-]*\Z")


def shop_domain(store: str, options: SandboxOptions) -> str | None:
    """The myshopify.com domain of a store name; None for a store that the sandbox does not serve."""
    domain = f"{store}.myshopify.com"
    return domain if _STORE.match(store) and domain in options.shops else None


def session_token(shop: str, options: SandboxOptions) -> str:
    """A fresh session token for `shop`'s one staff member, good for a minute of real time."""
    return mint_id_token(shop, DEMO_USER_ID, api_key=options.api_key, api_secret=options.api_secret)


def frame_address(path: str, own: Iterable[tuple[str, str]], launch: Mapping[str, str], options: SandboxOptions) -> str:
    """The app's address for `path`, with the deep link's `own` parameters and the `launch` ones.

    Parameters of a launch in `own` are dropped: they would be older than the ones in `launch`.
    """
    kept = [(name, value) for name, value in own if name not in LAUNCH_PARAMETERS]
    query = urlencode([*kept, *launch.items()])
    return f"{options.app_url.rstrip('/')}/{path}?{query}"
