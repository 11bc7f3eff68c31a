"""Bulk query operations: checked, run in the background, written as JSONL, announced by webhook."""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.clock import SandboxClock
from sandbox.options import SandboxOptions
from sandbox.shopify.ledger import Ledger
from sandbox.shopify.shop import Shop, stamp
from sandbox.shopify.walker import BulkError, Compiler, Walk

if TYPE_CHECKING:
    from sandbox.shopify.admin_api import Documents

log = logging.getLogger(__name__)
AT_ONCE = 5
KEPT_DAYS = 7
ACTIVE = ("CREATED", "RUNNING", "CANCELING")
REPORT_SECONDS = 0.5


class Bulk:
    """The bulk operations of every shop. One killed half-way starts again with the next process."""

    def __init__(
        self,
        ledger: Ledger,
        shops: Mapping[str, Shop],
        folder: Path,
        clock: SandboxClock,
        options: SandboxOptions,
        finished: Callable[[Shop, dict[str, Any]], None],
    ) -> None:
        self._ledger, self._shops, self._folder = ledger, shops, folder
        self._clock, self._options, self._finished = clock, options, finished
        self._start = threading.Lock()
        self.documents: Documents | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def resume(self) -> None:
        """Run again what a killed process left unfinished."""
        self._ledger.run("UPDATE bulk SET status = 'CANCELED' WHERE status = 'CANCELING'")
        for row in self._ledger.all("SELECT id, shop FROM bulk WHERE status IN ('CREATED', 'RUNNING')"):
            if row["shop"] in self._shops:
                self._spawn(row["id"])

    def run(self, shop: Shop, query: str, scopes: frozenset[str]) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        """Start an operation; returns it, or the user errors that refuse it."""
        assert self.documents is not None  # noqa: S101 - set while wiring
        checked = self.documents.check(query)
        if checked.document is None:
            text = "; ".join(error["message"] for error in checked.errors)
            return None, [_user_error(f"Invalid bulk query: {text}", "INVALID")]
        try:
            Compiler(checked.document, shop).plan()
        except BulkError as error:
            return None, [_user_error(str(error), "INVALID")]
        denied = self.documents.denied(checked.document, scopes)
        with self._start:
            marks = ", ".join("?" * len(ACTIVE))
            active = self._ledger.one(
                f"SELECT count(*) AS n FROM bulk WHERE shop = ? AND status IN ({marks})",
                shop.domain, *ACTIVE,
            )  # fmt: skip
            if active and active["n"] >= AT_ONCE:
                message = f"A maximum of {AT_ONCE} bulk query operations can run at once for this app and shop."
                return None, [_user_error(message, "LIMIT_REACHED")]
            number = 1 + int((self._ledger.one("SELECT coalesce(max(id), 70000000) AS n FROM bulk") or {})["n"])
            self._ledger.run(
                "INSERT INTO bulk (id, shop, query, status, created_at) VALUES (?, ?, ?, 'CREATED', ?)",
                number, shop.domain, query, stamp(self._clock.now()),
            )  # fmt: skip
        created = self.get(shop, number)
        if denied:
            self._end(number, "FAILED", error="ACCESS_DENIED", detail=denied[0]["message"])
        else:
            self._spawn(number)
        return created, []

    def get(self, shop: Shop, number: int | None) -> dict[str, Any] | None:
        """An operation as GraphQL shows it, or None."""
        row = self._ledger.one("SELECT * FROM bulk WHERE id = ? AND shop = ?", number, shop.domain)
        return self._view(row) if row else None

    def listing(self, shop: Shop) -> list[dict[str, Any]]:
        """The shop's operations, oldest first."""
        return [
            self._view(row) for row in self._ledger.all("SELECT * FROM bulk WHERE shop = ? ORDER BY id", shop.domain)
        ]

    def cancel(self, shop: Shop, number: int | None) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        """Ask a running operation to stop."""
        changed = self._ledger.run(
            "UPDATE bulk SET status = 'CANCELING' WHERE id = ? AND shop = ? AND status IN ('CREATED', 'RUNNING')",
            number, shop.domain,
        )  # fmt: skip
        found = self.get(shop, number)
        if found is None:
            return None, [{"field": ["id"], "message": "Bulk operation does not exist"}]
        if not changed:
            message = f"A bulk operation cannot be canceled when it is {found['status'].lower()}"
            return found, [{"field": ["id"], "message": message}]
        return found, []

    def file(self, number: int) -> Path:
        """Where an operation's lines are."""
        return self._folder / f"{number}.jsonl"

    def served(self) -> dict[str, Any]:
        """How many objects of each type completed operations wrote: one by one and in all."""
        total: dict[str, int] = {}
        operations = []
        for row in self._ledger.all("SELECT * FROM bulk WHERE status = 'COMPLETED' ORDER BY id"):
            by_type = json.loads(row["by_type"])
            operations.append({"id": row["id"], "shop": row["shop"], "query": row["query"], "objects": row["objects"],
                               "by_type": by_type})  # fmt: skip
            for kind, count in by_type.items():
                total[kind] = total.get(kind, 0) + count
        return {"total": total, "operations": operations}

    def _view(self, row: Mapping[str, Any]) -> dict[str, Any]:
        done = row["status"] == "COMPLETED"
        status = row["status"]
        if done and row["completed_at"] < stamp(self._clock.now() - timedelta(days=KEPT_DAYS)):
            status, done = "EXPIRED", False
        url = f"{self._options.url('shopify')}/sandbox/bulk/{row['id']}.jsonl" if done and row["objects"] else None
        return {
            "__typename": "BulkOperation",
            "id": f"gid://shopify/BulkOperation/{row['id']}",
            "status": status,
            "type": "QUERY",
            "errorCode": row["error"],
            "createdAt": row["created_at"],
            "completedAt": row["completed_at"],
            "objectCount": str(row["objects"]),
            "rootObjectCount": str(row["roots"]),
            "fileSize": str(row["size"]) if done and row["size"] else None,
            "url": url,
            "partialDataUrl": None,
            "query": row["query"],
        }

    def _spawn(self, number: int) -> None:
        threading.Thread(target=self._work, args=(number,), name=f"bulk-{number}", daemon=True).start()

    def _work(self, number: int) -> None:
        try:
            self._write(number)
        except Exception as error:
            log.exception("bulk operation %s failed", number)
            self._end(number, "FAILED", error="INTERNAL_SERVER_ERROR", detail=repr(error))

    def _write(self, number: int) -> None:
        row = self._ledger.one("SELECT * FROM bulk WHERE id = ?", number)
        assert row is not None and self.documents is not None  # noqa: S101, PT018 - it was just written
        if not self._ledger.run("UPDATE bulk SET status = 'RUNNING' WHERE id = ? AND status != 'CANCELING'", number):
            self._end(number, "CANCELED")
            return
        document = self.documents.check(row["query"]).document
        assert document is not None  # noqa: S101 - it was valid when it was accepted
        compiler = Compiler(document, self._shops[row["shop"]])
        walk = Walk(compiler, compiler.plan())
        part = self.file(number).with_suffix(".part")
        reported = time.monotonic()
        with part.open("wb") as file:
            for chunk in walk.chunks():
                file.write(chunk)
                if time.monotonic() - reported > REPORT_SECONDS:
                    reported = time.monotonic()
                    if not self._report(number, walk):
                        self._end(number, "CANCELED")
                        part.unlink()
                        return
        part.replace(self.file(number))
        written = walk.written
        self._ledger.run(
            "UPDATE bulk SET objects = ?, roots = ?, size = ?, by_type = ? WHERE id = ?",
            written.objects, written.roots, self.file(number).stat().st_size, json.dumps(written.by_type), number,
        )  # fmt: skip
        self._end(number, "COMPLETED")

    def _report(self, number: int, walk: Walk) -> bool:
        changed = self._ledger.run(
            "UPDATE bulk SET objects = ?, roots = ? WHERE id = ? AND status = 'RUNNING'",
            walk.written.objects,
            walk.written.roots,
            number,
        )
        return changed > 0

    def _end(self, number: int, status: str, *, error: str | None = None, detail: str | None = None) -> None:
        self._ledger.run(
            "UPDATE bulk SET status = ?, error = ?, detail = ?, completed_at = ? WHERE id = ?",
            status, error, detail, stamp(self._clock.now()), number,
        )  # fmt: skip
        row = self._ledger.one("SELECT * FROM bulk WHERE id = ?", number)
        if row and row["shop"] in self._shops:
            self._finished(self._shops[row["shop"]], self._view(row))


def _user_error(message: str, code: str) -> dict[str, Any]:
    return {"field": ["query"], "message": message, "code": code}
