"""Rows as Mailchimp's resources."""

import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import orjson

Json = dict[str, Any]


def account(subscribers: int, since: str) -> Json:
    """The one account behind the sandbox's key."""
    return {
        "account_id": "e0c0e0c0e0c0e0c0e0c0e0c0e",
        "login_id": "1",
        "account_name": "Encore demo shop",
        "email": "owner@encore-demo.example",
        "first_name": "Encore",
        "last_name": "Demo",
        "username": "encore-demo",
        "role": "owner",
        "member_since": since,
        "pricing_plan_type": "forever_free",
        "account_timezone": "America/New_York",
        "account_industry": "eCommerce",
        "contact": {
            "company": "Encore demo shop",
            "addr1": "100 Sample Street",
            "addr2": "",
            "city": "Springfield",
            "state": "OH",
            "zip": "45501",
            "country": "US",
        },
        "pro_enabled": False,
        "total_subscribers": subscribers,
        "_links": [],
    }


def audience(row: sqlite3.Row, counts: dict[str, int], merge_fields: int) -> Json:
    """An audience with its counts per status."""
    return {
        "id": row["id"],
        "web_id": row["n"],
        "name": row["name"],
        "contact": {
            "company": "Encore demo shop",
            "address1": "100 Sample Street",
            "address2": "",
            "city": "Springfield",
            "state": "OH",
            "zip": "45501",
            "country": "US",
            "phone": "",
        },
        "permission_reminder": "You bought from the Encore demo shop.",
        "use_archive_bar": True,
        "campaign_defaults": {
            "from_name": "Encore demo shop",
            "from_email": "hello@encore-demo.example",
            "subject": "",
            "language": "en",
        },
        "date_created": row["created"],
        "list_rating": 0,
        "email_type_option": False,
        "visibility": "prv",
        "double_optin": bool(row["double_optin"]),
        "has_welcome": False,
        "marketing_permissions": False,
        "modules": [],
        "stats": {
            "member_count": counts.get("subscribed", 0),
            "total_contacts": sum(counts.values()),
            "unsubscribe_count": counts.get("unsubscribed", 0),
            "cleaned_count": counts.get("cleaned", 0),
            "merge_field_count": merge_fields,
            "campaign_count": 0,
        },
        "_links": [],
    }


def member(row: sqlite3.Row, tags: list[sqlite3.Row]) -> Json:
    """A member; `status` is its consent."""
    merge_fields = orjson.loads(row["merge_fields"])
    names = (str(merge_fields.get(tag, "")) for tag in ("FNAME", "LNAME"))
    return {
        "id": row["hash"],
        "email_address": row["email"],
        "unique_email_id": row["hash"][:10],
        "contact_id": row["hash"],
        "full_name": " ".join(name for name in names if name),
        "web_id": row["n"],
        "email_type": "html",
        "status": row["status"],
        "merge_fields": merge_fields,
        "stats": {"avg_open_rate": 0, "avg_click_rate": 0},
        "ip_signup": "",
        "ip_opt": "",
        "member_rating": 2,
        "last_changed": row["changed"],
        "language": row["language"] or "",
        "vip": bool(row["vip"]),
        "email_client": "",
        "location": {
            "latitude": 0,
            "longitude": 0,
            "gmtoff": 0,
            "dstoff": 0,
            "country_code": "",
            "timezone": "",
        },
        "source": "API - Generic",
        "tags_count": len(tags),
        "tags": [{"id": tag["id"], "name": tag["name"]} for tag in tags],
        "list_id": row["list_id"],
        "_links": [],
    }


def segment(row: sqlite3.Row, member_count: int) -> Json:
    """A static segment, which Mailchimp shows as a tag."""
    return {
        "id": row["id"],
        "name": row["name"],
        "member_count": member_count,
        "type": "static",
        "created_at": row["created"],
        "updated_at": row["updated"],
        "options": {"match": "any", "conditions": []},
        "list_id": row["list_id"],
        "_links": [],
    }


def merge_field(row: sqlite3.Row) -> Json:
    """A merge field."""
    given = orjson.loads(row["doc"])
    return {
        "merge_id": row["merge_id"],
        "tag": row["tag"],
        "name": row["name"],
        "type": row["type"],
        "required": bool(row["required"]),
        "default_value": given.get("default_value", ""),
        "public": bool(given.get("public", False)),
        "display_order": row["merge_id"] + 1,
        "options": given.get("options", {}),
        "help_text": given.get("help_text", ""),
        "list_id": row["list_id"],
        "_links": [],
    }


def batch(row: sqlite3.Row, url: str, now: datetime) -> Json:
    """A batch of calls in the state that it has at `now`. "finished" says nothing about success."""
    done = row["done"] is not None
    answer: Json = {
        "id": row["id"],
        "status": "finished" if done else _stage(row, now),
        "total_operations": row["total"],
        "finished_operations": row["total"] if done else 0,
        "errored_operations": row["errored"],
        "submitted_at": row["submitted"],
        "response_body_url": f"{url}/sandbox/batches/{row['id']}.tar.gz" if done else "",
        "_links": [],
    }
    return {**answer, "completed_at": row["done"]} if done else answer


def _stage(row: sqlite3.Row, now: datetime) -> str:
    submitted = datetime.fromisoformat(row["submitted"])
    whole = (datetime.fromisoformat(row["due"]) - submitted) or timedelta(seconds=1)
    stages = ("pending", "preprocessing", "started", "finalizing")
    return stages[min(3, max(0, int(4 * ((now - submitted) / whole))))]


def projected(value: Any, fields: str | None, exclude: str | None) -> Any:
    """The answer with only `fields`, or without `exclude`; both name dotted paths, commas between."""
    if fields:
        paths = [path.split(".") for path in fields.split(",")]
        return _walk(value, paths, keep=lambda key, below: bool(below[key]))
    if exclude:
        paths = [path.split(".") for path in exclude.split(",")]
        return _walk(value, paths, keep=lambda key, below: [] not in below[key], drop=True)
    return value


def _walk(
    value: Any,
    paths: list[list[str]],
    *,
    keep: Callable[[str, dict[str, list[list[str]]]], bool],
    drop: bool = False,
) -> Any:
    """Copy `value`, choosing keys by the paths that lead through them."""
    if isinstance(value, list):
        return [_walk(item, paths, keep=keep, drop=drop) for item in value]
    if not isinstance(value, dict) or [] in paths:
        return value
    below = {key: [path[1:] for path in paths if path and path[0] == key] for key in value}
    chosen = [key for key in value if keep(key, below)]
    return {key: _walk(value[key], below[key], keep=keep, drop=drop) if below[key] else value[key] for key in chosen}
