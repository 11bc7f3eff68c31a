"""What every stand-in needs to know about its neighbours and about the app under test."""

from dataclasses import dataclass, field

DEFAULT_BASE_PORT = 4010
SERVICES = ("shopify", "admin", "klaviyo", "mailchimp", "mailbox", "smtp", "dns")
DEFAULT_SCOPES = (
    "read_all_orders",
    "read_orders",
    "read_products",
    "write_customers",
    "write_discounts",
    "write_marketing_events",
)


def ports_from(base: int) -> dict[str, int]:
    """One port per service, counted up from `base`: shopify, admin, klaviyo, mailchimp, mailbox, smtp, dns."""
    return {name: base + step for step, name in enumerate(SERVICES)}


@dataclass(frozen=True)
class SandboxOptions:
    """Addresses, ports, the demo app's credentials and the shops that the Shopify stand-in serves.

    `shops` maps a myshopify.com domain to the kind of records behind it: "demo" (the Complete Journey) or
    "tiny" (a few dozen seeded records). `deliver_webhooks` off keeps deliveries queued, for tests.
    """

    app_url: str = "http://127.0.0.1:4000"
    host: str = "127.0.0.1"
    ports: dict[str, int] = field(default_factory=lambda: ports_from(DEFAULT_BASE_PORT))
    shops: dict[str, str] = field(default_factory=lambda: {"encore-demo.myshopify.com": "demo"})
    api_key: str = "encore-sandbox-key"
    api_secret: str = "encore-sandbox-secret-0123456789abcdef"
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    admin_origin: str = "http://127.0.0.1:4011"
    deliver_webhooks: bool = True
    webhook_backoff_seconds: tuple[float, ...] = (1, 5, 30, 120)

    def url(self, service: str) -> str:
        """The base address of one stand-in, without a trailing slash. KeyError for an unknown service."""
        return f"http://{self.host}:{self.ports[service]}"
