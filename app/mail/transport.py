"""Where messages go: SMTP, Amazon SES, files, or memory in tests; one of them is opened from the settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.mail.delivery import TOO_LATE, Delivery, Envelope, Transport, always, in_turn
from app.mail.ses import SesTransport
from app.mail.smtp import SmtpTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = [
    "Delivery",
    "Envelope",
    "FileTransport",
    "MemoryTransport",
    "SesTransport",
    "SmtpTransport",
    "Transport",
    "always",
    "open_transport",
]


@dataclass
class MemoryTransport:
    """Keeps what it takes. `script`: deliveries to answer with, in order, before it accepts everything."""

    taken: list[Envelope] = field(default_factory=list)
    script: list[Delivery] = field(default_factory=list)

    def deliver(self, envelope: Envelope, still_allowed: Callable[[], bool]) -> Delivery:
        """Take the message, unless the script says otherwise."""
        if not still_allowed():
            return Delivery("not_accepted", TOO_LATE)
        delivery = self.script.pop(0) if self.script else Delivery("accepted", "250")
        if delivery.result == "accepted":
            self.taken.append(envelope)
        return delivery

    def deliver_many(self, envelopes: Sequence[Envelope], still_allowed: Callable[[], bool]) -> list[Delivery]:
        """Take them one after the other."""
        return list(in_turn(lambda envelope: self.deliver(envelope, still_allowed), envelopes))


@dataclass
class FileTransport:
    """Writes each message as an .eml file: for a look at mail without a server."""

    folder: Path

    def deliver(self, envelope: Envelope, still_allowed: Callable[[], bool]) -> Delivery:
        """Write the file under its message id; a file that exists is the same message."""
        if not still_allowed():
            return Delivery("not_accepted", TOO_LATE)
        self.folder.mkdir(parents=True, exist_ok=True)
        name = "".join(c for c in envelope.message_id if c.isalnum() or c in "-_.")
        (self.folder / f"{name}.eml").write_bytes(envelope.data)
        return Delivery("accepted", "written")

    def deliver_many(self, envelopes: Sequence[Envelope], still_allowed: Callable[[], bool]) -> list[Delivery]:
        """Write them one after the other."""
        return list(in_turn(lambda envelope: self.deliver(envelope, still_allowed), envelopes))


def open_transport(url: str, data_dir: Path) -> Transport:
    """By the address: smtp(s)://, ses://region; without one files below the data folder, so that nothing leaves.

    Raises ValueError for an address of another kind.
    """
    if not url:
        return FileTransport(data_dir / "mail")
    return SesTransport.at(url) if url.startswith("ses://") else SmtpTransport(url)
