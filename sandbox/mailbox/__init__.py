"""The sandbox's mailbox: an SMTP server that keeps what arrives, and a web inbox to read it in."""

from sandbox.mailbox.app import create_app
from sandbox.mailbox.smtp import start_smtp

__all__ = ["create_app", "start_smtp"]
