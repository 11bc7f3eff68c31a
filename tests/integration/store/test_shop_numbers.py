"""A shop's number belongs to it for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.store.counters import keep_shop_id, new_shop_id
from tests.conftest import add_shop

if TYPE_CHECKING:
    from app.store.session import Store


class TestANewShop:
    def test_gets_the_next_number(self, store: Store) -> None:
        with store.operator_session() as session:
            assert [new_shop_id(session), new_shop_id(session)] == [1, 2]

    def test_gets_a_number_above_shops_that_were_there_before_the_counter(self, store: Store) -> None:
        add_shop(store, 7, "old.myshopify.com")
        with store.operator_session() as session:
            assert new_shop_id(session) == 8

    def test_never_gets_the_number_of_a_shop_that_went(self, store: Store) -> None:
        with store.operator_session() as session:
            keep_shop_id(session, 7)
        with store.operator_session() as session:
            assert new_shop_id(session) == 8
            keep_shop_id(session, 3)
            assert new_shop_id(session) == 9
