"""What services work with: the concrete things that wiring built, behind the shapes that services need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from app.mail.dns import Dns
from app.services.open_runs import OpenRuns

if TYPE_CHECKING:
    from app.domain.clock import Clock
    from app.domain.context import ShopContext
    from app.lake.lake import Lake
    from app.mail.dns import NameSystem
    from app.mail.transport import Transport
    from app.services.shop_ports import DiscountShop, MarketingShop
    from app.settings import Settings
    from app.store.crypto import Vault
    from app.store.session import Store
    from connectors.base import Connectors


class JobQueue(Protocol):
    """Where background work goes."""

    def enqueue(self, ctx: ShopContext, job: str, key: str = "") -> int:
        """Record a job to run soon; while one with the same name and key waits or runs, it is the same job.

        Returns the job's id. Jobs carry ids only, never personal data.
        """
        ...


class ConsentWriter(Protocol):
    """The shop's own record of who may be mailed."""

    def write(self, ctx: ShopContext, customer_no: int) -> None:
        """Tell the shop's platform what this customer said here about marketing e-mail. Raises Unavailable."""
        ...


@dataclass(frozen=True)
class Rooms:
    """Everything a service may use; built once by wiring, by hand in tests."""

    settings: Settings
    clock: Clock
    store: Store
    lake: Lake
    vault: Vault
    jobs: JobQueue
    connectors: Connectors
    transport: Transport
    consent_writer: ConsentWriter
    runs: OpenRuns = field(default_factory=OpenRuns)
    names: NameSystem = field(default_factory=Dns)
    discount_shop: DiscountShop | None = None
    marketing_shop: MarketingShop | None = None
