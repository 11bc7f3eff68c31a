"""Logging: one JSON line per event on stderr.

A traceback is written without the values of local variables: those may be somebody's address.
"""

from __future__ import annotations

import sys

import structlog


def configure() -> None:
    """Set the one form of logs for this process; stdout stays free for a command's answer."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
