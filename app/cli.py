"""`encore`: import, refresh, look, serve."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from app import __version__
from app.cli_predict import predict
from app.cli_reference import estimates, load_reference
from app.cli_segments import segments
from app.cli_unlock_sending import unlock_sending
from app.cli_verify_cap import verify_cap
from app.errors import EncoreError
from app.services import progress, refresh_shop
from app.services.import_csv import CsvFiles, import_csv
from app.services.shops import active_shops, context_by_name
from app.settings import make_local_settings

if TYPE_CHECKING:
    from app.wiring import Encore

INSTANT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class Friendly(click.Group):
    """Shows Encore's own errors as one line, exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except EncoreError as fault:
            click.echo(f"encore: {fault.message}", err=True)
            ctx.exit(1)


@click.group(cls=Friendly)
@click.version_option(__version__, package_name="encore")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Encore finds a merchant's next orders."""
    ctx.obj = _encore  # sub-commands build only when they need a shop: `predict` works without settings


def _encore() -> Encore:
    from app import wiring  # noqa: PLC0415 - building costs a second; `predict` and --help don't need it

    made = make_local_settings()
    if made is not None:
        click.echo(f"Made keys for this machine in {made}; keep them, they open what is stored.", err=True)
    try:
        return wiring.build()
    except ValidationError as fault:
        for problem in fault.errors(include_url=False, include_input=False):
            name = ".".join(str(part) for part in problem["loc"])
            where = f"ENCORE_{name.upper()}: " if name else ""
            click.echo(f"encore: {where}{problem['msg'].removeprefix('Value error, ')}. See .env.example.", err=True)
        raise SystemExit(2) from fault


main.add_command(estimates)
main.add_command(load_reference)
main.add_command(predict)
main.add_command(segments)
main.add_command(unlock_sending)
main.add_command(verify_cap)


@main.command("import")
@click.argument("slug")
@click.option("--orders", type=FILE, required=True, help="Shopify's orders_export.csv")
@click.option("--customers", type=FILE, help="Shopify's customers_export.csv")
@click.option("--products", type=FILE, help="Shopify's products_export.csv")
@click.option("--timezone", required=True, help="IANA name, for example Europe/London")
@click.option("--currency", required=True, help="ISO 4217 code, for example GBP")
@click.pass_obj
def import_command(
    obj: Any, slug: str, orders: Path, customers: Path | None, products: Path | None, timezone: str, currency: str
) -> None:
    """Import Shopify's CSV exports as the shop SLUG; repeating it changes nothing."""
    files = CsvFiles(orders=orders, customers=customers, products=products)
    counts = import_csv(obj().rooms, slug, files, timezone=timezone, currency=currency.upper())
    shown = {name: count for name, count in counts.items() if name != "changed"}
    click.echo(", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in shown.items()))


@main.command()
@click.argument("shop")
@click.option("--as-of", type=INSTANT, help="Look no further than this instant (UTC)")
@click.pass_obj
def refresh(obj: Any, shop: str, as_of: datetime | None) -> None:
    """Compute features, predictions, segments and recommendations of SHOP anew."""
    encore = obj()
    moment = as_of.replace(tzinfo=UTC) if as_of else None
    run = refresh_shop.refresh(encore.rooms, context_by_name(encore.rooms, shop), moment)
    click.echo(f"run {run.run_id}, snapshot {run.snapshot_id}, as of {run.as_of.isoformat()}")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Machine-readable")
@click.pass_obj
def status(obj: Any, *, as_json: bool) -> None:
    """What every shop holds, when it was last imported and refreshed."""
    encore = obj()
    shops = [asdict(progress.status(encore.rooms, ctx)) for ctx in active_shops(encore.rooms)]
    if as_json:
        click.echo(json.dumps({"version": __version__, "shops": shops}, default=_text, indent=2))
        return
    if not shops:
        click.echo("No shop yet. Install Encore in a shop, or import CSV files: encore import --help")
    for shop in shops:
        counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in shop["counts"].items())
        click.echo(f"{shop['shop']} ({shop['currency']}, {shop['timezone']}): {counts}")
        imported, refreshed = (_text(shop[name]) or "never" for name in ("last_import", "last_refresh"))
        click.echo(f"  imported {imported}, refreshed {refreshed}")
        if shop["sending_locked"]:
            click.echo(f"  SENDING IS LOCKED: {shop['sending_locked']}. See: encore unlock-sending --help")
        for line in shop["differences"]:
            if line["difference"]:
                here, there = f"{line['imported']:,} here", f"{line['shop']:,} at the shop"
                click.echo(f"  {line['object']}: {here}, {there}. {line['reason']}")


@main.command()
@click.pass_obj
def serve(obj: Any) -> None:
    """Serve the web application, run jobs and the schedule, all in this process tree."""
    from app.serve import run  # noqa: PLC0415 - needs the whole application

    run(obj())


@main.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default stdout")
def openapi(out: Path | None) -> None:
    """Print the OpenAPI document, which the UI's types are generated from."""
    from app.api.openapi_document import document  # noqa: PLC0415 - loads every blueprint

    text = json.dumps(document(), indent=2) + "\n"
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")


def _text(value: object) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else None


if __name__ == "__main__":
    main()
