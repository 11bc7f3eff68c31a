"""One row of a profile import: what is refused, and how it merges into the profile that is there."""

import re
from typing import Any

# Deliberately shallow: real services refuse what is plainly no address, not what can't be delivered.
_EMAIL = re.compile(r"[^@\s,;<>\"()]+@[^@\s.,;<>\"()]+(\.[^@\s.,;<>\"()]+)+", re.ASCII)
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
IDENTIFIERS = ("id", "email", "phone_number", "external_id")
ATTRIBUTES = ("first_name", "last_name", "organization", "locale", "title", "image", "location")


class BadRow(Exception):
    """A row that an import leaves out, with the reason that Klaviyo would list."""

    def __init__(self, detail: str, pointer: str, *, code: str = "invalid") -> None:
        super().__init__(detail)
        self.code = code
        self.title = "Invalid input."
        self.detail = detail
        self.pointer = pointer if not pointer or pointer.startswith("/") else f"/attributes/{pointer}"


def read_row(given: Any) -> dict[str, Any]:
    """A profile resource as a flat row. Raises BadRow for a faulty address, phone or no identifier."""
    if not isinstance(given, dict) or not isinstance(given.get("attributes"), dict):
        raise BadRow("A profile needs attributes.", "/attributes")
    row: dict[str, Any] = {**given["attributes"], "meta": given.get("meta") or {}}
    if given.get("id"):
        row["id"] = given["id"]
    if row.get("email"):
        row["email"] = str(row["email"]).strip().lower()
        if not _EMAIL.fullmatch(row["email"]):
            raise BadRow("Invalid email address", "email")
    if row.get("phone_number") and not _PHONE.fullmatch(str(row["phone_number"])):
        raise BadRow("Invalid phone number format (Example of a valid format: +12345678901)", "phone_number")
    if not any(row.get(name) for name in IDENTIFIERS):
        raise BadRow("One of id, email, phone_number or external_id is required.", "/attributes")
    return row


def merged(stored: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """The stored attributes with the row laid over them. Null changes nothing: a bulk import can't clear."""
    given = {name: row[name] for name in ATTRIBUTES if row.get(name) is not None}
    properties = {**stored.get("properties", {})}
    properties.update({k: v for k, v in (row.get("properties") or {}).items() if v is not None})
    _patch(properties, (row.get("meta") or {}).get("patch_properties") or {})
    return {**stored, **given, "properties": properties}


def _patch(properties: dict[str, Any], patch: dict[str, Any]) -> None:
    for name, value in (patch.get("append") or {}).items():
        properties[name] = [*_as_list(properties.get(name)), *_as_list(value)]
    for name, value in (patch.get("unappend") or {}).items():
        gone = _as_list(value)
        properties[name] = [item for item in _as_list(properties.get(name)) if item not in gone]
    for name in _as_list(patch.get("unset")):
        properties.pop(name, None)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
