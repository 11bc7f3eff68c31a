"""The proof of the weekly cap over HTTP: recomputed, and as a certificate that anybody can check."""

from __future__ import annotations

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from app.api.common import current_shop, rooms
from app.api.models.sending_proof import Certificate, SendingProof
from app.services import verify_cap

bp = APIBlueprint(
    "sending_proof",
    __name__,
    url_prefix="/api/sending",
    abp_tags=[Tag(name="sending", description="Proof that nobody gets more than one e-mail a week")],
)
FILE = {"schema": {"type": "string", "format": "binary"}}


@bp.get("/proof", responses={200: SendingProof})
def proof() -> Response:
    """Recompute the ledger: how many hand-overs, the shortest time between two to one person, what is broken."""
    found = SendingProof.model_validate(verify_cap.proof(rooms(), current_shop()))
    return Response(found.model_dump_json(), mimetype="application/json")


@bp.get("/certificate", responses={200: Certificate})
def certificate() -> Response:
    """The whole ledger as a JSON file, streamed. Keyed hashes only: it names nobody."""
    ctx = current_shop()
    return _file(verify_cap.certificate(rooms(), ctx), f"sending-certificate-{ctx.domain}.json", "application/json")


@bp.get("/checker", responses={200: {"content": {"text/x-python": FILE}}})
def checker() -> Response:
    """The script that checks a certificate without Encore."""
    return _file([verify_cap.CHECKER.read_bytes()], verify_cap.CHECKER.name, "text/x-python")


def _file(content: object, name: str, mimetype: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, mimetype=mimetype, headers=headers)  # type: ignore[arg-type] # bytes, in slices
