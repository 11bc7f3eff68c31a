"""The house rules that no linter checks."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from pathlib import Path

import pytest
from pytest_socket import SocketConnectBlockedError

from app.api.openapi_document import document

ROOT = Path(__file__).parents[3]
MAX_LINES, MAX_FUNCTION = 500, 80
GENERATED = ("migrations/versions/", "schema.d.ts")


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


class TestTheTestsThemselves:
    def test_reach_nothing_but_this_machine(self) -> None:
        assert "guarded" in socket.socket.connect.__name__
        with (
            socket.socket() as outside,
            pytest.warns(UserWarning, match="tried to use socket"),
            pytest.raises(SocketConnectBlockedError),
        ):
            outside.connect(("192.0.2.1", 9))


class TestTheOpenApiDocument:
    def test_the_committed_one_is_what_the_app_says(self) -> None:
        committed = json.loads((ROOT / "embedded_ui" / "openapi.json").read_text(encoding="utf-8"))
        assert committed == document(), "run `make openapi` and commit what it writes"

    def test_every_answer_has_a_named_shape(self) -> None:
        for path, operations in document()["paths"].items():
            for method, operation in operations.items():
                for status, answer in operation["responses"].items():
                    for kind, content in answer.get("content", {}).items():
                        if kind == "application/json" and status.startswith("2"):
                            assert "$ref" in content["schema"], f"{method} {path} {status}"


class TestModules:
    def test_none_is_over_500_lines(self) -> None:
        long = {
            str(file.relative_to(ROOT)): lines
            for file in tracked("*.py", "*.ts", "*.tsx")
            if not any(mark in str(file) for mark in GENERATED)
            and (lines := len(file.read_text(encoding="utf-8").splitlines())) > MAX_LINES
        }
        assert long == {}

    def test_no_python_function_is_over_80_lines(self) -> None:
        import ast

        long = [
            f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"
            for file in tracked("*.py")
            if not any(mark in str(file) for mark in GENERATED)
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION
        ]
        assert long == []


class TestLockFiles:
    def test_carry_hashes_and_no_registry_address(self) -> None:
        for name in ("run.txt", "test.txt"):
            text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
            pins = re.findall(r"^[A-Za-z0-9_.-]+==", text, re.MULTILINE)
            assert len(pins) > 50
            assert text.count("--hash=sha256:") >= len(pins)
            assert "://" not in text
        for lock in tracked("*package-lock.json"):
            assert '"resolved"' not in lock.read_text(encoding="utf-8")


class TestEstimatedClasses:
    def test_no_template_rule_of_sending_connector_or_model_reads_them(self) -> None:
        rooms = ("app/mail/*.py", "app/domain/*.py", "connectors/*.py", "ml/*.py", "app/services/*send*.py",
                 "app/services/recommendations*.py")  # fmt: skip
        readers = {
            str(file.relative_to(ROOT))
            for file in tracked(*rooms)
            if re.search(r"area_income|demographics", file.read_text(encoding="utf-8"))
        }
        assert readers == {"app/domain/rules/names.py", "ml/demographics.py"}
