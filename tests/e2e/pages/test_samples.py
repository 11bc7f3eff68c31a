"""The answers that the page tests use are answers that the app could give."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from app.api.openapi_document import document

SAMPLES = Path(__file__).resolve().parents[3] / "embedded_ui" / "tests" / "samples" / "full.json"
DOCUMENT = document()


def schema_of(key: str) -> dict[str, Any]:
    """The schema of the successful answer to "METHOD /path", with the document's components beside it."""
    method, path = key.split(" ")
    fitting = [known for known in DOCUMENT["paths"] if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", known), path)]
    # /api/segments/vocabulary also fits /api/segments/{segment_id}: the one with fewest holes is meant.
    route = DOCUMENT["paths"][min(fitting, key=lambda known: known.count("{"))][method.lower()]
    success = next(answer for code, answer in route["responses"].items() if code.startswith("2"))
    return {**success["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}


class TestSample:
    @pytest.mark.parametrize("key", sorted(json.loads(SAMPLES.read_text())))
    def test_holds_to_the_schema(self, key: str) -> None:
        answer = json.loads(SAMPLES.read_text())[key]
        errors = [
            f"{list(error.absolute_path)}: {error.message}"
            for error in OAS31Validator(schema_of(key)).iter_errors(answer)
        ]
        assert errors == []
