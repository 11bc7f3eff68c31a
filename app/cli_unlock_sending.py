"""`encore unlock-sending`: let a store send again that was restored, cloned, or lost its data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app.services import sending_lock
from app.services.shops import context_by_name

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("unlock-sending")
@click.argument("shop")
@click.option("--relay-log", type=FILE, help="The mail relay's log, or a list of addresses, since the backup")
@click.option("--complete", is_flag=True, help="Nothing was sent that the store does not know of")
@click.pass_obj
def unlock_sending(obj: Any, shop: str, *, relay_log: Path | None, complete: bool) -> None:
    """Let SHOP's store send again after it was restored or moved.

    Without an option, sending goes on once everybody's week has passed since the last e-mail that is known of.
    With the relay's log, whoever stands in it has no week and everybody else can be mailed at once. --complete
    is for a store that lost nothing: its data folder did, or the installation moved.

    What the store had in line becomes "may have been sent", or is cancelled and decided anew.
    """
    if complete and relay_log:
        raise click.UsageError("Give --relay-log or --complete, not both.")
    rooms = obj().rooms
    ctx = context_by_name(rooms, shop)
    why = sending_lock.why(rooms, ctx)
    if why is None:
        click.echo(f"Sending is not locked for {ctx.domain}.")
        return
    click.echo(f"Sending is locked for {ctx.domain}: {why}.")
    if click.prompt("Type the shop's name to unlock it", default="", show_default=False) != ctx.domain:
        raise click.ClickException("That is not the shop's name; sending stays locked.")
    if relay_log is not None:
        with relay_log.open(encoding="utf-8", errors="replace") as lines:
            done = sending_lock.unlock(rooms, ctx, "relay_log", lines)
    else:
        done = sending_lock.unlock(rooms, ctx, "complete" if complete else "wait")
    click.echo(
        f"{done.unknown:,} messages may have been sent, {done.cancelled:,} were cancelled and are decided anew,"
        f" {done.addresses:,} addresses count as mailed."
    )
    when = f"from {done.not_before:%Y-%m-%d %H:%M} UTC on" if done.not_before else "now"
    click.echo(f"Sending goes on {when}.")
