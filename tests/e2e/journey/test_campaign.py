"""A campaign from Encore's suggestion to the mail in the customer's inbox, and to their unsubscribe in the shop."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.journey.main_job import encore as command_line
from tests.e2e.journey.main_job import fresh, heading, pages, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import FrameLocator, Page

    from tests.e2e.running_demo import RunningDemo

    Open = Callable[[str], FrameLocator]

pytestmark = pytest.mark.browser
STREET, TOWN = "17 Granary Lane", "Cincinnati, OH 45202"
STANDINGS = ("sent", "queued", "sending", "held_out", "skipped", "capped", "failed", "unknown", "cancelled")


def mails(demo: RunningDemo, to: str | None = None) -> list[dict[str, Any]]:
    """What arrived, newest first; with `to`, only at that address."""
    query = {"to": to} if to else {}
    answer = httpx.get(f"{demo.stand_in('mailbox')}/sandbox/messages", params=query, timeout=30).json()
    found: list[dict[str, Any]] = answer["messages"]
    return found


def mail(demo: RunningDemo, number: int) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{demo.stand_in('mailbox')}/sandbox/messages/{number}", timeout=30).json()
    return found


class TestTheSuggestion:
    def test_it_stands_on_three_pages(self, page: Page, demo: RunningDemo, encore: Open) -> None:
        best = demo.api("/api/recommendations")["items"][0]
        for path in ("", "/campaigns", f"/segments/{best['segment_id']}"):
            app = encore(path)
            expect(app.get_by_text(best["title"], exact=True)).to_be_visible()
            expect(app.get_by_text(best["reason"])).to_be_visible()


class TestTheCampaign:
    def test_from_the_suggestion_to_the_unsubscribe(self, page: Page, demo: RunningDemo, encore: Open) -> None:
        journey = Journey(page, demo, encore)
        journey.open_the_prefilled_form()
        journey.make_a_sender_within_the_draft()
        journey.confirm_the_sender_by_the_link()
        journey.look_at_the_preview()
        journey.send_a_test()
        journey.start()
        journey.every_decision_has_a_reason()
        message = journey.read_a_mail()
        journey.unsubscribe(message)
        journey.the_counts_add_up()
        journey.nobody_got_two()


class Journey:
    """The steps of one campaign, each as a person does it."""

    def __init__(self, page: Page, demo: RunningDemo, encore: Open) -> None:
        self.page, self.demo, self.encore = page, demo, encore
        self.best = demo.api("/api/recommendations")["items"][0]
        self.sender = f"ann.{fresh()}@granary-lane.example"
        self.id = ""

    def open_the_prefilled_form(self) -> None:
        app = self.encore("/campaigns")
        banner = app.locator(f's-banner[heading="{self.best["title"]}"]')
        banner.get_by_text("New campaign", exact=True).click()
        heading(self.page, "New campaign")
        expect(self.page).to_have_url(re.compile(r"/campaigns/cmp_\d+/edit"))
        self.id = re.findall(r"cmp_\d+", self.page.url)[0]
        draft = self.draft()
        assert draft["audience"]["segment_id"] == self.best["segment_id"]
        assert draft["suggested"]
        assert draft["content"]["subject"]
        expect(app.get_by_label("Campaign name")).to_have_value(draft["name"])
        expect(app.get_by_text("Suggested").first).to_be_visible()

    def draft(self) -> dict[str, Any]:
        found: dict[str, Any] = self.demo.api(f"/api/campaigns/{self.id}")
        return found

    def step(self, name: str) -> FrameLocator:
        return self.encore(f"/campaigns/{self.id}/edit?step={name}")

    def make_a_sender_within_the_draft(self) -> None:
        app = self.step("sender")
        expect(app.get_by_role("heading", name="Sender")).to_be_visible()
        fields = app.get_by_label("Display name")
        expect(fields.or_(app.get_by_role("button", name="Create sender")).first).to_be_visible()
        if not fields.is_visible():
            app.get_by_role("button", name="Create sender").click()
        fields.fill("Ann of Granary Lane")
        app.get_by_label("From address").fill(self.sender)
        app.get_by_label("Company").fill("Granary Lane Stores")
        app.get_by_label("Postal address").fill(f"{STREET}\n{TOWN}")
        app.get_by_role("button", name="Create sender").click()
        expect(app.get_by_text(f"{self.sender} can't send yet")).to_be_visible()
        expect(app.get_by_text("All changes saved")).to_be_visible()
        review = self.step("review")
        expect(review.get_by_text(re.compile("left before it can start"))).to_be_visible()
        expect(review.get_by_role("button", name=re.compile("^Start:"))).to_be_disabled()

    def confirm_the_sender_by_the_link(self) -> None:
        (row,) = wait_for(lambda: mails(self.demo, self.sender), "the confirmation mail")
        link = next(one["url"] for one in mail(self.demo, row["id"])["links"] if "/senders/confirm/" in one["url"])
        page = self.page.context.new_page()
        page.goto(link)
        button = page.get_by_role("button", name="Confirm this address")
        expect(button).to_be_visible()
        assert self.state_of_sender() == "pending"  # looking at the page confirms nothing
        button.click()
        expect(page.get_by_role("heading", name=f"{self.sender} is confirmed")).to_be_visible()
        page.close()
        assert self.state_of_sender() == "verified"
        app = self.encore("/senders")
        card = app.locator("s-section").filter(has_text=self.sender)
        expect(card.get_by_text("Verified", exact=False).first).to_be_visible()

    def state_of_sender(self) -> str:
        (found,) = [one for one in self.demo.api("/api/senders")["items"] if one["from_address"] == self.sender]
        return str(found["state"])

    def look_at_the_preview(self) -> None:
        app = self.step("content")
        frame = app.frame_locator('iframe[title="E-mail preview"]')
        shown = self.demo.ask("POST", f"/api/campaigns/{self.id}/preview", json={}).json()
        expect(app.get_by_text(shown["subject"], exact=True)).to_be_visible()
        expect(frame.get_by_text(STREET)).to_be_visible()
        expect(frame.get_by_text(self.best["product_title"]).first).to_be_visible()
        for part in ("subject", "html", "text"):
            assert not re.search(r"\[[A-Z][A-Za-z ]+\]", shown[part]), part
        assert STREET in shown["text"]
        assert TOWN in shown["text"]

    def send_a_test(self) -> None:
        app = self.page.frame_locator("#app-frame")
        to = f"colleague.{fresh()}@granary-lane.example"
        app.get_by_label("Send a test to").fill(to)
        app.get_by_role("button", name="Send test e-mail").click()
        expect(app.get_by_text(f"{to}: sent")).to_be_visible()
        (row,) = wait_for(lambda: mails(self.demo, to), "the test mail")
        assert "test" in row["subject"].lower()

    def start(self) -> None:
        app = self.step("review")
        expect(app.get_by_text("Everything is in place")).to_be_visible()
        people = self.demo.api(f"/api/campaigns/{self.id}/preflight")["people"]
        assert people > 0
        app.get_by_role("button", name=f"Start: {people:,} people can be mailed").click()
        expect(self.page).to_have_url(re.compile(rf"/campaigns/{self.id}$"))
        expect(app.get_by_text("Active", exact=True).first).to_be_visible()

    def counts(self) -> dict[str, Any]:
        found: dict[str, Any] = self.draft()["counts"]
        return found

    def settled(self) -> dict[str, Any] | None:
        counts = self.counts()
        done = counts["last_tick"] and counts["sent"] > 0 and counts["queued"] + counts["sending"] == 0
        return counts if done else None

    def every_decision_has_a_reason(self) -> None:
        counts = wait_for(self.settled, "the campaign's mail to be sent", seconds=180)
        decisions = list(pages(self.demo, f"/api/campaigns/{self.id}/decisions"))
        current = [one for one in decisions if one["current"]]
        assert len(current) == counts["candidates"]
        assert all(one["reason_text"] for one in current if one["outcome"] in {"skipped", "lost"})
        assert {one["message_state"] for one in current if one["outcome"] == "selected"} <= {"sent"}
        assert len([one for one in current if one["message_state"] == "sent"]) == counts["sent"]
        app = self.encore(f"/campaigns/{self.id}")
        expect(app.get_by_role("heading", name=f"{counts['candidates']:,} customers considered")).to_be_visible()
        for one in counts["reasons"]:
            expect(app.get_by_text(f"{one['text']}: {one['count']:,}")).to_be_visible()

    def messages(self) -> list[dict[str, Any]]:
        """This campaign's mails in the mailbox: those from its sender's name, tests and links apart."""
        found = [row for row in mails_all(self.demo) if "Ann of Granary Lane" in row["from"]]
        return [row for row in found if self.sender in row["from"] and "granary-lane.example" not in row["to"]]

    def read_a_mail(self) -> dict[str, Any]:
        rows = self.messages()
        assert len(rows) == self.counts()["sent"]
        chosen = mail(self.demo, rows[0]["id"])
        title = self.best["product_title"]
        assert title in chosen["subject"]
        for part in ("html", "text"):
            assert title in chosen[part]
            assert not re.search(r"\[[A-Z][A-Za-z ]+\]", chosen[part])
            assert STREET in chosen[part]
        members = self.demo.api(f"/api/campaigns/{self.id}/decisions", search=rows[0]["recipients"][0])["items"]
        assert members[0]["outcome"] == "selected"
        assert chosen["unsubscribe"]["one_click"] is True
        page = self.page.context.new_page()
        page.goto(f"{self.demo.stand_in('mailbox')}/messages/{rows[0]['id']}")
        expect(page.frame_locator("iframe").get_by_text(STREET)).to_be_visible()
        expect(page.get_by_role("button", name=re.compile("unsubscribe", re.IGNORECASE))).to_be_visible()
        page.close()
        return {**rows[0], **chosen}

    def unsubscribe(self, message: dict[str, Any]) -> None:
        (decision,) = [
            one
            for one in self.demo.api(f"/api/campaigns/{self.id}/decisions", search=message["recipients"][0])["items"]
            if one["outcome"] == "selected"
        ]
        page = self.page.context.new_page()
        page.goto(f"{self.demo.stand_in('mailbox')}/messages/{message['id']}")
        page.get_by_role("button", name=re.compile("unsubscribe", re.IGNORECASE)).click()
        page.close()
        wait_for(
            lambda: consent_in_the_shop(self.demo, message["recipients"][0]) == "UNSUBSCRIBED", "the shop to know of it"
        )
        (member,) = [
            one
            for one in pages(self.demo, f"/api/segments/{self.best['segment_id']}/members")
            if one["customer_no"] == decision["customer_no"]
        ]
        assert member["reachable"] is False

    def the_counts_add_up(self) -> None:
        counts = self.counts()
        assert counts["candidates"] == sum(counts[name] for name in STANDINGS)
        assert counts["skipped"] == sum(one["count"] for one in counts["reasons"])
        assert counts["messages_sent"] == len(self.messages())

    def nobody_got_two(self) -> None:
        receivers = [row["recipients"][0] for row in self.messages()]
        assert len(set(receivers)) == len(receivers)
        done = command_line(self.demo, "verify-cap", self.demo.name)
        assert done.returncode == 0, done.stdout + done.stderr


def mails_all(demo: RunningDemo) -> list[dict[str, Any]]:
    """Every mail that arrived, over all pages."""
    found: list[dict[str, Any]] = []
    before = 0
    while True:
        query = {"limit": 200, **({"before": before} if before else {})}
        rows = httpx.get(f"{demo.stand_in('mailbox')}/sandbox/messages", params=query, timeout=30).json()["messages"]
        found += rows
        if not rows:
            return found
        before = rows[-1]["id"]


def consent_in_the_shop(demo: RunningDemo, email: str) -> str:
    """The marketing state that the Shopify stand-in holds for an address."""
    file = demo.home / "sandbox" / "shops" / f"{demo.domain}.sqlite"
    shop = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        ((state,),) = shop.execute("SELECT email_state FROM customers WHERE lower(email) = lower(?)", [email])
    finally:
        shop.close()
    return str(state)
