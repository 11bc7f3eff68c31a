"""The store's own guard: a second slot of a customer within a week is refused, whatever code writes it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, make_url, select, text, update
from sqlalchemy.exc import IntegrityError

from app.domain.campaigns import Reason
from app.store import cap, outbox
from app.store.migrate import upgrade
from app.store.models.sending import Message
from app.store.slots import CannotGuard
from tests.conftest import add_shop
from tests.integration.sending.test_cap_store import EDGE, INSTANT, NOW, busy, new, stamp

if TYPE_CHECKING:
    from app.domain.context import ShopContext
    from app.store.crypto import Vault
    from app.store.session import Store


def queued(store: Store, ctx: ShopContext, *messages: outbox.NewMessage) -> list[str | None]:
    with store.session(ctx) as session:
        return outbox.enqueue_many(session, ctx, NOW, list(messages))


def plant(store: Store, ctx: ShopContext, message_id: str | None, **values: object) -> None:
    """Write a message's row past all our code."""
    with store.session(ctx) as session:
        session.execute(update(Message).where(Message.id == message_id).values(**values))


class TestTheStoresOwnGuard:
    @pytest.fixture
    def second(self, store: Store, ctx: ShopContext, vault: Vault) -> str | None:
        """The id of a message in line to customer 1, who was stamped at NOW."""
        queued(store, ctx, new(1))
        (sent,) = stamp(store, ctx, vault).stamped
        with store.session(ctx) as session:
            outbox.record(session, ctx, NOW, [outbox.Outcome(sent.id, "accepted")])
        return queued(store, ctx, new(1, occurrence="2"))[0]

    @pytest.mark.parametrize("at", [NOW - EDGE + INSTANT, NOW, NOW + EDGE - INSTANT])
    def test_refuses_a_planted_second_slot(
        self, store: Store, ctx: ShopContext, second: str | None, at: object
    ) -> None:
        with pytest.raises(IntegrityError, match="ex_outbox_slots"):
            plant(store, ctx, second, slot_from=at, slot_until=at + EDGE)  # type: ignore[operator]

    def test_takes_one_at_the_very_edge(self, store: Store, ctx: ShopContext, second: str | None) -> None:
        plant(store, ctx, second, slot_from=NOW + EDGE, slot_until=NOW + EDGE + EDGE)

    def test_refuses_what_is_inserted_and_what_is_moved_to_the_customer(
        self, store: Store, ctx: ShopContext, second: str | None
    ) -> None:
        (other,) = queued(store, ctx, new(2, occurrence="4"))
        plant(store, ctx, other, slot_from=NOW, slot_until=NOW + EDGE)
        with pytest.raises(IntegrityError, match="ex_outbox_slots"):
            plant(store, ctx, other, customer_no=1, state="sent")
        with pytest.raises(IntegrityError, match="ex_outbox_slots"), store.session(ctx) as session:
            values = {name: getattr(new(1, occurrence="3"), name) for name in outbox.NewMessage.__dataclass_fields__}
            slot = {"slot_from": NOW, "slot_until": NOW + EDGE}
            session.add(
                Message(shop_id=1, id="planted", state="held_out", planned_at=NOW, attempts=0, **values, **slot)
            )

    def test_refuses_a_stamp_and_a_holdout_of_code_without_a_cap(
        self, store: Store, ctx: ShopContext, vault: Vault, second: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cap, "take", lambda _s, _c, now, wanted, _w: dict.fromkeys(wanted, now))
        monkeypatch.setattr(cap, "free", lambda _s, _c, _now, wanted, _w: set(wanted))
        with pytest.raises(IntegrityError, match="ex_outbox_slots"):
            stamp(store, ctx, vault, NOW + EDGE - INSTANT)
        with pytest.raises(IntegrityError, match="ex_outbox_slots"), store.session(ctx) as session:
            outbox.hold_out(session, ctx, vault, NOW, new(1, campaign=2), "address-1")

    def test_leaves_other_customers_and_other_shops_alone(
        self, store: Store, ctx: ShopContext, vault: Vault, second: str | None
    ) -> None:
        other = add_shop(store, 2, "second.myshopify.com")
        queued(store, other, new(1))
        queued(store, ctx, new(2))
        assert len(stamp(store, other, vault).stamped) == 1
        assert [m.customer_no for m in stamp(store, ctx, vault).stamped] == [2]

    def test_a_week_that_is_given_back_is_free_in_the_store_as_well(
        self, store: Store, ctx: ShopContext, vault: Vault
    ) -> None:
        queued(store, ctx, new(1))
        (message,) = stamp(store, ctx, vault).stamped
        with store.session(ctx) as session:
            outbox.record(session, ctx, NOW, [outbox.Outcome(message.id, "not_accepted")])
            outbox.cancel_campaign(session, ctx, NOW, 1, Reason.CAMPAIGN_NOT_ACTIVE)
        queued(store, ctx, new(1, occurrence="2"))
        assert len(stamp(store, ctx, vault).stamped) == 1

    def test_a_retry_under_a_clock_that_was_put_back_keeps_its_place(
        self, store: Store, ctx: ShopContext, vault: Vault, second: str | None
    ) -> None:
        (message,) = stamp(store, ctx, vault, NOW + EDGE).stamped
        assert message.id == second
        with store.session(ctx) as session:
            outbox.record(session, ctx, NOW, [outbox.Outcome(message.id, "not_accepted")])
        (again,) = stamp(store, ctx, vault, NOW + EDGE - timedelta(hours=2)).stamped
        with store.reading(ctx) as session:
            kept = session.scalars(select(Message.stamped_at).where(Message.id == again.id)).one()
        assert kept == NOW + EDGE

    def test_two_of_one_batch_that_share_an_address_do_not_both_go(
        self, store: Store, ctx: ShopContext, vault: Vault
    ) -> None:
        queued(store, ctx, new(1), new(2), new(3))
        shared = lambda _, due: {m.id: outbox.Check("shared" if m.customer_no < 3 else "own") for m in due}  # noqa: E731
        with store.session(ctx) as session:
            batch = outbox.stamp_batch(session, ctx, vault, clock=lambda _: NOW, owner="w", recheck=shared)
        assert (len(batch.stamped), batch.capped) == (2, 1)
        mailed = {message.customer_no for message in batch.stamped}
        assert busy(store, ctx, {101: "shared", 103: "own"}) == {*mailed, 101, 103}

    def test_the_caps_condition_is_in_the_write_also_if_the_decision_before_it_is_wrong(
        self, store: Store, ctx: ShopContext, vault: Vault, second: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        queued(store, ctx, new(2))
        monkeypatch.setattr(cap, "_choose", lambda _standing, _edge, wanted: dict(wanted))
        batch = stamp(store, ctx, vault, NOW + EDGE - INSTANT)
        assert ([m.customer_no for m in batch.stamped], batch.capped) == ([2], 1)

    def test_many_at_once_are_queued_and_withheld_in_order(self, store: Store, ctx: ShopContext, vault: Vault) -> None:
        made = queued(store, ctx, new(1), new(1, campaign=2), new(2))
        assert [one is not None for one in made] == [True, False, True]
        with store.session(ctx) as session:
            held = [(new(customer, campaign=3), f"a{customer % 2}") for customer in (5, 6, 7)]
            stamps = outbox.hold_out_many(session, ctx, vault, NOW, held)
        assert [one is not None for one in stamps] == [True, True, False]  # the third shares the first one's address
        with store.reading(ctx) as session:
            states = list(session.execute(select(Message.customer_no, Message.state).order_by(Message.customer_no)))
        assert states == [(1, "queued"), (2, "queued"), (5, "held_out"), (6, "held_out")]


@pytest.mark.postgres
class TestARoleThatMayNotInstallTheGuard:
    def test_is_told_what_to_ask_for(self, postgres_url: str) -> None:
        name = "no_extensions"
        admin = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE ROLE {name} LOGIN"))
            connection.execute(text(f"CREATE DATABASE {name}"))
        inside = create_engine(make_url(postgres_url).set(database=name), isolation_level="AUTOCOMMIT")
        with inside.connect() as connection:
            connection.execute(text(f"GRANT ALL ON SCHEMA public TO {name}"))
        url = make_url(postgres_url).set(username=name, database=name).render_as_string(hide_password=False)
        with pytest.raises(CannotGuard, match="CREATE EXTENSION btree_gist"):
            upgrade(url)
        with inside.connect() as connection:
            connection.execute(text("CREATE EXTENSION btree_gist"))
        upgrade(url)
        inside.dispose()
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
            connection.execute(text(f"DROP ROLE {name}"))
        admin.dispose()
