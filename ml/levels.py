"""Product types as a level of their own: who buys any product of a type again, or for the first time.

A type is treated as a product is: the same history with its products told apart no further than by type, and the
same pipeline over it. A product with too few buyers for a segment of its own is served through its type.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml.cross_sell import Scope, segment_candidates
from ml.history import Bools, History, assemble, tally

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

MIN_PRODUCTS = 2
MAX_TYPES = 200  # bought again; each further type costs time and memory
NEW_TYPES = 20  # bought for the first time: of every customer with every such type there is a pair


@dataclass(frozen=True)
class TypeLevel:
    """A shop by product type. h: its history, whose products are the types; allowed: types that are predicted."""

    h: History
    names: npt.NDArray[np.str_]
    allowed: Bools

    @cached_property
    def scope(self) -> Scope:
        """Every active customer on the NEW_TYPES types with most buyers of late: few enough to need no search."""
        listed = np.sort(segment_candidates(self.h, self.allowed)[:NEW_TYPES])
        return Scope(listed, self.allowed, retrieve=False, keep_listed=True)

    def named(self, sink: Callable[[pd.DataFrame], None]) -> Callable[[pd.DataFrame], None]:
        """A sink of pairs whose product numbers are types: passes them on by name, without expected dates."""

        def add(part: pd.DataFrame) -> None:
            sink(self.by_name(part))

        return add

    def by_name(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Pairs with product_type and because_product_type in place of numbers."""
        because = pairs["because_product_no"].fillna(-1).to_numpy(dtype=np.int64)
        columns = {
            "customer_no": pairs["customer_no"],
            "product_type": self._words(pairs["product_no"].to_numpy()),
            "kind": pairs["kind"],
            "probability": pairs["probability"],
            "lift": pairs["lift"],
            "because_product_type": self._words(because),
            "basis": pairs["basis"],
        }
        return pd.DataFrame(columns, copy=False)

    def rates_by_name(self, rates: pd.DataFrame) -> pd.DataFrame:
        """Base rates with product_type in place of numbers, of what is predicted alone."""
        codes = rates["product_no"].to_numpy()
        offered = self.scope.marked_at(self.h)[codes]
        wanted = self.allowed[codes] & ((rates["kind"] == "repurchase").to_numpy() | offered)
        kept: pd.DataFrame = rates.loc[wanted].reset_index(drop=True)
        codes = kept.pop("product_no").to_numpy()
        return pd.DataFrame({"product_type": self._words(codes)} | {name: kept[name] for name in kept.columns})

    def _words(self, codes: npt.NDArray[np.integer]) -> pd.Categorical:
        # Names once and codes per row: a giant shop has tens of millions of rows.
        return pd.Categorical.from_codes(codes, categories=pd.Index(self.names, dtype=object))


def type_level(h: History, offered: Bools) -> TypeLevel | None:
    """The shop by type, or None if no type can be predicted.

    offered: per product, whether it may still be bought.

    A type is predicted if at least two products of it were sold and one is still offered: with a single product
    there is nothing to add to that product's own predictions. Of these the MAX_TYPES most bought. All else stays in
    the history as one type without a name, because it tells how often its customers order, and is not predicted.
    """
    n_types = len(h.type_name)
    sold = tally(h.category, n_types, tally(h.pair_product, h.n_products) > 0)
    alive = tally(h.category, n_types, offered) > 0
    allowed = (sold >= MIN_PRODUCTS) & alive & (h.type_name != "")
    bought = tally(h.category[h.product], n_types)
    most = np.lexsort((np.arange(n_types), -bought, ~allowed))[:MAX_TYPES]
    most = np.sort(most[allowed[most]])
    if len(most) == 0:
        return None
    place = np.full(n_types, len(most), dtype=np.int64)
    place[most] = np.arange(len(most))
    rows = {
        "customer": h.customer,
        "product": place[h.category[h.product]],
        "order": h.order,
        "order_day": h.order_day,
        "quantity": h.quantity,
        "value": h.value,
        "discount": h.discount,
    }
    codes, names = np.arange(len(most) + 1), np.append(h.type_name[most], "")
    by_type = assemble(h.until, h.customer_no, codes.astype(np.int32), codes, names, rows)
    return TypeLevel(by_type, names, names != "")


def no_types() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The pairs and base rates of a shop without product types: tables without a row."""
    words, numbers = pd.array([], dtype="str"), np.zeros(0)
    pairs = {"product_type": words, "kind": words, "probability": numbers, "lift": numbers}
    pairs |= {"because_product_type": words, "basis": words}
    rates = {"product_type": words, "kind": words} | dict.fromkeys(("base_rate", "positives", "eligible"), numbers)
    return pd.DataFrame({"customer_no": np.zeros(0, dtype=np.int32)} | pairs), pd.DataFrame(rates)
