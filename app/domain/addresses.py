"""One mailbox has many spellings; the weekly cap, the headers and the envelope must mean the same one."""

from __future__ import annotations

import idna


def normal_address(text: str) -> str:
    """The spelling under which an address is counted: trimmed, lower case, its domain in ASCII.

    What mail can't carry comes back trimmed and in lower case: it has to be found again all the same.
    """
    trimmed = text.strip().lower()
    if trimmed.isascii():  # nothing left to respell, and lists hold a million of them
        return trimmed
    try:
        return mail_address(trimmed)
    except ValueError:
        return trimmed


def mail_address(text: str) -> str:
    """The spelling that mail carries: the local part as given, the domain in lower case and ASCII.

    Raises ValueError for a local part outside ASCII (few relays take SMTPUTF8) and for no domain.
    Source: UTS 46, non-transitional, as browsers do it: `ß` stays itself. Python's own `idna` codec
    is of 2003 and would address somebody else's domain.
    """
    local, at, domain = text.strip().rpartition("@")
    if not at or not local or not local.isascii():
        raise ValueError("the address has no local part that mail can carry")
    if not domain.isascii():
        domain = idna.encode(domain, uts46=True).decode()  # IDNAError is a ValueError
    return f"{local}@{domain.lower()}"
