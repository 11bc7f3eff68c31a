"""The second guard of the weekly cap, in the store itself: slots of one customer never overlap.

A stamped message has a slot, from its stamp to the end of window and margin. Whatever code writes, a slot
that overlaps another of the same customer is refused with an IntegrityError: by an exclusion constraint in
PostgreSQL, by triggers in SQLite, with the same meaning. It guards customers by their number; the address
and merges are the cap's (app.store.cap).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "ex_outbox_slots"
TRIGGER = """CREATE TRIGGER {name} BEFORE {when} ON outbox WHEN NEW.slot_from IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'ex_outbox_slots: the customer''s week is taken') WHERE EXISTS (
        SELECT 1 FROM outbox o WHERE o.shop_id = NEW.shop_id AND o.customer_no = NEW.customer_no
            AND o.slot_from < NEW.slot_until AND o.slot_until > NEW.slot_from AND o.id <> NEW.id);
END"""
ON_SQLITE: Sequence[str] = (
    TRIGGER.format(name=f"{NAME}_insert", when="INSERT"),
    TRIGGER.format(name=f"{NAME}_update", when="UPDATE OF slot_from, slot_until, customer_no, shop_id"),
)
ON_POSTGRESQL = (
    f"ALTER TABLE outbox ADD CONSTRAINT {NAME} EXCLUDE USING gist"
    " (shop_id WITH =, customer_no WITH =, tstzrange(slot_from, slot_until) WITH &&) WHERE (slot_from IS NOT NULL)"
)


class CannotGuard(Exception):
    """The database's role may not install what the guard needs."""


def guard(_target: Any, connection: Connection, **_: Any) -> None:
    """Put the guard on the outbox table. A table that is rebuilt loses it, so whoever rebuilds calls this again.

    Raises CannotGuard where PostgreSQL's extension btree_gist is missing and this role can't install it.
    """
    if connection.dialect.name == "sqlite":
        for trigger in ON_SQLITE:
            connection.execute(text(trigger))
        return
    try:
        with connection.begin_nested():
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS btree_gist"))
    except DBAPIError as fault:
        raise CannotGuard(
            "Encore's weekly cap needs PostgreSQL's extension btree_gist, and this role can't install it. Ask the"
            " database's owner to run: CREATE EXTENSION btree_gist; then start Encore again."
        ) from fault
    connection.execute(text(ON_POSTGRESQL))
