"""The one pooled HTTP client towards Shopify, and the seam through which a sandbox takes its place."""

from __future__ import annotations

import httpx

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
# A token is refreshed while its row is locked, on SQLite the whole store: shorter than what a writer waits.
TOKEN_READ_SECONDS = 10.0


class SandboxTransport(httpx.BaseTransport):
    """Sends what is meant for `https://{shop}.myshopify.com` to a stand-in; the Host header keeps the shop."""

    def __init__(self, base_url: str) -> None:
        self._base = httpx.URL(base_url)
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Forward one request with its address rewritten."""
        host = self._base.host
        if request.url.host != host:
            request.headers["Host"] = request.url.host
            request.url = request.url.copy_with(scheme=self._base.scheme, host=host, port=self._base.port)
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the pooled connections."""
        self._inner.close()


def make_client(sandbox_url: str = "", read_seconds: float = READ_SECONDS) -> httpx.Client:
    """A pooled client with explicit timeouts; redirects are never followed."""
    transport = SandboxTransport(sandbox_url) if sandbox_url else None
    timeout = httpx.Timeout(read_seconds, connect=CONNECT_SECONDS)
    return httpx.Client(transport=transport, timeout=timeout, follow_redirects=False)
