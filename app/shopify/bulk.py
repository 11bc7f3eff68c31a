"""Bulk operations: start an export, follow it, bring its lines home whole.

Reference: https://shopify.dev/docs/api/usage/bulk-operations/queries
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import structlog

from app.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.domain.context import ShopContext
    from app.shopify.graphql import AdminApi

log = structlog.get_logger()

POLL_SECONDS = (0.3, 0.5, 1.0, 2.0, 3.0, 5.0)
DOWNLOAD_ATTEMPTS = 4
CHUNK_BYTES = 1 << 20
ENDED_BADLY = frozenset({"FAILED", "CANCELED", "EXPIRED"})


@dataclass(frozen=True)
class Export:
    """One bulk operation as Shopify reports it. objects counts every line, children included."""

    id: str
    status: str
    objects: int
    url: str | None
    error: str | None


class Truncated(Unavailable):
    """What arrived has fewer lines than Shopify says it wrote."""

    code = "truncated"


class BulkExports:
    """Runs exports for a shop."""

    def __init__(self, api: AdminApi, client: httpx.Client, sleep: Callable[[float], None] = time.sleep) -> None:
        self._api, self._client, self._sleep = api, client, sleep

    def start(self, ctx: ShopContext, document: str) -> str:
        """Start an export; returns the operation's id. Raises Unavailable with Shopify's reason."""
        answer = self._api.run(ctx, "BulkRun", {"query": document})["bulkOperationRunQuery"]
        if answer["userErrors"]:
            reasons = "; ".join(str(e["message"]) for e in answer["userErrors"])
            raise Unavailable(f"Shopify did not start the export: {reasons}")
        return str(answer["bulkOperation"]["id"])

    def status(self, ctx: ShopContext, operation_id: str) -> Export | None:
        """How an export stands; None if Shopify no longer knows it."""
        found = self._api.run(ctx, "BulkStatus", {"id": operation_id})["bulkOperation"]
        if found is None:
            return None
        return Export(
            id=found["id"],
            status=found["status"],
            objects=int(found["objectCount"]),
            url=found["url"],
            error=found["errorCode"],
        )

    def wait(self, ctx: ShopContext, operation_id: str, progress: Callable[[Export], None]) -> Export:
        """Poll until the export ends. Raises Unavailable if it ended badly or is gone."""
        for turn in range(1_000_000):
            export = self.status(ctx, operation_id)
            if export is None:
                raise Unavailable("Shopify no longer knows the export; Encore starts it again.")
            progress(export)
            if export.status == "COMPLETED":
                return export
            if export.status in ENDED_BADLY:
                raise Unavailable(f"Shopify ended the export: {export.status} {export.error or ''}".strip())
            self._sleep(POLL_SECONDS[min(turn, len(POLL_SECONDS) - 1)])
        raise Unavailable("The export did not end.")

    def download(self, export: Export, target: Path) -> None:
        """Bring the export's lines into `target`, whole or not at all.

        An operation without matches has no address: the file is then empty. Raises Truncated after
        the last attempt, Unavailable if the address does not answer.
        """
        part = target.with_suffix(".part")
        fault: Exception | None = None
        for attempt in range(DOWNLOAD_ATTEMPTS):
            try:
                lines = self._fetch(export.url, part)
            except httpx.HTTPError as error:
                fault = error
            else:
                if lines == export.objects:
                    part.replace(target)
                    return
                fault = Truncated(f"{lines:,} of {export.objects:,} lines arrived; the import goes on later.")
            log.warning("bulk_download_retry", attempt=attempt, expected=export.objects)
            self._sleep(POLL_SECONDS[min(attempt, len(POLL_SECONDS) - 1)])
        part.unlink(missing_ok=True)
        if isinstance(fault, Truncated):
            raise fault
        raise Unavailable("Shopify's export could not be downloaded. Encore tries again by itself.") from fault

    def _fetch(self, url: str | None, part: Path) -> int:
        """Write the lines at `url`; returns how many whole lines came."""
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)  # an export holds personal data
        if url is None:
            return 0
        lines, last = 0, b"\n"
        with part.open("wb") as file, self._client.stream("GET", url) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_bytes(CHUNK_BYTES):
                file.write(chunk)
                lines += chunk.count(b"\n")
                last = chunk[-1:]
        return lines if last == b"\n" else lines + int(_parses(part))


def _parses(part: Path) -> bool:
    """Whether the last line, which has no newline, is a whole object."""
    import orjson  # noqa: PLC0415 - rarely needed

    with part.open("rb") as file:
        file.seek(max(0, part.stat().st_size - CHUNK_BYTES))
        tail = file.read().rsplit(b"\n", 1)[-1]
    try:
        orjson.loads(tail)
    except orjson.JSONDecodeError:
        return False
    return True
