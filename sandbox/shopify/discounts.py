"""Code discounts: made, given more codes in bulk, looked up, used at the checkout, and taken away."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from graphql import GraphQLError

from sandbox.clock import SandboxClock
from sandbox.shopify.ledger import Ledger
from sandbox.shopify.resolve import number_of
from sandbox.shopify.shop import Shop, money, stamp

MAX_INPUT = 250
NODE, CODE, CREATION, JOB = "DiscountCodeNode", "DiscountRedeemCode", "DiscountRedeemCodeBulkCreation", "Job"
REQUIRED = ("title", "code", "startsAt", "context", "customerGets")
SCHEMA = """
CREATE TABLE IF NOT EXISTS discounts (
  id INTEGER PRIMARY KEY, shop TEXT, title TEXT, cents INTEGER, minimum INTEGER, starts TEXT, ends TEXT,
  usage_limit INTEGER, once INTEGER, products TEXT, created TEXT);
CREATE TABLE IF NOT EXISTS discount_codes (
  id INTEGER PRIMARY KEY, shop TEXT, discount INTEGER, code TEXT, folded TEXT, used INTEGER DEFAULT 0,
  UNIQUE (shop, folded));
CREATE TABLE IF NOT EXISTS code_uses (shop TEXT, code INTEGER, customer TEXT, order_id INTEGER);
CREATE TABLE IF NOT EXISTS code_additions (
  id INTEGER PRIMARY KEY, shop TEXT, discount INTEGER, at TEXT, asked INTEGER DEFAULT 1);
CREATE TABLE IF NOT EXISTS added_codes (addition INTEGER, code TEXT, number INTEGER, error TEXT);
CREATE TABLE IF NOT EXISTS code_removals (id INTEGER PRIMARY KEY, shop TEXT);
"""


class NotRedeemable(ValueError):
    """The checkout does not take the code; the message says why, as a customer reads it."""


class Discounts:
    """The code discounts of every shop."""

    def __init__(self, ledger: Ledger, clock: SandboxClock) -> None:
        self._ledger, self._clock = ledger, clock
        with ledger.transaction() as database:
            for statement in SCHEMA.split(";"):
                database.execute(statement)

    def roots(self, shop: Shop) -> dict[str, Any]:
        """The root fields about discounts, as functions of their arguments."""
        return {
            "discountCodeBasicCreate": lambda basicCodeDiscount: self.create(shop, basicCodeDiscount),  # noqa: N803
            "discountRedeemCodeBulkAdd": lambda discountId, codes: self.add(shop, discountId, codes),  # noqa: N803
            "discountRedeemCodeBulkCreation": lambda id: self.addition(shop, id),  # noqa: A006
            "discountCodeRedeemCodeBulkDelete": lambda **given: self.remove(shop, **given),
            "codeDiscountNodeByCode": lambda code: self.by_code(shop, code),
            "node": lambda id: self.node(shop, id),  # noqa: A006
            "job": lambda id: self.job(shop, id),  # noqa: A006
        }

    def create(self, shop: Shop, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """DiscountCodeBasicCreate for a fixed amount off the whole order; anything else is an explicit error."""
        errors = [_error([name], f"{name} can't be blank", "BLANK") for name in REQUIRED if not wanted.get(name)]
        value = (wanted.get("customerGets") or {}).get("value") or {}
        if value.get("percentage") is not None or (wanted.get("customerGets") or {}).get("items") != {"all": True}:
            raise GraphQLError("stand-in makes discounts of a fixed amount off all products only")
        amount = value.get("discountAmount") or {}
        cents = _cents(amount.get("amount") or 0)
        if not errors and cents <= 0:
            errors.append(_error(["customerGets", "value"], "Value must be greater than 0", "GREATER_THAN"))
        if amount.get("appliesOnEachItem"):
            raise GraphQLError("stand-in splits an amount over the order only")
        starts, ends = _time(wanted.get("startsAt")), _time(wanted.get("endsAt"))
        if starts and ends and ends <= starts:
            errors.append(_error(["endsAt"], "Ends at needs to be after starts at", "END_DATE_BEFORE_START_DATE"))
        if not errors and self._code(shop, wanted["code"]):
            errors.append(_error(["code"], "Code must be unique. Please try a different code.", "TAKEN"))
        if errors:
            return {"codeDiscountNode": None, "userErrors": errors}
        floor = ((wanted.get("minimumRequirement") or {}).get("subtotal") or {}).get("greaterThanOrEqualToSubtotal")
        row = (
            shop.domain, wanted["title"], cents, _cents(floor or 0), starts, ends, wanted.get("usageLimit"),
            int(bool(wanted.get("appliesOncePerCustomer"))), stamp(self._clock.now()),
        )  # fmt: skip
        with self._ledger.transaction() as database:
            number = database.execute(
                "INSERT INTO discounts (shop, title, cents, minimum, starts, ends, usage_limit, once, created) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            ).lastrowid
            database.execute(
                "INSERT INTO discount_codes (shop, discount, code, folded) VALUES (?, ?, ?, ?)",
                (shop.domain, number, wanted["code"], wanted["code"].casefold()),
            )
        return {"codeDiscountNode": self.node(shop, f"gid://shopify/{NODE}/{number}"), "userErrors": []}

    def add(self, shop: Shop, gid: str, codes: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        """discountRedeemCodeBulkAdd: the codes are there soon; the answer says that it has only been queued."""
        if len(codes) > MAX_INPUT:
            raise GraphQLError(
                f"The input array size of {len(codes)} is greater than the maximum allowed of {MAX_INPUT}."
            )
        discount = self._discount(shop, gid)
        if discount is None:
            error = _error(["discountId"], "Code discount does not exist.", "INVALID", root="")
            return {"bulkCreation": None, "userErrors": [error]}
        with self._ledger.transaction() as database:
            number = database.execute(
                "INSERT INTO code_additions (shop, discount, at) VALUES (?, ?, ?)",
                (shop.domain, discount["id"], stamp(self._clock.now())),
            ).lastrowid
            for code in (one["code"] for one in codes):
                made = database.execute(
                    "INSERT INTO discount_codes (shop, discount, code, folded) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT DO NOTHING RETURNING id",
                    (shop.domain, discount["id"], code, code.casefold()),
                ).fetchone()
                database.execute(
                    "INSERT INTO added_codes VALUES (?, ?, ?, ?)",
                    (number, code, made[0] if made else None, None if made else "TAKEN"),
                )
        creation = self.addition(shop, f"gid://shopify/{CREATION}/{number}") or {}
        return {"bulkCreation": creation | {"done": False, "importedCount": 0, "failedCount": 0}, "userErrors": []}

    def addition(self, shop: Shop, gid: str) -> dict[str, Any] | None:
        """How an addition of codes ended."""
        row = self._ledger.one(
            "SELECT * FROM code_additions WHERE shop = ? AND id = ?", shop.domain, number_of(gid, CREATION)
        )
        if row is None:
            return None
        added = self._ledger.all("SELECT * FROM added_codes WHERE addition = ? ORDER BY rowid", row["id"])
        nodes = [
            {
                "code": one["code"],
                "errors": []
                if one["number"]
                else [_error(["code"], "Code must be unique. Please try a different code.", one["error"], root="")],
                "discountRedeemCode": {"id": f"gid://shopify/{CODE}/{one['number']}", "code": one["code"]}
                if one["number"]
                else None,
            }
            for one in added
        ]
        failed = sum(one["number"] is None for one in added)
        return {
            "id": gid, "done": True, "codesCount": len(added), "importedCount": len(added) - failed,
            "failedCount": failed, "createdAt": row["at"], "codes": lambda **page: _page(nodes, page),
        }  # fmt: skip

    def remove(self, shop: Shop, **given: Any) -> dict[str, Any]:
        """DiscountCodeRedeemCodeBulkDelete by ids; by a search is an explicit error."""
        if given.get("search") or given.get("savedSearchId") or not given.get("ids"):
            raise GraphQLError("stand-in removes codes by their ids only")
        if len(given["ids"]) > MAX_INPUT:
            raise GraphQLError(f"The input array size is greater than the maximum allowed of {MAX_INPUT}.")
        discount = self._discount(shop, given["discountId"])
        if discount is None:
            error = _error(["discountId"], "Code discount does not exist.", "INVALID", root="")
            return {"job": None, "userErrors": [error]}
        numbers = [number_of(gid, CODE) for gid in given["ids"]]
        with self._ledger.transaction() as database:
            database.executemany(
                "DELETE FROM discount_codes WHERE shop = ? AND discount = ? AND id = ?",
                [(shop.domain, discount["id"], number) for number in numbers],
            )
            job = database.execute("INSERT INTO code_removals (shop) VALUES (?)", (shop.domain,)).lastrowid
        return {"job": {"id": f"gid://shopify/{JOB}/{job}", "done": False}, "userErrors": []}

    def job(self, shop: Shop, gid: str) -> dict[str, Any] | None:
        """A removal that was asked for; it is done by the time that somebody asks."""
        found = self._ledger.one(
            "SELECT id FROM code_removals WHERE shop = ? AND id = ?", shop.domain, number_of(gid, JOB)
        )
        return {"id": gid, "done": True} if found else None

    def by_code(self, shop: Shop, code: str) -> dict[str, Any] | None:
        """The discount that has this code, whatever its case."""
        found = self._code(shop, code)
        return self.node(shop, f"gid://shopify/{NODE}/{found['discount']}") if found else None

    def node(self, shop: Shop, gid: str) -> dict[str, Any] | None:
        """A code discount by its global id. GraphQLError for the id of anything else."""
        if not gid.startswith(f"gid://shopify/{NODE}/"):
            raise GraphQLError(f"stand-in looks up {NODE} by node(id:) only")
        row = self._discount(shop, gid)
        if row is None:
            return None
        uses = self._ledger.one(
            "SELECT coalesce(sum(used), 0) AS used FROM discount_codes WHERE discount = ?", row["id"]
        )
        value = {"__typename": "DiscountAmount", "appliesOnEachItem": False,
                 "amount": {"amount": money(row["cents"]), "currencyCode": shop.currency}}  # fmt: skip
        discount = {
            "__typename": "DiscountCodeBasic", "title": row["title"], "status": self._status(row),
            "summary": f"${row['cents'] / 100:.2f} off entire order", "startsAt": row["starts"], "endsAt": row["ends"],
            "usageLimit": row["usage_limit"], "appliesOncePerCustomer": bool(row["once"]), "createdAt": row["created"],
            "asyncUsageCount": uses["used"] if uses else 0,
            "customerGets": {"value": value, "items": {"__typename": "AllDiscountItems", "allItems": True}},
            "codes": lambda **page: _page(self._codes(row["id"]), page),
        }  # fmt: skip
        return {"__typename": NODE, "id": gid, "codeDiscount": discount}

    def redeem(self, shop: Shop, code: str, customer: str, cents: int, order_id: int) -> tuple[str, int]:
        """Use a code for an order of `cents`; (the code as written, cents off). NotRedeemable says why not."""
        with self._ledger.transaction() as database:
            row = database.execute(
                "SELECT c.id AS code_id, c.code, c.used, d.* FROM discount_codes c "
                "JOIN discounts d ON d.id = c.discount WHERE c.shop = ? AND c.folded = ?",
                (shop.domain, code.casefold()),
            ).fetchone()
            if row is None:
                raise NotRedeemable("Enter a valid discount code")
            if self._status(dict(row)) != "ACTIVE":
                raise NotRedeemable("The discount code isn't valid now")
            if row["usage_limit"] is not None and row["used"] >= row["usage_limit"]:
                raise NotRedeemable("The discount code has reached its usage limit")
            if (
                row["once"]
                and database.execute(
                    "SELECT 1 FROM code_uses u JOIN discount_codes c ON c.id = u.code "
                    "WHERE c.discount = ? AND u.customer = ?",
                    (row["id"], customer),
                ).fetchone()
            ):
                raise NotRedeemable("You have used this discount already")
            if cents < row["minimum"]:
                raise NotRedeemable(f"Add items worth ${(row['minimum'] - cents) / 100:.2f} to use this code")
            database.execute("UPDATE discount_codes SET used = used + 1 WHERE id = ?", (row["code_id"],))
            database.execute(
                "INSERT INTO code_uses VALUES (?, ?, ?, ?)", (shop.domain, row["code_id"], customer, order_id)
            )
            return str(row["code"]), min(int(row["cents"]), cents)

    def _status(self, row: Mapping[str, Any]) -> str:
        now = stamp(self._clock.now())
        if row["starts"] > now:
            return "SCHEDULED"
        return "EXPIRED" if row["ends"] and row["ends"] <= now else "ACTIVE"

    def _discount(self, shop: Shop, gid: str) -> dict[str, Any] | None:
        number = number_of(gid, NODE)
        return self._ledger.one("SELECT * FROM discounts WHERE shop = ? AND id = ?", shop.domain, number)

    def _code(self, shop: Shop, code: str) -> dict[str, Any] | None:
        folded = code.casefold()
        return self._ledger.one("SELECT * FROM discount_codes WHERE shop = ? AND folded = ?", shop.domain, folded)

    def _codes(self, discount: int) -> list[dict[str, Any]]:
        rows = self._ledger.all("SELECT * FROM discount_codes WHERE discount = ? ORDER BY id", discount)
        return [
            {"id": f"gid://shopify/{CODE}/{row['id']}", "code": row["code"], "asyncUsageCount": row["used"]}
            for row in rows
        ]


def _page(nodes: Sequence[Mapping[str, Any]], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """One page of a list, forwards, by place."""
    first, after = arguments.get("first"), arguments.get("after")
    if first is None or not 0 <= first <= MAX_INPUT:
        raise GraphQLError(f"first must be between 0 and {MAX_INPUT}")
    start = int(after) if after else 0
    end = start + first
    return {
        "nodes": list(nodes[start:end]),
        "pageInfo": {"hasNextPage": len(nodes) > end, "hasPreviousPage": start > 0, "endCursor": str(end)},
    }


def _error(field: list[str], message: str, code: str, *, root: str = "basicCodeDiscount") -> dict[str, Any]:
    return {"field": [root, *field] if root else field, "message": message, "code": code, "extraInfo": None}


def _cents(amount: Any) -> int:
    return int(Decimal(str(amount)) * 100)


def _time(text: str | None) -> str | None:
    return stamp(datetime.fromisoformat(text)) if text else None
