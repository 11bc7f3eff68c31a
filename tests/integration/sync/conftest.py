"""A shop with customers, connected to a stand-in, on both databases."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from pyroaring import BitMap

from app.services import connections, connections_syncs
from app.services.rooms import Rooms
from app.services.sync_segment import Membership, Patience, run_sync
from app.store.crypto import customer_subject
from app.store.models.customers import Customer
from app.store.models.segments import Segment
from connectors.registry import VendorConnectors
from connectors.transport import Pace, Policy
from sandbox.klaviyo import create_app as klaviyo_app
from sandbox.mailchimp import create_app as mailchimp_app
from tests.contract.connectors.conftest import KEYS, QuickPace
from tests.contract.standins.conftest import run  # noqa: F401 - a fixture
from tests.fakes import FakeClock, FakeJobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.domain.context import ShopContext
    from app.services.sync_segment import RunResult
    from app.store.crypto import Vault
    from app.store.session import Store
    from tests.contract.standins.conftest import Running

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
APPS = {"klaviyo": klaviyo_app, "mailchimp": mailchimp_app}


@dataclass
class ShopUnderTest:
    """A shop, a stand-in, and a sync between a segment and a new list or tag."""

    rooms: Rooms
    ctx: ShopContext
    standin: Running
    vendor: str
    clock: FakeClock
    jobs: FakeJobs
    sync_id: str = ""
    versions: int = field(default=0)

    def customer(self, number: int, email: str | None = "", **fields: Any) -> int:
        """Put a customer into the store, or change one."""
        with self.rooms.store.session(self.ctx) as session:
            session.merge(self._row(number, email, **fields))
        return number

    def customers(self, numbers: range, **fields: Any) -> BitMap:
        with self.rooms.store.session(self.ctx) as session:
            session.add_all(self._row(number, "", **fields) for number in numbers)
        return BitMap(numbers)

    def _row(self, number: int, email: str | None, **fields: Any) -> Customer:
        address = f"ann{number}@example.com" if email == "" else email
        self.versions += 1
        contact = {"email": address, "first_name": "Ann", "last_name": f"No {number}"} | fields.pop("contact", {})
        values: dict[str, Any] = {
            "shop_id": self.ctx.shop_id,
            "customer_no": number,
            "shopify_id": 1000 + number,
            "email_hash": self.rooms.vault.email_hash(address) if address else None,
            "contact": self.rooms.vault.seal(self.ctx.shop_id, customer_subject(number), contact),
            "email_valid": address is not None,
            "email_consent": "SUBSCRIBED",
            "email_consent_at": NOW,
            "email_opt_in_level": "SINGLE_OPT_IN",
            "sms_consent": "NOT_SUBSCRIBED",
            "open_tracking": None,
            "created_at": NOW,
            "updated_at": NOW + timedelta(seconds=self.versions),
            "merged_into": None,
            "erased_at": None,
        }
        return Customer(**(values | fields))

    def connect(self, **sync: Any) -> str:
        """Connect the account and make a sync into a new target; answers its id."""
        connection = connections.connect(self.rooms, self.ctx, self.vendor, KEYS[self.vendor])
        container = None
        if self.vendor == "mailchimp":
            container = self.standin.state()["lists"][0]["id"]
        self.add_segment(1)
        new = connections_syncs.NewSync(
            **{
                "segment_id": "seg_1",
                "connection_id": connection["id"],
                "target_id": None,
                "target_name": "Encore: VIP",
                "container_id": container,
                "schedule": "manual",
                "without_consent": "skip",
                **sync,
            }
        )
        self.sync_id = connections_syncs.create(self.rooms, self.ctx, new)["id"]
        return self.sync_id

    def add_segment(self, number: int) -> None:
        with self.rooms.store.session(self.ctx) as session:
            session.merge(
                Segment(
                    shop_id=self.ctx.shop_id,
                    id=number,
                    key=f"auto:{number}",
                    name="VIP",
                    description="",
                    category="behavioral",
                    source="automatic",
                    state="ready",
                    definition="Everyone",
                    created_at=NOW,
                    updated_at=NOW,
                )
            )

    def run(self, members: BitMap, **options: Any) -> RunResult:
        """Run the sync with these members; waits take no time."""

        patience = options.pop("patience", self.patience())
        who = Membership(members, self.clock.now())
        return run_sync(self.rooms, self.ctx, self.sync_id, who=who, patience=patience, **options)

    def patience(self) -> Patience:
        """Waiting moves the vendor's clock and takes no time."""
        return Patience(sleep=self.standin.time.pass_)

    def there(self) -> list[str]:
        """The addresses on the list or tag at the vendor."""
        rows = self.standin.state()["lists" if self.vendor == "klaviyo" else "tags"]
        return next(list(row["members"]) for row in rows if row["name"] == "Encore: VIP")

    def consent(self) -> dict[str, str]:
        return dict(self.standin.state()["consent"])

    def rows_sent(self, calls: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
        """The addresses (or ids) that these calls put there, and those that they took off."""
        joined: list[str] = []
        left: list[str] = []
        for call in calls:
            body = call["body"] or {}
            if call["path"].startswith("/api/profile-bulk-import-jobs") and call["method"] == "POST":
                joined += [row["attributes"]["email"] for row in body["data"]["attributes"]["profiles"]["data"]]
            elif call["path"].endswith("/relationships/profiles") and call["method"] == "DELETE":
                left += [row["id"] for row in body["data"]]
            joined += body.get("members_to_add", [])
            left += body.get("members_to_remove", [])
        return joined, left

    def calls_of(self, act: Callable[[], object]) -> list[dict[str, Any]]:
        """The calls that reach the vendor while `act` runs."""
        before = len(self.standin.calls())
        act()
        return self.standin.calls()[before:]


def addresses(numbers: range | BitMap) -> list[str]:
    return sorted(f"ann{number}@example.com" for number in numbers)


@pytest.fixture(params=["klaviyo", "mailchimp"])
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shop(run: Any, store: Store, ctx: ShopContext, vault: Vault, vendor: str) -> Iterator[ShopUnderTest]:  # noqa: F811
    pace = QuickPace()
    with run(APPS[vendor], job_seconds=2) as standin:
        clock, jobs = FakeClock(NOW), FakeJobs()
        connectors = VendorConnectors({vendor: standin.url}, Policy(read_timeout=10), Pace(pace.monotonic, pace.sleep))
        unused = cast("Any", None)
        rooms = Rooms(
            settings=unused,
            clock=clock,
            store=store,
            lake=unused,
            vault=vault,
            jobs=jobs,
            connectors=connectors,
            transport=unused,
            consent_writer=unused,
        )
        yield ShopUnderTest(rooms, ctx, standin, vendor, clock, jobs)
