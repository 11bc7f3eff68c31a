"""Rows as Klaviyo's JSON:API resources."""

import sqlite3
from datetime import datetime, timedelta
from typing import Any

import orjson

Json = dict[str, Any]
_LOCATION = (
    "address1",
    "address2",
    "city",
    "country",
    "latitude",
    "longitude",
    "region",
    "zip",
    "timezone",
    "ip",
)


def account(url: str) -> Json:
    """The one account behind the sandbox's key."""
    return {
        "type": "account",
        "id": "EncDmo",
        "attributes": {
            "test_account": True,
            "contact_information": {
                "default_sender_name": "Encore demo shop",
                "default_sender_email": "hello@encore-demo.example",
                "website_url": "https://encore-demo.myshopify.com",
                "organization_name": "Encore demo shop",
                "street_address": {
                    "address1": "100 Sample Street",
                    "address2": None,
                    "city": "Springfield",
                    "region": "OH",
                    "country": "United States",
                    "zip": "45501",
                },
            },
            "industry": "Ecommerce",
            "timezone": "America/New_York",
            "preferred_currency": "USD",
            "public_api_key": "EncDmo",
            "locale": "en-US",
        },
        "links": {"self": f"{url}/api/accounts/EncDmo"},
    }


def profile_list(row: sqlite3.Row, url: str, *, profile_count: int | None = None) -> Json:
    """A list; with `profile_count` only if it was asked for."""
    self_url = f"{url}/api/lists/{row['id']}"
    attributes: Json = {
        "name": row["name"],
        "created": row["created"],
        "updated": row["updated"],
        "opt_in_process": row["opt_in_process"],
    }
    if profile_count is not None:
        attributes["profile_count"] = profile_count
    return {
        "type": "list",
        "id": row["id"],
        "attributes": attributes,
        "relationships": {name: _relationship(self_url, name) for name in ("profiles", "tags", "flow-triggers")},
        "links": {"self": self_url},
    }


def profile(row: sqlite3.Row, url: str, *, joined: str | None = None, subscriptions: bool = False) -> Json:
    """A profile; `joined` is when it came onto the list that was asked for."""
    stored = orjson.loads(row["attributes"])
    attributes: Json = {name: row[name] for name in ("email", "phone_number", "external_id")}
    for name in ("first_name", "last_name", "organization", "locale", "title", "image"):
        attributes[name] = stored.get(name)
    attributes |= {
        "created": row["created"],
        "updated": row["updated"],
        "last_event_date": None,
        "location": {name: (stored.get("location") or {}).get(name) for name in _LOCATION},
        "properties": stored.get("properties", {}),
    }
    if joined is not None:
        attributes["joined_group_at"] = joined
    if subscriptions:
        attributes["subscriptions"] = consent(row)
    self_url = f"{url}/api/profiles/{row['id']}"
    return {
        "type": "profile",
        "id": row["id"],
        "attributes": attributes,
        "relationships": {name: _relationship(self_url, name) for name in ("lists", "segments", "push-tokens")},
        "links": {"self": self_url},
    }


def consent(row: sqlite3.Row) -> Json:
    """A profile's standing with e-mail marketing."""
    suppressions = orjson.loads(row["suppressions"])
    return {
        "email": {
            "marketing": {
                "can_receive_email_marketing": row["consent"] != "UNSUBSCRIBED" and not suppressions,
                "consent": row["consent"],
                "consent_timestamp": row["consent_at"],
                "last_updated": row["consent_at"],
                "method": None,
                "method_detail": None,
                "custom_method_detail": None,
                "double_optin": None,
                "suppression": suppressions,
                "list_suppressions": [],
            }
        }
    }


def import_job(row: sqlite3.Row, url: str, now: datetime) -> Json:
    """A bulk import job in the state that it has at `now`."""
    created = datetime.fromisoformat(row["created"])
    started = created + (datetime.fromisoformat(row["due"]) - created) / 2
    done = row["done"] is not None
    running = done or now >= started
    self_url = f"{url}/api/profile-bulk-import-jobs/{row['id']}"
    return {
        "type": "profile-bulk-import-job",
        "id": row["id"],
        "attributes": {
            "status": "complete" if done else "processing" if running else "queued",
            "created_at": row["created"],
            "total_count": row["total"],
            "completed_count": row["completed"],
            "failed_count": row["failed"],
            "completed_at": row["done"],
            "expires_at": (created + timedelta(days=7)).isoformat(),
            "started_at": started.isoformat() if running else None,
        },
        "relationships": {
            "lists": {
                "data": [{"type": "list", "id": list_id} for list_id in orjson.loads(row["list_ids"])],
                **_relationship(self_url, "lists"),
            },
            "profiles": _relationship(self_url, "profiles"),
            "import-errors": {"links": {"related": f"{self_url}/import-errors"}},
        },
        "links": {"self": self_url},
    }


def import_error(row: sqlite3.Row) -> Json:
    """Why one row of a bulk import was left out."""
    return {
        "type": "import-error",
        "id": f"{row['job_id']}-{row['n']}",
        "attributes": {
            "code": row["code"],
            "title": row["title"],
            "detail": row["detail"],
            "source": {"pointer": row["pointer"]},
            "original_payload": orjson.loads(row["original"]),
        },
    }


def sparse(resource: Json, wanted: str | None) -> Json:
    """The resource with only the attributes named in `fields[type]`, all of them if None."""
    if wanted is None:
        return resource
    names = {name.split(".")[0] for name in wanted.split(",")}
    kept = {k: v for k, v in resource["attributes"].items() if k in names}
    return {**resource, "attributes": kept}


def _relationship(self_url: str, name: str) -> Json:
    return {"links": {"self": f"{self_url}/relationships/{name}", "related": f"{self_url}/{name}"}}
