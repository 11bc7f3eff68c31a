"""Calls to the Admin API: throttled, retried, and never silent about partial answers.

Shopify's package sends the request; what it leaves to its user is done here: THROTTLED arrives as
HTTP 200 and must be waited out by the cost that it names, plain 500 and network faults are worth a
second try, and an answer with both data and errors is an error.
Reference: https://shopify.dev/docs/api/usage/limits#graphql-admin-api-rate-limits
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from app.errors import NotAuthorised, Unavailable
from app.shopify.documents import API_VERSION, operations

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from shopify_app import ShopifyApp

    from app.domain.context import ShopContext
    from app.shopify.tokens import Tokens

log = structlog.get_logger()

ATTEMPTS = 6
MAX_WAIT_SECONDS = 60.0


class Throttled(Exception):
    """Shopify asks to wait this many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"throttled for {seconds:.1f} s")
        self.seconds = seconds


class Transient(Exception):
    """A fault of the network or of Shopify's servers."""


class Refused(Unavailable):
    """Shopify understood the request and refused it; trying again changes nothing."""

    code = "shopify_refused"


class AdminApi:
    """The Admin API of every connected shop.

    sleep: waits between attempts; tests give one that only counts.
    """

    def __init__(
        self, app: ShopifyApp, client: httpx.Client, tokens: Tokens, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._app, self._client, self._tokens, self._sleep = app, client, tokens, sleep

    def run(self, ctx: ShopContext, operation: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run one of our operations; returns `data`.

        Raises NotAuthorised (a merchant must open the app), Refused (scopes, wrong document) or
        Unavailable after the last attempt.
        """
        retrying = Retrying(
            retry=retry_if_exception_type((Throttled, Transient)),
            stop=stop_after_attempt(ATTEMPTS),
            wait=_wait,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(self._once, ctx, operation, variables or {})
        except (Throttled, Transient) as fault:
            raise Unavailable("Shopify does not answer now. Encore tries again by itself; nothing is lost.") from fault

    def _once(self, ctx: ShopContext, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        token = self._tokens.access_token(ctx)
        result = self._app.admin_graphql_request(
            operations()[operation],
            shop=ctx.domain.removesuffix(".myshopify.com"),
            access_token=token,
            api_version=API_VERSION,
            variables=variables,
            max_retries=0,  # one retry policy, ours
            http_client=self._client,
        )
        if result.ok and result.data is not None:
            return result.data
        status = result.response.status
        if status == 401:  # noqa: PLR2004
            self._tokens.refused(ctx, token)
            raise NotAuthorised("Shopify no longer accepts Encore's token. Open Encore from the Shopify admin once.")
        if status == 429:  # noqa: PLR2004
            raise Throttled(_retry_after(result.response.headers))
        if status == 200 and result.log.code == "graphql_errors":  # noqa: PLR2004
            raise _of_errors(operation, result.response.body)
        if status in (400, 402, 403, 404):
            log.error("shopify_refused", operation=operation, status=status, shop_id=ctx.shop_id)
            raise Refused(f"Shopify refused {operation} (HTTP {status}).")
        raise Transient(f"{operation}: {result.log.code}")


def _of_errors(operation: str, body: str) -> Exception:
    answer = orjson.loads(body)
    raw: Any = answer["errors"]
    errors: list[dict[str, Any]] = raw if isinstance(raw, list) else [{"message": str(raw)}]
    codes = {str(e.get("extensions", {}).get("code")) for e in errors}
    if codes == {"THROTTLED"}:
        cost = answer.get("extensions", {}).get("cost", {})
        bucket = cost.get("throttleStatus", {})
        missing = float(cost.get("requestedQueryCost", 50)) - float(bucket.get("currentlyAvailable", 0))
        return Throttled(max(missing, 1.0) / max(float(bucket.get("restoreRate", 50)), 1.0))
    if "INTERNAL_SERVER_ERROR" in codes:
        return Transient(operation)
    log.error("shopify_graphql_errors", operation=operation, codes=sorted(codes))
    return Refused(f"Shopify refused {operation}: {errors[0].get('message', 'unknown error')}")


def _retry_after(headers: dict[str, str]) -> float:
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        return float(lower.get("retry-after", "2"))
    except ValueError:
        return 2.0


_backoff = wait_exponential_jitter(multiplier=0.5, max=MAX_WAIT_SECONDS)


def _wait(state: RetryCallState) -> float:
    fault = state.outcome.exception() if state.outcome else None
    if isinstance(fault, Throttled):
        return min(fault.seconds, MAX_WAIT_SECONDS)
    return _backoff(state)
