"""What a download holds: who is in it, who is not and why, and its lines; each contact is opened once.

Members are gone through in the order of their numbers, a chunk in memory at a time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from pyroaring import BitMap
from sqlalchemy import select

from app.domain.money import exponent
from app.domain.regions import expanded
from app.errors import Unavailable
from app.services.csv_cells import BOM, csv_lines, guarded
from app.services.export_segment_normal import country
from app.services.export_segment_platforms import PLATFORMS, VALUE_HEADER, Refusal
from app.services.published import open_run, published
from app.store.crypto import CannotUnseal, customer_subject
from app.store.models.customers import Customer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Row

    from app.domain.context import ShopContext
    from app.services.reachable import Reach
    from app.services.rooms import Rooms

    Found = Row[int, bytes, int | None, str]
    """A customer as read: the columns below."""

CHUNK = 5_000
NEVER = -1
SPARSE = 4  # a range with more than this many numbers per member is asked for by number
PLAIN_HEADERS = (
    "customer_id",
    "email",
    "first_name",
    "last_name",
    "phone",
    "city",
    "province",
    "zip",
    "country",
    "email_consent",
    "can_be_mailed",
    "orders",
    "total_spend",
    "currency",
    "last_order",
)
TABLE = Customer.__table__.c  # columns of the table, not of the model: nothing here needs its objects
COLUMNS = (TABLE.customer_no, TABLE.contact, TABLE.shopify_id, TABLE.email_consent)


@dataclass(frozen=True)
class Options:
    """The choices of a download.

    file_format: plain, or the name of a platform.
    hashed: SHA-256 of the identifying cells; platforms only.
    include_unsubscribed: also members who can't be mailed.
    with_value: Meta only: predicted sales of the next 12 months, and only members who have one.
    countries_mode: all, only those of `countries`, or all without those; `countries` holds ISO codes and EEA_UK.
    """

    file_format: str
    hashed: bool
    include_unsubscribed: bool
    with_value: bool = False
    countries_mode: str = "all"
    countries: tuple[str, ...] = ()

    @property
    def is_platform(self) -> bool:
        """Whether the file is for a platform rather than for people."""
        return self.file_format in PLATFORMS

    @property
    def counts_by_bitmap(self) -> bool:
        """Whether who is in the file is known without opening a contact."""
        return not self.is_platform and self.countries_mode == "all"


class Contents:
    """A download about to be made. After `pieces` has run out, `included` and `excluded` say who is in it.

    everybody: reachability at this moment. `looked_at` grows while pieces are taken.
    """

    def __init__(self, rooms: Rooms, ctx: ShopContext, options: Options, members: BitMap, everybody: Reach) -> None:
        self._rooms, self._ctx, self._options, self._everybody = rooms, ctx, options, everybody
        self._countries = expanded(list(options.countries))
        self.included = BitMap()
        self.excluded: Counter[str] = Counter()
        self.looked_at = 0
        self._members = members
        self._candidates = self._allowed()

    def _allowed(self) -> BitMap:
        gone = self._members - self._everybody.universe
        self.excluded["gone"] = len(gone)
        left = self._members - gone
        if self._options.include_unsubscribed:
            return left
        self.excluded.update(self._everybody.counts(left))
        return left & self._everybody.reachable

    @property
    def exclusions(self) -> list[dict[str, Any]]:
        """How many are left out, by reason: members = rows + their sum, once all pieces were taken."""
        return [{"reason": reason, "count": count} for reason, count in sorted(self.excluded.items()) if count]

    def count(self) -> int:
        """How many rows the file will have; opens the contacts only where they decide."""
        if self._options.counts_by_bitmap:
            self.included = self._candidates
        else:
            self.included = self.fit(self._candidates)
        return len(self.included)

    def at_most(self) -> int:
        """How many rows the file can have, without opening a contact."""
        return len(self._candidates)

    def fit(self, members: BitMap) -> BitMap:
        """Those who can be in the file as they are now; the others are counted in `excluded`."""
        fit = BitMap()
        for chunk in self._chunks(members):
            fit.update(number for number, _ in self._rows(chunk))
        return fit

    def pieces(self) -> Iterator[bytes]:
        """The file from its first line to its last, a chunk of members at a time."""
        yield self._first_line()
        self.looked_at = len(self._members) - len(self._candidates)
        for chunk in self._chunks(self._candidates):
            rows = list(self._rows(chunk))
            self.included.update(number for number, _ in rows)
            yield csv_lines([cells for _, cells in rows], quoted=not self._options.is_platform)
            self.looked_at += len(chunk)
        self.excluded["gone"] += len(self._candidates) - len(self.included) - sum(self._refused.values())

    def _first_line(self) -> bytes:
        if not self._options.is_platform:
            return BOM.encode() + csv_lines([PLAIN_HEADERS], quoted=True)
        platform = PLATFORMS[self._options.file_format]
        headers = platform.hashed_headers if self._options.hashed else platform.headers
        if not headers:
            return b""
        return csv_lines([(*headers, VALUE_HEADER) if self._options.with_value else headers])

    @cached_property
    def _refused(self) -> Counter[str]:
        return Counter()

    def _rows(self, chunk: Sequence[int]) -> Iterator[tuple[int, Sequence[str]]]:
        make, vault, shop_id = self._maker, self._rooms.vault, self._ctx.shop_id
        filtered = self._options.countries_mode != "all"
        for row in self._read(chunk):
            number = row[0]
            try:
                contact = vault.open(shop_id, customer_subject(number), row[1])
            except CannotUnseal:
                if self._options.is_platform:
                    self._refuse("unreadable")
                    continue
                contact = {}  # a plain file has every member, with what is known
            try:
                if filtered:
                    self._check_country(contact)
                yield number, make(contact, row)
            except Refusal as refusal:
                self._refuse(refusal.reason)

    def _refuse(self, reason: str) -> None:
        self.excluded[reason] += 1
        self._refused[reason] += 1

    def _check_country(self, contact: dict[str, Any]) -> None:
        code = country(contact.get("country_code")).upper()
        if not code:
            raise Refusal("country_unknown")
        if (code in self._countries) != (self._options.countries_mode == "only"):
            raise Refusal("other_country")

    def _chunks(self, members: BitMap) -> Iterator[list[int]]:
        numbers = members.to_array()
        for start in range(0, len(numbers), CHUNK):
            yield list(numbers[start : start + CHUNK])

    def _read(self, chunk: Sequence[int]) -> Iterator[Found]:
        query = select(*COLUMNS).where(TABLE.shop_id == self._ctx.shop_id).order_by(TABLE.customer_no)
        by_range = chunk[-1] - chunk[0] < SPARSE * len(chunk)
        where = TABLE.customer_no.between(chunk[0], chunk[-1]) if by_range else TABLE.customer_no.in_(chunk)
        with self._rooms.store.reading(self._ctx) as session:
            rows = session.connection().execute(query.where(where)).all()
        if len(rows) == len(chunk):
            return iter(rows)
        wanted = set(chunk)
        return (row for row in rows if row[0] in wanted)

    @cached_property
    def _maker(self) -> Callable[[dict[str, Any], Found], Sequence[str]]:
        """Makes the cells of a member, from the contact and the row that was read. They raise Refusal."""
        if not self._options.is_platform:
            return self._plain
        make, hashed = PLATFORMS[self._options.file_format].row, self._options.hashed
        if not self._options.with_value:
            return lambda contact, _row: make(contact, hashed)
        values, digits = self._values, exponent(self._ctx.currency)

        def with_value(contact: dict[str, Any], row: Found) -> list[str]:
            value = values[row[0]] if row[0] < len(values) else np.nan
            if np.isnan(value):
                raise Refusal("no_value")
            return [*make(contact, hashed), f"{max(value, 0.0):.{digits}f}"]

        return with_value

    def _plain(self, contact: dict[str, Any], row: Found) -> Sequence[str]:
        number, _, shopify_id, consent = row
        bought, digits = self._bought, exponent(self._ctx.currency)
        orders, net, last = bought[:, number].tolist() if number < bought.shape[1] else (0, 0, NEVER)
        cells = (
            shopify_id,
            *(contact.get(name) for name in ("email", "first_name", "last_name", "phone", "city")),
            *(contact.get(name) for name in ("province_code", "zip", "country_code")),
            consent.lower(),
            "yes" if number in self._everybody.reachable else "no",
            orders,
            f"{net / 10**digits:.{digits}f}",
            self._ctx.currency,
            "" if last == NEVER else datetime.fromtimestamp(last / 1_000_000, self._ctx.zone).date().isoformat(),
        )
        return [guarded(cell) for cell in cells]

    @cached_property
    def _bought(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Orders, net sales in minor units and last order in microseconds, by customer number."""
        run = published(self._rooms, self._ctx)
        if run is None:
            return np.zeros((3, 0), dtype=np.int64)
        with open_run(self._rooms, self._ctx, run) as connection:
            rows = connection.execute(
                "SELECT customer_no, coalesce(orders, 0) AS orders, coalesce(net_minor, 0) AS net, "
                f"coalesce(epoch_us(last_order_at), {NEVER}) AS last FROM features"
            ).fetchnumpy()
        numbers = rows["customer_no"]
        return np.stack([
            _dense(numbers, rows[name], np.int64, missing)
            for name, missing in (("orders", 0), ("net", 0), ("last", NEVER))
        ])  # fmt: skip

    @cached_property
    def _values(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Predicted sales of the next 12 months by customer number; NaN: none."""
        run = published(self._rooms, self._ctx)
        if run is None:
            raise Unavailable("There are no predictions yet; make the file without the value column.")
        with open_run(self._rooms, self._ctx, run) as connection:
            rows = connection.execute(
                "SELECT customer_no, value_12m FROM customer_values WHERE isfinite(value_12m)"
            ).fetchnumpy()
        return _dense(rows["customer_no"], rows["value_12m"], np.float64, np.nan)


def _dense(numbers: Any, values: Any, kind: Any, missing: Any) -> np.ndarray[Any, Any]:
    found = np.full(int(numbers.max()) + 1 if len(numbers) else 0, missing, dtype=kind)
    found[numbers] = values
    return found
