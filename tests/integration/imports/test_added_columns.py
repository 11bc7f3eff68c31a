"""Histories written before a column was added are read and written on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltalake import write_deltalake

from app.lake.schemas import ORDERS
from tests.integration.imports.conftest import START, line, order, product

if TYPE_CHECKING:
    import pyarrow as pa

    from tests.integration.imports.conftest import World


class TestALakeFromBeforeTheRefundDate:
    def test_is_read_with_nothing_in_the_new_column_and_takes_new_rows(self, world: World) -> None:
        world.bring(full=True, products=[product(1)], orders=[order(1)], lines=[line(1)])
        lake, ctx = world.rooms.lake, world.ctx
        now = lake.connect(ctx, lake.versions(ctx))
        old: pa.Table = now.sql("SELECT * EXCLUDE (refunded_at) FROM orders").to_arrow_table()
        now.close()
        old = old.cast(ORDERS.remove(ORDERS.get_field_index("refunded_at")))
        path = lake.shop_dir(ctx) / "orders"
        write_deltalake(path, old, mode="overwrite", schema_mode="overwrite", partition_by=["bucket"])
        before = lake.connect(ctx, lake.versions(ctx))
        assert before.sql("SELECT order_id, refunded_at FROM orders").fetchall() == [(1, None)]
        before.close()
        refund = {"refunded_minor": 100, "refund_excess_minor": 100, "refunded_at": START}
        world.bring(full=False, orders=[order(2, **refund)], lines=[line(2)])
        assert world.lake("SELECT order_id, refunded_at FROM orders ORDER BY 1") == [(1, None), (2, START)]
