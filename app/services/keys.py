"""Whether the key ring opens what is stored: found out at the start, not by a page full of nameless people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from app.errors import Conflict
from app.store.crypto import CannotUnseal, customer_subject
from app.store.models.customers import Customer

if TYPE_CHECKING:
    from app.store.crypto import Vault
    from app.store.session import Store


def check_keys(store: Store, vault: Vault) -> None:
    """Open one stored contact. Raises Conflict if the ring does not hold the key that sealed it."""
    with store.operator_session(writing=False) as session:
        someone = session.scalars(select(Customer).limit(1)).first()
    if someone is None:
        return
    try:
        vault.open(someone.shop_id, customer_subject(someone.customer_no), someone.contact)
    except CannotUnseal as fault:
        raise Conflict(
            "ENCORE_KEYS does not open what is stored in this database. Give the keys that it was written with; "
            "nothing was changed."
        ) from fault
