"""How the admin opens an embedded app: the query it adds to the app's address, signed with the app's secret."""

import base64
import hashlib
import hmac
import time
from urllib.parse import urlencode

from sandbox.options import SandboxOptions
from sandbox.shopify.tokens import mint_id_token

DEMO_USER_ID = 42


def sign_query(query: dict[str, str], api_secret: str) -> str:
    """The `hmac` parameter over a query: hex HMAC-SHA256 of the sorted, encoded parameters without it."""
    message = urlencode(sorted((key, value) for key, value in query.items() if key != "hmac"))
    return hmac.new(api_secret.encode(), message.encode(), hashlib.sha256).hexdigest()


def admin_host(shop: str, options: SandboxOptions) -> str:
    """The `host` parameter: base64 of the admin's host and path for this shop, unpadded."""
    origin = options.admin_origin.split("://", 1)[-1]
    return base64.urlsafe_b64encode(f"{origin}/store/{shop.split('.', maxsplit=1)[0]}".encode()).decode().rstrip("=")


def signed_launch_query(
    shop: str,
    host: str | None = None,
    locale: str = "en",
    *,
    options: SandboxOptions | None = None,
    user_id: int = DEMO_USER_ID,
) -> dict[str, str]:
    """The query of the first document load of the embedded app, with a fresh id token and the signature.

    shop: the myshopify.com domain. host: as `admin_host` gives it, which is used if left out.
    options: the app's key and secret and the admin's origin; the demo's own if left out.
    """
    options = options or SandboxOptions()
    query = {
        "embedded": "1",
        "host": host or admin_host(shop, options),
        "id_token": mint_id_token(shop, user_id, api_key=options.api_key, api_secret=options.api_secret),
        "locale": locale,
        "session": hashlib.sha256(f"{shop}{user_id}".encode()).hexdigest(),
        "shop": shop,
        "timestamp": str(int(time.time())),
    }
    return {**query, "hmac": sign_query(query, options.api_secret)}
