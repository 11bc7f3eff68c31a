"""The certificate: what the command and a script without Encore each find in it, and what is not in it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from flask import g
from sqlalchemy import update

from app.api.app import create_app
from app.mail.transport import Delivery
from app.services import plan_sends, send_due
from app.services.verify_cap import CHECKER
from app.store import ledger
from app.store.models.sending import LedgerEntry
from tests.integration.sending.test_verify_cap import mails, run
from tests.integration.sending.world import NOW, World

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient


def checked(file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The script in a process of its own, without anything that is installed here."""
    command = [sys.executable, "-I", "-S", str(CHECKER), str(file), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "certificate.json"


@pytest.fixture
def client(world: World) -> FlaskClient:
    def authenticate() -> None:
        g.shop = world.ctx

    return create_app(world.rooms, authenticate, []).test_client()


class TestTheCertificate:
    def test_of_a_shop_that_sent_holds_for_the_command_and_for_the_script(self, world: World, file: Path) -> None:
        mails(world, world.ctx, timedelta(days=7, minutes=63), timedelta(days=30))
        assert run(world, "--certificate", str(file)).exit_code == 0
        found = checked(file)
        assert found.returncode == 0
        assert "3 hand-overs in 3 ledger entries, shortest gap 7 d 1 h 3 min" in found.stdout
        assert "The weekly cap holds." in found.stdout

    def test_of_an_empty_ledger_holds(self, world: World, file: Path) -> None:
        run(world, "--certificate", str(file))
        assert checked(file).returncode == 0

    def test_a_planted_pair_is_found_and_named_by_both(self, world: World, file: Path) -> None:
        mails(world, world.ctx, timedelta(days=8), timedelta(hours=167, minutes=59))
        command, script = run(world, "--certificate", str(file)), checked(file)
        assert (command.exit_code, script.returncode) == (1, 1)
        for said in (command.output, script.stdout):
            assert "TOO SHORT: entries 2 and 3 went to one person" in said
            assert "6 d 23 h 59 min apart" in said

    def test_a_broken_hash_is_found_and_named_by_both(self, world: World, file: Path) -> None:
        mails(world, world.ctx, timedelta(days=8), timedelta(days=8))
        with world.store.session(world.ctx) as session:
            session.execute(update(LedgerEntry).where(LedgerEntry.seq == 2).values(stamped_at=NOW))
        command, script = run(world, "--certificate", str(file)), checked(file)
        assert (command.exit_code, script.returncode) == (1, 1)
        for said in (command.output, script.stdout):
            assert "BROKEN: entry 2 was changed: its hash is not that of its content" in said

    @pytest.mark.parametrize(
        ("old", "new", "found"),
        [
            ('"kind":"mail"', '"kind":"held"', "entry 1 was changed"),
            ('"seq":2', '"seq":3', "entry 2 is missing"),
            ('"window_seconds": 604800', '"window_seconds": 60', "claims a window of only"),
            ('"end": {"seq": 3', '"end": {"seq": 4', "should end at entry 4, but it ends at 3"),
            ('"end": {"seq": 3, "hash": "', '"end": {"seq": 3, "hash": "x', "should end with another entry 3"),
        ],
    )
    def test_an_edited_file_is_found_out(self, world: World, file: Path, old: str, new: str, found: str) -> None:
        mails(world, world.ctx, timedelta(days=8), timedelta(days=8))
        run(world, "--certificate", str(file))
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))
        result = checked(file)
        assert result.returncode == 1
        assert found in result.stdout

    def test_a_file_that_is_cut_off_or_none_at_all_can_not_be_checked(self, world: World, file: Path) -> None:
        mails(world, world.ctx, timedelta(days=8))
        run(world, "--certificate", str(file))
        file.write_text(file.read_text()[:-20])
        assert checked(file).returncode == 2
        file.write_text("{}")
        assert checked(file).returncode == 2

    def test_is_one_json_document_and_checked_in_any_layout(self, world: World, file: Path) -> None:
        mails(world, world.ctx, timedelta(days=8))
        run(world, "--certificate", str(file))
        document = json.loads(file.read_text())
        assert [entry["seq"] for entry in document["entries"]] == [1, 2]
        file.write_text(json.dumps(document, indent=1))
        assert checked(file).returncode == 0

    def test_names_nobody_and_says_what_never_left(self, world: World, file: Path) -> None:
        world.campaign(world.coffee_drinkers(2), name="A")
        plan_sends.plan(world.rooms, world.ctx)
        world.transport.script = [Delivery("not_accepted", "body: 451")]
        send_due.send(world.rooms, world.ctx)
        world.clock.advance(timedelta(minutes=3))
        send_due.send(world.rooms, world.ctx)
        assert run(world, "--certificate", str(file)).exit_code == 0
        assert not any(word in file.read_text() for word in ("@example", "Ann", "Coffee"))
        assert "2 hand-overs in 3 ledger entries" in checked(file).stdout
        assert checked(file, "--strict").returncode == 1


class TestOverHttp:
    def test_the_proof_says_what_holds(self, world: World, client: FlaskClient) -> None:
        mails(world, world.ctx, timedelta(days=7, minutes=63))
        found = client.get("/api/sending/proof").json
        assert (found["holds"], found["chain_whole"], found["mails"], found["shortest_gap"], found["locked"]) == (
            True, True, 2, "7 d 1 h 3 min", None,
        )  # fmt: skip

    def test_the_proof_names_what_does_not(self, world: World, client: FlaskClient) -> None:
        mails(world, world.ctx, *[timedelta(hours=1)] * 30)
        found = client.get("/api/sending/proof").json
        assert (found["holds"], found["chain_whole"], found["finding_count"], len(found["findings"])) == (
            False, True, 60, 20,
        )  # fmt: skip

    def test_certificate_and_script_are_files_and_fit(self, world: World, client: FlaskClient, tmp_path: Path) -> None:
        mails(world, world.ctx, timedelta(days=8))
        answer = client.get("/api/sending/certificate")
        assert answer.headers["Content-Disposition"].endswith('filename="sending-certificate-first.myshopify.com.json"')
        (tmp_path / "c.json").write_bytes(answer.data)
        script = tmp_path / "check.py"
        script.write_bytes(client.get("/api/sending/checker").data)
        command = [sys.executable, "-I", "-S", str(script), str(tmp_path / "c.json")]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0

    def test_of_another_shop_is_not_in_it(self, world: World, client: FlaskClient) -> None:
        from tests.conftest import add_shop

        other = add_shop(world.store, 2, "second.myshopify.com")
        with world.store.session(other) as session:
            ledger.append(session, other, [ledger.Stamp(NOW, "zoe", "z@", "m9", "mail")])
        assert b"zoe" not in client.get("/api/sending/certificate").data
