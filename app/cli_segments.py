"""`encore segments`: list a shop's segments, write one as a file, or count a rule."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.errors import Invalid
from app.services import export_segment, segments_list, segments_preview
from app.services.export_segment_platforms import PLATFORMS
from app.services.segments import found
from app.services.shops import context_by_name

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.services.rooms import Rooms

PAGE = 200


@click.command("segments")
@click.argument("shop")
@click.option("--key", help="Write this segment: a key such as auto:lapsed, or seg_<number>.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The CSV file to write.")
@click.option("--format", "file_format", type=click.Choice(["plain", *PLATFORMS]), default="plain", show_default=True)
@click.option(
    "--hashed/--unhashed", default=None, help="Platforms: SHA-256 of identifying cells (Google: the default)."
)
@click.option("--include-unsubscribed", is_flag=True, help="Platforms: also members who can't be mailed.")
@click.option("--rule", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Count this rule (JSON).")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@click.pass_obj
def segments(
    obj: Any,
    shop: str,
    *,
    key: str | None,
    out: Path | None,
    file_format: str,
    hashed: bool | None,
    include_unsubscribed: bool,
    rule: Path | None,
    as_json: bool,
) -> None:
    """List the segments of SHOP; with --key and --out write one as CSV; with --rule count a rule."""
    if (key is None) != (out is None):
        raise click.UsageError("--key and --out belong together")
    if key is not None and rule is not None:
        raise click.UsageError("--key and --rule are two different commands")
    rooms: Rooms = obj().rooms
    ctx = context_by_name(rooms, shop)
    if key is not None and out is not None:
        answer = _write(rooms, ctx, key, out, file_format, hashed=hashed, include_unsubscribed=include_unsubscribed)
    elif rule is not None:
        answer = _count(rooms, ctx, rule)
    else:
        answer = _list(rooms, ctx)
    click.echo(json.dumps(answer, default=_text, ensure_ascii=False, indent=2) if as_json else _words(answer))


def _list(rooms: Rooms, ctx: ShopContext) -> dict[str, Any]:
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = segments_list.page(
            rooms, ctx, category=[], exclude=[], search="", source=[], include_empty=True, sort="size",
            order="desc", cursor=cursor, limit=PAGE,
        )  # fmt: skip
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    names = ("id", "key", "name", "category", "source", "state", "reason", "definition", "size", "reachable",
             "net_sales_minor", "net_share", "expected", "evaluated_at")  # fmt: skip
    return {
        "shop": ctx.domain,
        "currency": ctx.currency,
        "timezone": ctx.timezone,
        "evaluated_at": page["evaluated_at"],
        "segments": [{name: item[name] for name in names} for item in items],
    }


def _write(
    rooms: Rooms,
    ctx: ShopContext,
    key: str,
    out: Path,
    file_format: str,
    *,
    hashed: bool | None,
    include_unsubscribed: bool,
) -> dict[str, Any]:
    with rooms.store.reading(ctx) as session:
        number = found(session, ctx, key).id
    chosen = export_segment.options(file_format, hashed=hashed, include_unsubscribed=include_unsubscribed or None)
    export = export_segment.create(rooms, ctx, number, chosen, at_once=True)
    _, lines = export_segment.stream(rooms, ctx, number, export["id"])
    part = out.with_name(f"{out.name}.part")  # a file that stands is a whole file
    with part.open("wb") as file:
        file.writelines(lines)
    part.replace(out)
    names = ("segment_id", "format", "members", "rows", "exclusions", "evaluated_at", "file_bytes", "sha256")
    return {**{name: export[name] for name in names}, "file": str(out)}


def _count(rooms: Rooms, ctx: ShopContext, rule: Path) -> dict[str, Any]:
    try:
        raw = json.loads(rule.read_text(encoding="utf-8"))
    except (ValueError, OSError) as fault:
        raise Invalid(f"{rule} can't be read as JSON: {fault}") from fault
    counted = segments_preview.preview(rooms, ctx, raw, 0)
    names = ("count", "reachable", "universe", "sentence", "rule_hash", "leaves", "from_missing", "next_flip_at",
             "duration_ms", "as_of")  # fmt: skip
    return {name: counted[name] for name in names}


def _words(answer: dict[str, Any]) -> str:
    if "segments" in answer:
        rows = [f"{'size':>8} {'reachable':>9}  {'key':32} name"]
        rows += [
            f"{item['size']:>8,} {item['reachable']:>9,}  {item['key'] or item['id']:32} {item['name']}"
            + (f"  ({item['reason']})" if item["reason"] else "")
            for item in answer["segments"]
        ]
        return "\n".join(rows)
    if "file" in answer:
        left_out = ", ".join(f"{row['count']:,} {row['label'].lower()}" for row in answer["exclusions"])
        return f"{answer['file']}: {answer['rows']:,} of {answer['members']:,} members" + (
            f"; left out: {left_out}" if left_out else ""
        )
    return f"{answer['count']:,} customers, {answer['reachable']:,} reachable. {answer['sentence']}"


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
