"""What each campaign of a tick would send to whom, if nothing but products counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from app.services.decision_sheets import KINDS, NONE
from app.services.plan_sends_best import Pick, crown, groups
from app.services.plan_sends_facts import product_facts, used_up

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    import duckdb

    from app.services.plan_sends_best import ByProduct, Facts, Ints
    from app.services.plan_sends_facts import PastColumns
    from app.services.plan_sends_verdicts import Runner


def picks(
    run: duckdb.DuckDBPyConnection,
    history: duckdb.DuckDBPyConnection,
    runners: dict[int, Runner],
    pasts: dict[int, PastColumns],
    tick: datetime,
    size: int,
    declined: Mapping[str, Ints],
) -> Iterator[tuple[Runner, Pick]]:
    """What each campaign would send to whom, one after the other: twenty at once would fill the memory.

    declined: kind of e-mail → the customers who do not want it.

    Campaigns of any product share one look at all predictions.
    """
    of = {number: _products_of(run, runner) for number, runner in runners.items()}
    everything = any(runner.any_product for runner in runners.values())
    shown = None if everything else sorted({product for products in of.values() for product in products})
    facts = product_facts(run, history, tick, size, shown)
    facts.declined = {KINDS.index(kind): some for kind, some in declined.items()}
    repeats = {number: runner.campaign.repeats for number, runner in runners.items()}
    enough = used_up(history, pasts, repeats, size)
    for number, runner in runners.items():
        if not runner.any_product:
            pick = Pick(size, needs_purchase=runner.needs_purchase, used_up=enough.get(number))
            # A plain comparison of one product passes over all other products' rows unread.
            wanted = of[number]
            about = f"= {wanted[0]}" if len(wanted) == 1 else f"IN ({', '.join(str(one) for one in wanted)})"
            where = f"WHERE p.kind = '{KINDS[KINDS.index(runner.kind or '')]}' AND p.product_no {about}"
            for group in groups(run, where, tick, facts, size, floor=False) if wanted else ():
                pick.offer(group)
            yield runner, pick
    loose = [runner for runner in runners.values() if runner.any_product]
    yield from _of_any_product(run, tick, loose, facts, enough, size)


def _of_any_product(
    run: duckdb.DuckDBPyConnection,
    tick: datetime,
    loose: list[Runner],
    facts: Facts,
    enough: dict[int, ByProduct],
    size: int,
) -> Iterator[tuple[Runner, Pick]]:
    """As if nobody had got anything before; then those again whose best product they had often enough."""
    shared = {needs: Pick(size, needs_purchase=needs) for needs in {runner.needs_purchase for runner in loose}}
    likely = f"p.probability >= {min(facts.floor(kind, NONE) for kind in range(len(KINDS)))!r}"
    if loose:
        for group in groups(run, f"WHERE {likely}", tick, facts, size, floor=True):
            for pick in shared.values():
                pick.offer(group)
    for runner in loose:
        number = runner.campaign.id
        base = shared[runner.needs_purchase]
        if number not in enough:
            yield runner, base
            continue
        some = enough[number].everybody()
        again = Pick(size, needs_purchase=runner.needs_purchase, used_up=enough[number])
        run.register("again", pa.table({"customer_no": pa.array(some)}))
        where = f"SEMI JOIN again USING (customer_no) WHERE {likely}"
        for group in groups(run, where, tick, facts, size, floor=True):
            again.offer(group)
        run.unregister("again")
        others = np.ones(size, dtype=bool)
        others[some] = False
        crown(again.best, base.best, np.flatnonzero(others).astype(np.int32))
        crown(again.possible, base.possible, np.flatnonzero(others).astype(np.int32))
        yield runner, again


def _products_of(connection: duckdb.DuckDBPyConnection, runner: Runner) -> list[int]:
    """The products that a campaign's segment is about; none if it says nothing of products."""
    if runner.product_no is not None:
        return [runner.product_no]
    if runner.product_type is None:
        return []
    query = "SELECT product_no FROM products WHERE product_type = $type ORDER BY 1"
    return [row[0] for row in connection.execute(query, {"type": runner.product_type}).fetchall()]
