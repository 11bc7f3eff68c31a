"""A list kept in step at Klaviyo and at Mailchimp: all of it once, then nothing, then exactly what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.journey.main_job import addresses, fresh, heading, pages, shown, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import FrameLocator, Page

    from tests.e2e.running_demo import RunningDemo

    Open = Callable[[str], FrameLocator]

pytestmark = pytest.mark.browser
BEFORE, LEAVING, JOINING = 30, 7, 10
OUTCOMES = ("added", "updated", "unchanged", "skipped", "failed", "removed", "removal_failed")
READS = ("GET", "HEAD")


@dataclass
class Vendor:
    """What differs between the two: words on the page, and where its stand-in keeps things."""

    name: str
    title: str
    key: str
    noun: str
    unsubscribed: dict[str, str]

    def state(self, demo: RunningDemo) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{demo.stand_in(self.name)}/sandbox/state", timeout=30).json()
        return found

    def consent(self, demo: RunningDemo) -> dict[str, str]:
        """Address → consent as the vendor holds it."""
        state = self.state(demo)
        if self.name == "klaviyo":
            return dict(state["consent"])
        return {one["email_address"]: one["status"] for one in state["members"]}

    def on_target(self, demo: RunningDemo, name: str) -> set[str]:
        """The addresses in the list, or with the tag, of this name."""
        state = self.state(demo)
        (found,) = [one for one in state["lists" if self.name == "klaviyo" else "tags"] if one["name"] == name]
        return set(found["members"])

    def writes_after(self, demo: RunningDemo, number: int) -> list[dict[str, Any]]:
        answer = httpx.get(f"{demo.stand_in(self.name)}/sandbox/requests", params={"after": number}, timeout=30).json()
        return [call for call in answer["requests"] if call["method"] not in READS]

    def sent_after(self, demo: RunningDemo, number: int, people: list[str]) -> set[str]:
        """Which of these people stand in what was written, by address or by the vendor's own id."""
        bodies = repr([call["body"] for call in self.writes_after(demo, number)]).lower()
        ids = {one["email"]: one["id"] for one in self.state(demo).get("profiles", [])}
        return {who for who in people if who.lower() in bodies or str(ids.get(who, who)).lower() in bodies}

    def calls(self, demo: RunningDemo) -> int:
        answer = httpx.get(f"{demo.stand_in(self.name)}/sandbox/requests", params={"bodies": 0}, timeout=30).json()
        return int(answer["total"])


VENDORS = [
    Vendor("klaviyo", "Klaviyo", "pk_sandbox", "list", {"consent": "UNSUBSCRIBED"}),
    Vendor("mailchimp", "Mailchimp", "sandbox-us1", "tag", {"status": "unsubscribed"}),
]


def upload(app: FrameLocator, name: str, people: list[str], button: str) -> None:
    """Give the upload page a file with these addresses, and press the button."""
    content = "\n".join(["email", *people]).encode()
    file = {"name": f"{name}.csv", "mimeType": "text/csv", "buffer": content}
    app.locator('input[type="file"]').set_input_files(file)
    app.get_by_role("button", name=button).click()
    expect(app.get_by_text(f"{len(people)} + 0 + 0 + 0 = {len(people)} rows")).to_be_visible()


def run_of(demo: RunningDemo, sync_id: str, earlier: int) -> dict[str, Any] | None:
    """The sync's last run if it has ended and is none of the earlier ones."""
    sync = demo.api(f"/api/syncs/{sync_id}")
    run: dict[str, Any] | None = sync["last_run"]
    done = run and run["id"] > earlier and run["state"] != "running" and not sync["running"]
    return run if done else None


def every_row_has_an_outcome(demo: RunningDemo, sync_id: str, run: dict[str, Any]) -> None:
    path = f"/api/syncs/{sync_id}/runs/{run['id']}/outcomes"
    totals = {name: demo.api(path, outcome=name)["total"] for name in OUTCOMES}
    assert totals["removal_failed"] == run["removals_failed"]
    assert all(totals[name] == run[name] for name in OUTCOMES[:-1])
    assert sum(totals[name] for name in OUTCOMES[:5]) == run["queried"]
    rows = {name: list(pages(demo, path, outcome=name)) for name in OUTCOMES if totals[name]}
    assert {name: len(found) for name, found in rows.items()} == {name: n for name, n in totals.items() if n}
    assert all(row["message"] for name in ("skipped", "failed") for row in rows.get(name, []))


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
def test_a_list_is_sent_once_then_only_what_changed(  # noqa: PLR0915 - one story in its order
    page: Page, demo: RunningDemo, encore: Open, vendor: Vendor
) -> None:
    people = addresses(demo, "auto:big_baskets", BEFORE + JOINING)
    first, second = people[:BEFORE], people[LEAVING:]
    staying, leaving, joining = people[LEAVING], people[0], people[-1]
    unsubscribed = [{"email": who, **vendor.unsubscribed} for who in (staying, leaving, joining)]
    httpx.post(f"{demo.stand_in(vendor.name)}/sandbox/profiles", json=unsubscribed).raise_for_status()
    consent = vendor.consent(demo)
    name = f"{vendor.name} {fresh()}"

    app = encore("/segments/upload")
    upload(app, name, first, f"Make a list from {BEFORE} rows")
    (segment,) = [row for row in demo.api("/api/segments", search=name)["items"] if row["name"] == name]

    app = encore("/connections")
    tile = app.locator("s-section").filter(has=app.get_by_role("heading", name=vendor.title, exact=True)).last
    tile.get_by_role("button", name=f"Connect {vendor.title}").or_(
        tile.get_by_role("button", name="Use another key")
    ).click()
    tile.get_by_label("API key").fill(vendor.key)
    tile.get_by_role("button", name="Check and connect").click()
    expect(tile.get_by_text("Connected", exact=True)).to_be_visible()

    app = encore(f"/connections?segment={segment['id']}")
    form = app.locator("s-section").filter(has=app.get_by_role("heading", name="New sync")).last
    (connection,) = [
        one
        for tile in demo.api("/api/connections")["items"]
        for one in tile["connections"]
        if one["vendor"] == vendor.name
    ]
    form.get_by_label("Account").select_option(connection["id"])
    if vendor.name == "mailchimp":
        form.get_by_label("Audience").select_option(index=1)
    form.get_by_label(vendor.noun.capitalize(), exact=True).select_option("new")
    form.get_by_label(f"Name of the new {vendor.noun}").fill(name)
    form.get_by_role("button", name="Make sync").click()
    wait_for(lambda: demo.api("/api/syncs", segment_id=segment["id"])["items"], "the sync")
    (sync,) = demo.api("/api/syncs", segment_id=segment["id"])["items"]

    def run(earlier: int, changes: str) -> dict[str, Any]:
        """Preview in the page, look at the numbers, run, and wait for the end."""
        opened = encore("/connections")
        card = opened.locator("s-section").filter(has=opened.get_by_role("heading", name=f"{name} →")).last
        card.get_by_role("button", name="Preview changes").click()
        expect(card.get_by_text("Nothing has been sent.")).to_be_visible()
        card.get_by_role("button", name=changes).click()
        return wait_for(lambda: run_of(demo, sync["id"], earlier), "the end of the run")

    one = run(0, f"Run: {BEFORE} changes")
    assert (one["state"], one["added"], one["queried"]) == ("done", BEFORE, BEFORE)
    assert vendor.on_target(demo, name) == set(first)
    every_row_has_an_outcome(demo, sync["id"], one)

    so_far = vendor.calls(demo)
    two = run(one["id"], "Run anyway")
    assert (two["unchanged"], two["added"], two["updated"], two["removed"]) == (BEFORE, 0, 0, 0)
    assert vendor.writes_after(demo, so_far) == []
    every_row_has_an_outcome(demo, sync["id"], two)

    app = encore(f"/segments/upload?segment={segment['id']}")
    heading(page, "Upload a new file")
    upload(app, name, second, "Replace the list")
    so_far = vendor.calls(demo)
    three = run(two["id"], f"Run: {JOINING + LEAVING} changes")
    assert (three["added"], three["removed"], three["updated"]) == (JOINING, LEAVING, 0)
    assert vendor.on_target(demo, name) == set(second)
    assert vendor.sent_after(demo, so_far, people) == {*first, *second} - ({*first} & {*second})
    every_row_has_an_outcome(demo, sync["id"], three)

    after = vendor.consent(demo)
    assert {who: after[who] for who in consent} == consent
    assert {after[who] for who in (staying, leaving, joining)} == set(vendor.unsubscribed.values())
    app = encore(f"/connections?sync={sync['id']}")
    card = app.locator("s-section").filter(has=app.get_by_role("heading", name=f"{name} →")).last
    shown(card, "Added", JOINING)
    shown(card, "Removed", LEAVING)
    found = httpx.get(f"{demo.stand_in(vendor.name)}/sandbox/violations", timeout=30).json()["violations"]
    assert [one for one in found if one["kind"] != "window"] == []  # being told to wait is no fault
