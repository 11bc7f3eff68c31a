"""A shop with next to nothing, or with nonsense in its history, is refreshed like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from app.services.dashboard import dashboard
from app.services.refresh_shop import read_card, refresh
from app.services.shops import context_by_name
from tests.integration.csv.conftest import order, orders

if TYPE_CHECKING:
    from tests.integration.csv.conftest import CsvShop

TEA = "1,Tea,10.00,TEA"


def on(day: str, number: int, *lines: str, **more: str) -> str:
    paid = {"subtotal": f"{10 * len(lines)}.00", "total": f"{10 * len(lines)}.00"}
    return order(f"#{number}", *lines, created_at=f"{day} 10:00:00 +0000", **{**paid, **more})


HISTORIES: dict[str, tuple[str, set[str]]] = {
    "one order": (on("2026-06-01", 1, TEA), set()),
    "one day": ("".join(on("2026-06-01", n, TEA, email=f"c{n}@example.com") for n in range(9)), set()),
    "a clock in the future": (on("2026-06-01", 1, TEA) + on("2031-01-01", 2, TEA), {"after_as_of"}),
    "a clock at zero": (on("2026-06-01", 1, TEA) + on("1970-01-01", 2, TEA), {"too_old"}),
    "a refund larger than the order": (
        on("2026-06-01", 1, TEA) + on("2026-06-02", 2, TEA, refunded_amount="99.00"), {"nothing_kept"},
    ),
    "the same line twice": (on("2026-06-01", 1, TEA, TEA), set()),
    "nothing but an unpaid order": (on("2026-06-01", 1, TEA, financial_status="pending"), {"order_not_paid"}),
}  # fmt: skip


@pytest.mark.parametrize("name", HISTORIES)
def test_a_refresh_has_a_defined_result_and_accounts_for_every_line(shop: CsvShop, name: str) -> None:
    rows, left_out = HISTORIES[name]
    shop.imports(orders(rows))
    ctx = context_by_name(shop.rooms, "tea")
    run = refresh(shop.rooms, ctx)
    card: dict[str, Any] = read_card(run.dir) or {}
    assert set(card["left_out"]) == left_out
    kept = card["sizes"]["purchases"] + card["changed_lines"].get("merged", 0)
    assert card["lines"] == kept + sum(card["left_out"].values()) == len(shop.lines())
    pairs = pd.read_parquet(run.dir / "pairs.parquet")
    assert pairs["probability"].between(0, 1, inclusive="neither").all()
    assert dashboard(shop.rooms, ctx).summary["expected_buyers_30d"] >= 0
