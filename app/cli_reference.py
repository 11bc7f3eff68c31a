"""`encore load-reference`: public tables that estimates rest on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app.services.reference_income import load_income


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
