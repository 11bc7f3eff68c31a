"""The serving process: web threads, job runner, scheduler, and a clean end."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import structlog
from waitress.server import create_server

from app import wiring
from app.services.progress import ask_for_first_numbers
from app.services.shops import active_shops

if TYPE_CHECKING:
    from types import FrameType

    from app.wiring import Encore

log = structlog.get_logger()


def run(encore: Encore) -> None:
    """Serve until SIGTERM or SIGINT; jobs that were running go on at the next start."""
    settings = encore.settings
    server = create_server(
        wiring.web(encore), host=settings.host, port=settings.port, threads=settings.web_threads, ident="encore"
    )
    runner, scheduler = wiring.jobs(encore)
    runner.start()
    for ctx in active_shops(encore.rooms):
        ask_for_first_numbers(encore.rooms, ctx)
    scheduler.start()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, signal.SIG_IGN)  # the end is under way; a second signal must not break it off
        raise SystemExit(0)  # in the main thread, where the server's loop catches it and ends its threads

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log.info("serving", host=settings.host, port=settings.port)
    try:
        server.run()
    finally:
        scheduler.shutdown(wait=False)
        runner.stop()
        encore.rooms.store.close()
        log.info("stopped")
