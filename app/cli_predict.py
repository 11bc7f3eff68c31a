"""`encore predict`: predictions from a file of order lines, without a shop."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from app.errors import Invalid
from app.services.predict_file import Request, predict_file


class BadInput(click.ClickException):
    """One line on stderr, exit code 2."""

    exit_code = 2


class OneLineCommand(click.Command):
    """Says what is wrong with the arguments in one line, without the usage text around it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, turning click's three lines into one."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise BadInput(error.format_message()) from error


@click.command(cls=OneLineCommand)
@click.option("--lines", required=True, type=click.Path(path_type=Path), help="Order lines, .parquet or .csv.")
@click.option("--as-of", required=True, metavar="TIME", help="The present moment, ISO 8601; UTC if it names no zone.")
@click.option("--horizon-days", default=30, show_default=True, help="How far to look ahead, 1 to 90 days.")
@click.option("--products", type=click.Path(path_type=Path), help="Candidate products, one id a line.")
@click.option("--all-pairs", is_flag=True, help="Score every recent customer on every candidate product.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where to write, .parquet or .csv.")
def predict(**arguments: Any) -> None:
    """Predict who buys which product in the days after a moment.

    LINES has one row per order line with the columns customer_id, order_id, ordered_at, product_id, quantity,
    unit_price, and optionally product_type and discount. Ids are text. Left out are rows at or after the moment,
    or more than 20 years before it, and lines that are no purchase: quantity <= 0 (a return, which does not undo the
    purchase) or unit_price < 0. Lines of one order and product are one purchase. At the end a table on stderr says
    how many lines were left out, merged or cut, and why.

    The result has one row per customer and product, sorted by both: kind (repurchase if the customer bought the
    product before, else cross_sell), probability of at least one purchase within [as-of, as-of + horizon), for
    cross_sell lift and because_product_id, for repurchase expected_at (the moment itself if overdue).

    Without --all-pairs: every pair bought before, and for each customer with an order in the last 365 days the
    50 best new products. With it: each such customer on every candidate, up to 50 million pairs. Candidates are
    the products in --products, else all that were sold; one that was never sold is scored, close to zero.

    Bad input ends with exit code 2, one line that names column and row (counted from 1 after the header), and
    no output file.
    """
    started = time.monotonic()

    def progress(message: str) -> None:
        click.echo(f"[{time.monotonic() - started:5.1f} s] {message}", err=True)

    try:
        result = predict_file(Request(**arguments), progress)
    except Invalid as error:
        raise BadInput(error.message) from error
    bases = ", ".join(f"{kind} from {basis}" for kind, basis in result.basis.items())
    for row in result.table():
        click.echo(row, err=True)
    progress(f"done: {result.repurchase} repurchase, {result.cross_sell} cross_sell; {bases}")
