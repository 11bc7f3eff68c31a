"""What the name server answers. Every made-up domain has the records that Encore asks of senders, until told otherwise.

Kept in <state>/dns.json, which a person may edit while it runs:

    {"records": {"beans.example TXT": ["v=spf1 -all"]}, "faults": {"beans.example": "silent"}}
"""

import json
from pathlib import Path
from typing import Any, Literal

FILE = "dns.json"
MADE_UP = ("example", "test", "localhost", "invalid")  # RFC 2606: nobody owns these
SELECTOR = "encore"
KEY = "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsandboxsandboxsandboxQIDAQAB"

Fault = Literal["silent", "servfail", "nxdomain"]
FAULTS = ("silent", "servfail", "nxdomain")


class Zone:
    """All names. own: the installation's mail domain, which publishes the DKIM key that others point at."""

    def __init__(self, state_dir: Path, own: str = "encore.localhost") -> None:
        self._file = state_dir / FILE
        self._own = own

    def answer(self, name: str, kind: str) -> list[tuple[str, str]]:
        """(type, value) of the records of a name, an alias before what it leads to."""
        name = name.rstrip(".").lower()
        records: dict[str, list[str]] = self._told()["records"]
        if f"{name} {kind}" in records:
            return [(kind, value) for value in records[f"{name} {kind}"]]
        alias = records.get(f"{name} CNAME") or self._usual_alias(name, records)
        if alias:
            return [("CNAME", alias[0]), *self.answer(alias[0], kind)]
        return [(kind, value) for value in self._usual(name)] if kind == "TXT" else []

    def fault(self, name: str) -> Fault | None:
        """How questions about a name, or about any below it, go wrong."""
        name = name.rstrip(".").lower()
        faults: dict[str, Fault] = self._told()["faults"]
        labels = name.split(".")
        return next((faults[place] for n in range(len(labels)) if (place := ".".join(labels[n:])) in faults), None)

    def set(self, name: str, kind: str, values: list[str]) -> None:
        """Give a name these records of a type instead of the usual ones; none takes them away."""
        told = self._told()
        told["records"][f"{name.lower()} {kind}"] = values
        self._keep(told)

    def fail(self, name: str, how: Fault | None) -> None:
        """Let questions about a name and all below it go wrong, or right again. Raises ValueError."""
        if how is not None and how not in FAULTS:
            raise ValueError(f"a fault is one of {', '.join(FAULTS)}")
        told = self._told()
        told["faults"].pop(name.lower(), None)
        if how is not None:
            told["faults"][name.lower()] = how
        self._keep(told)

    def _usual_alias(self, name: str, records: dict[str, list[str]]) -> list[str]:
        key_name = f"{SELECTOR}._domainkey.{self._own}"
        set_here = f"{name} TXT" in records
        return [key_name] if name.startswith(f"{SELECTOR}._domainkey.") and name != key_name and not set_here else []

    def _usual(self, name: str) -> list[str]:
        if name.rpartition(".")[2] not in MADE_UP:
            return []
        if name == f"{SELECTOR}._domainkey.{self._own}":
            return [KEY]
        if name.startswith("_dmarc."):
            return ["v=DMARC1; p=none"]
        return [] if name.startswith("_") or "_domainkey" in name else [f"v=spf1 include:{self._own} ~all"]

    def _told(self) -> dict[str, Any]:
        told = json.loads(self._file.read_text()) if self._file.exists() else {}
        return {"records": told.get("records", {}), "faults": told.get("faults", {})}

    def _keep(self, told: dict[str, Any]) -> None:
        aside = self._file.with_suffix(".new")
        aside.write_text(json.dumps(told, indent=1))
        aside.replace(self._file)
