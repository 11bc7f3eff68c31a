"""`encore load-reference`: public tables that estimates rest on; `encore estimates`: a shop's estimates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app.services import demographics
from app.services.reference_income import load_income
from app.services.shops import context_by_name

SWITCH = click.Choice(["on", "off"])


@click.command("load-reference")
@click.argument("table", type=click.Choice(["income"]))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--vintage", help="Years of the survey, for example 2018-2022; default: what the file's name says")
@click.pass_obj
def load_reference(obj: Any, table: str, file: Path, vintage: str | None) -> None:
    """Load a public TABLE for the whole installation; loading it again changes nothing.

    income: median household income by ZIP area, table B19013 of the American Community Survey (five-year estimates),
    as data.census.gov, the Census API or the summary file give it, or CSV or Parquet with zcta and
    median_household_income.
    """
    loaded = load_income(obj().rooms, file, vintage)
    state = "loaded" if loaded.new else "already loaded, nothing changed"
    made = loaded.table
    click.echo(f"{table}: {made.rows:,} ZIP areas, {state}")
    click.echo(f"  source {made.source}, survey years {made.vintage or 'not stated'}, loaded {made.loaded_at:%Y-%m-%d}")
    click.echo("  limits of the fifths: " + ", ".join(f"${limit:,}" for limit in made.detail["limits"]))
    if made.detail["margins"] == 0:
        click.echo("  without margins of error: the expected error of an estimate can't be shown")
    if loaded.unpublished or loaded.elsewhere:
        click.echo(f"  left out: {loaded.unpublished:,} without an estimate, {loaded.elsewhere:,} other kinds of area")


@click.command("estimates")
@click.argument("shop")
@click.option("--gender", type=SWITCH, help="Estimate gender from first names")
@click.option("--area-income", type=SWITCH, help="Estimate the income of the customer's US ZIP area")
@click.pass_obj
def estimates(obj: Any, shop: str, gender: str | None, area_income: str | None) -> None:
    """Show, turn on or turn off the demographic estimates of SHOP; all are off at first.

    What is turned on is computed by the next refresh; what is turned off is deleted at once.
    """
    rooms = obj().rooms
    ctx = context_by_name(rooms, shop)
    asked = {"gender": gender, "area_income": area_income}
    wanted = {name: value == "on" for name, value in asked.items() if value is not None}
    found = demographics.change(rooms, ctx, wanted) if wanted else demographics.settings(rooms, ctx)
    for view in found.estimates:
        click.echo(f"{view.name}: {'off' if view.state == 'off' else f'on, {view.state}'}")
        if view.coverage is not None:
            of = view.coverage
            wrong = "not known" if of.expected_accuracy is None else f"{1 - of.expected_accuracy:.1%}"
            click.echo(
                f"  {of.estimated:,} of {of.customers:,} customers estimated, {of.by_field:,} from the shop's own data,"
                f" {of.unknown:,} unknown; expected to be wrong: {wrong}"
            )
