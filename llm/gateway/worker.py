"""One gateway worker put together: journal, configuration, uplink, endpoint, server; started, and drained on SIGTERM.

Order of ending: take no new connection, let calls under way finish, give the uplink a moment to hand over the last
records, close the journal. Whatever was not handed over is in the journal and goes up after the next start.
"""

import asyncio
import contextlib
import logging
import signal

from llm.gateway.certificates import listening_context
from llm.gateway.endpoint import Endpoint
from llm.gateway.gateway import Gateway
from llm.gateway.journal import Journal
from llm.gateway.orphans import Orphans, ask_back, taken_back
from llm.gateway.resume import door
from llm.gateway.server import HttpServer
from llm.gateway.settings import Settings
from llm.gateway.siblings import Siblings
from llm.gateway.uplink import Uplink

log = logging.getLogger(__name__)

HAND_OVER_SECONDS = 1.0
SAVE_SECONDS = 1.0


class Worker:
    """Use: `await worker.start()`, then `await worker.stop()`."""

    def __init__(self, settings: Settings) -> None:
        """Raises CertificateError, JournalLocked, OSError."""
        self.settings = settings
        self._tls = listening_context(settings.tls_cert, settings.tls_key) if settings.tls_cert is not None else None
        self.journal = Journal(settings.journal_dir / settings.name)
        self.gateway = Gateway(settings, self.journal)
        self.endpoint = Endpoint(self.gateway)
        self.server = HttpServer(self.endpoint, settings.limits, before_sending=self.journal.write_pending)
        self.door = HttpServer(lambda exchange: door(exchange, self.gateway), before_sending=self.journal.write_pending)
        self.siblings = Siblings(settings.journal_dir, settings.name, settings.keep_alive_seconds)
        self.endpoint.siblings = self.siblings
        self.uplink = Uplink(
            settings.uplink_url,
            settings.uplink_secret,
            settings.name,
            self.journal,
            self.gateway.configure,
            self.gateway.observation,
        )
        self.uplink.on_revoked = self.gateway.admission.revoke
        self.uplink.limiter = self.gateway.limiter
        self.gateway.limiter.send = self.uplink.send_soon
        self.gateway.connections = lambda: len(self.server.connections)
        self.gateway.uplink_connected = lambda: self.uplink.connected
        self._uplink_task: asyncio.Task[None] | None = None
        self._metrics_task: asyncio.Task[None] | None = None
        self._orphans_task: asyncio.Task[None] | None = None

    async def start(self, *, listen: bool = True) -> int:
        """Listen, unless another door does (`asgi.py`); returns the port. Raises OSError when it is taken."""
        settings, port = self.settings, 0
        taken_back(self.journal.folder)
        self.gateway.shared_metrics.inherit()  # before the first call is counted
        if listen:
            port = await self.server.listen(settings.host, settings.port, shared=settings.shared_port, tls=self._tls)
        await self.door.listen_on(self.siblings.bind_door())
        self._uplink_task = asyncio.create_task(self.uplink.run())
        self._metrics_task = asyncio.create_task(self._save_metrics())
        self._orphans_task = asyncio.create_task(Orphans(settings).run())
        return port

    async def stop(self) -> None:
        """Drain and end."""
        whole = self.settings.drain_seconds
        if self._orphans_task is not None:
            self._orphans_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._orphans_task
        patience = max(whole - 2 * HAND_OVER_SECONDS, whole / 2)
        if not await self.server.drain(patience):
            log.warning("Calls were still under way after %g seconds and have been cut.", patience)
        self.gateway.replays.close()
        await self._until_idle()
        self.siblings.close()
        await self.door.drain(HAND_OVER_SECONDS / 2)
        if self.uplink.connected:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.uplink.handed_over(), HAND_OVER_SECONDS)
        if self._uplink_task is not None:
            self._uplink_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._uplink_task
        if self._metrics_task is not None:
            self._metrics_task.cancel()
            self.gateway.shared_metrics.save({})
        self.gateway.upstream.close()
        await self._until_idle()  # what this has cut is recorded while there is a journal
        await self.journal.close()

    async def _until_idle(self) -> None:
        """Wait until no call is under way, for HAND_OVER_SECONDS at most."""
        if self.gateway.metrics.in_flight:
            self.gateway.idle.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.gateway.idle.wait(), HAND_OVER_SECONDS)

    async def _save_metrics(self) -> None:
        """Once a second, so that whichever worker is scraped can answer for this one too."""
        gateway = self.gateway
        while True:
            due = gateway.loop.time() + SAVE_SECONDS
            await asyncio.sleep(SAVE_SECONDS)
            gateway.loop_lag = max(gateway.loop.time() - due, 0.0)
            gateway.shared_metrics.save(gateway.gauges())


async def serve(settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT. Says on standard output when it listens."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await ask_back(settings.journal_dir / settings.name)
    worker = Worker(settings)
    try:
        port = await worker.start()
    except OSError:
        await worker.journal.close()
        raise
    scheme = "http" if settings.tls_cert is None else "https"
    print(f"The gateway listens on {scheme}://{settings.host}:{port}/v1", flush=True)  # noqa: T201 - who started us waits for it
    await stop.wait()
    log.info("Draining.")
    await worker.stop()
