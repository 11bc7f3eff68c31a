"""`encore verify-cap`: the proof of the weekly cap, recomputed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.services.shops import context_by_name
from app.services.verify_cap import in_words, too_short, write_certificate
from app.services.verify_cap import verify_cap as recompute

if TYPE_CHECKING:
    from app.store.ledger import Gap, Verdict


@click.command("verify-cap")
@click.argument("shop")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable")
@click.option(
    "--certificate",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write all that the proof takes into this file; tools/check_certificate.py checks it without Encore",
)
@click.pass_obj
def verify_cap(obj: Any, shop: str, *, as_json: bool, certificate: Path | None) -> None:
    """Recompute SHOP's send ledger: every hash, and the shortest time between two mails to one person.

    Exit status 1 if an entry was changed or lacks, or two mails lie less than 168 hours apart.
    """
    encore = obj()
    ctx = context_by_name(encore.rooms, shop)
    if certificate is not None:
        write_certificate(encore.rooms, ctx, certificate)
    verdict = recompute(encore.rooms, ctx)
    holds = not verdict.broken and not verdict.too_short
    if as_json:
        click.echo(json.dumps({"shop": ctx.domain, "holds": holds, **_as_json(verdict)}, indent=2))
    else:
        for line in _as_text(verdict):
            click.echo(line)
    if not holds:
        sys.exit(1)


def _as_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "entries": verdict.entries,
        "mails": verdict.mails,
        "shortest_gap": _gap(verdict.shortest) if verdict.shortest else None,
        "too_short": [_gap(gap) for gap in verdict.too_short],
        "broken": verdict.broken,
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "seconds": gap.length.total_seconds(),
        "text": in_words(gap.length.total_seconds()),
        "key": gap.key,
        "entries": [gap.first_seq, gap.second_seq],
    }


def _as_text(verdict: Verdict) -> list[str]:
    shortest = verdict.shortest
    gap = f"shortest gap {in_words(shortest.length.total_seconds())}" if shortest else "no one was mailed twice"
    lines = [f"{verdict.mails:,} hand-overs in {verdict.entries:,} ledger entries, {gap}"]
    lines += [f"BROKEN: {sentence}" for sentence in verdict.broken]
    lines += [f"TOO SHORT: {too_short(gap)}" for gap in verdict.too_short]
    return [*lines, "The weekly cap holds." if len(lines) == 1 else "The weekly cap does NOT hold."]
