"""Senders."""
from __future__ import annotations
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class NewSender:
    """A sender to make."""
    display_name: str
    from_address: str
    reply_to: str | None
    company: str
    postal_address: str


SenderView = Any


def _later(*_: Any, **__: Any) -> Any:
    raise NotImplementedError


listing = create = change = delete = send_verification = make_default = _later
