"""Carries out a batch of calls and packs the answers as Mailchimp does: a tar.gz of JSON files."""

import io
import sqlite3
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_FIRST_ERROR = 400


def run_batch(batch: sqlite3.Row, inner: "WSGIApplication", folder: Path, key: str) -> int:
    """Carry out each call and write `folder`/<id>.tar.gz; returns how many calls failed.

    The calls go through the same judging as calls over the wire, but not through the scripted faults
    nor the count of open connections: Mailchimp runs them on its own side.
    """
    answers = [_carried_out(operation, inner, key) for operation in orjson.loads(batch["operations"])]
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / f"{batch['id']}.tar.gz", "w:gz") as archive:
        content = orjson.dumps(answers)
        entry = tarfile.TarInfo(f"{batch['id']}.json")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return sum(answer["status_code"] >= _FIRST_ERROR for answer in answers)


def _carried_out(operation: dict[str, Any], inner: "WSGIApplication", key: str) -> dict[str, Any]:
    headers: dict[str, str] = {"Authorization": f"Bearer {key}"}
    environ = EnvironBuilder(
        path="/3.0/" + str(operation["path"]).lstrip("/"),
        query_string=urlencode({**(operation.get("params") or {})}),
        method=operation["method"],
        data=(operation.get("body") or "").encode(),
        content_type="application/json" if operation.get("body") else None,
        headers=Headers(headers),
    ).get_environ()
    chunks, status, _ = run_wsgi_app(inner, environ, buffered=True)
    return {
        "status_code": int(status.split(" ", 1)[0]),
        "operation_id": operation.get("operation_id", ""),
        "response": b"".join(chunks).decode(),  # a JSON text inside JSON, as the vendor has it
    }
