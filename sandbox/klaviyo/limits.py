"""What Klaviyo states in prose, and its rate limits.

Reference: https://developers.klaviyo.com/en/reference/bulk_import_profiles and the sibling pages;
https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from sandbox.http_spec import vendor_spec
from sandbox.standin.base import Refused, at
from sandbox.standin.windows import Rate

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

REVISION = "2026-07-15"
MEDIA_TYPE = "application/vnd.api+json"

MAX_IMPORT_PROFILES = 10_000
MAX_IMPORT_BYTES = 5_000_000
MAX_PROFILE_BYTES = 100_000
MAX_LIST_IDS = 1_000
MAX_PAGE = 100
MAX_LISTS_PAGE = 10
# How many values any(...) takes is not documented; 100 fit one page of answers, and asking for more
# would be a guess that a real account might refuse.
MAX_FILTER_VALUES = 100

# For a machine without the published document; with it, `x-klaviyo-ratelimit` is read instead.
RATES = {
    "get_accounts": Rate(1, 15),
    "get_lists": Rate(75, 750),
    "create_list": Rate(10, 150, 150),
    "get_list": Rate(75, 750),
    "get_profiles_for_list": Rate(75, 750),
    "get_profile_ids_for_list": Rate(75, 750),
    "add_profiles_to_list": Rate(10, 150),
    "remove_profiles_from_list": Rate(10, 150),
    "get_profiles": Rate(75, 750),
    "bulk_import_profiles": Rate(10, 150),
    "get_bulk_import_profiles_job": Rate(10, 150),
    "get_errors_for_bulk_import_profiles_job": Rate(10, 150),
    "get_profiles_for_bulk_import_profiles_job": Rate(10, 150),
}
# Asking for a costly field makes the call rarer; this stands in prose only.
RATES_WITH_FIELD = {
    ("get_list", "additional-fields[list]", "profile_count"): Rate(1, 15),
    ("get_profiles", "additional-fields[profile]", "predictive_analytics"): Rate(10, 150),
    ("get_profiles_for_list", "additional-fields[profile]", "predictive_analytics"): Rate(10, 150),
}


def rate_of(operation: str, method: str, path: str, query: MultiDict[str, str]) -> tuple[str, Rate]:
    """The window's key and the limits of one call."""
    for (name, parameter, value), rate in RATES_WITH_FIELD.items():
        if operation == name and value in query.get(parameter, "").split(","):
            return f"{operation}+{value}", rate
    return operation, published_rate(method, path) or RATES[operation]


def published_rate(method: str, path: str) -> Rate | None:
    """The limits that the published document gives for this call, if it is at hand."""
    spec = vendor_spec("klaviyo")
    operation = spec.operation(method, path) if spec else None
    if operation is None or "x-klaviyo-ratelimit" not in operation.raw:
        return None
    given: dict[str, str] = operation.raw["x-klaviyo-ratelimit"]  # "10/s", "150/m", "150/d"
    calls = {name: int(text.split("/")[0]) for name, text in given.items()}
    return Rate(calls["burst"], calls["steady"], calls.get("daily"))


def check_import(body: Any, size: int) -> None:
    """Refuse a bulk import that is too large as a whole, in rows or in one row."""
    if size > MAX_IMPORT_BYTES:
        detail = f"The payload has {size} bytes, at most {MAX_IMPORT_BYTES} are allowed."
        raise Refused(413, "payload_too_large", "Payload too large.", detail, kind="limit")
    profiles = at(body, "data", "attributes", "profiles", "data")
    pointer = "/data/attributes/profiles/data"
    lists = "/data/relationships/lists/data"
    _check_resources(at(body, "data", "relationships", "lists", "data") or [], lists)
    if not isinstance(profiles, list) or not profiles:
        raise invalid("At least one profile is needed.", pointer=pointer)
    if len(profiles) > MAX_IMPORT_PROFILES:
        raise invalid(f"{len(profiles)} profiles, at most {MAX_IMPORT_PROFILES} are allowed.", pointer=pointer)
    if size <= MAX_PROFILE_BYTES:
        return
    for index, profile in enumerate(profiles):
        if (length := len(orjson.dumps(profile))) > MAX_PROFILE_BYTES:
            detail = f"The profile has {length} bytes, at most {MAX_PROFILE_BYTES} are allowed."
            raise invalid(detail, pointer=f"{pointer}/{index}")


def check_ids(body: Any) -> None:
    """Refuse more profile ids than one call to a list takes, or none."""
    ids = at(body, "data")
    if not isinstance(ids, list) or not ids:
        raise invalid("At least one profile is needed.", pointer="/data")
    if len(ids) > MAX_LIST_IDS:
        raise invalid(f"{len(ids)} profiles, at most {MAX_LIST_IDS} are allowed.", pointer="/data")
    _check_resources(ids, "/data")


def _check_resources(resources: Any, pointer: str) -> None:
    """Refuse references without an id, also where no published document is at hand to say so."""
    for index, one in enumerate(resources):
        if not isinstance(at(one, "id"), str):
            raise invalid("A resource needs an id.", pointer=f"{pointer}/{index}/id")


def check_page(query: MultiDict[str, str], largest: int) -> None:
    """Refuse a page larger than the operation gives."""
    given = query.get("page[size]")
    if given is not None and not (given.isdecimal() and 1 <= int(given) <= largest):
        raise invalid(f"page[size] goes from 1 to {largest}.", parameter="page[size]")


def invalid(detail: str, *, pointer: str = "", parameter: str = "") -> Refused:
    """The 400 for a request that breaks a rule stated in prose."""
    return Refused(400, "invalid", "Invalid input.", detail, pointer=pointer, parameter=parameter, kind="limit")
