"""The doors a gateway can be reached through, each with a worker of this process behind it, on a port of its own.

Daphne brings a Twisted reactor with an event loop of its own, which can be started once per process: it runs in a
thread, and so does the worker behind that door. Tests only read from it.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import uvicorn

from llm.gateway.asgi import Application
from llm.gateway.settings import Settings
from llm.gateway.worker import Worker

DOORS = ("native", "uvicorn", "daphne")


@asynccontextmanager
async def opened(door: str, settings: Settings) -> AsyncIterator[tuple[Worker, int]]:
    """A started worker and the port it is reached at."""
    async with {"native": _native, "uvicorn": _uvicorn, "daphne": _daphne}[door](settings) as found:
        yield found


@asynccontextmanager
async def _native(settings: Settings) -> AsyncIterator[tuple[Worker, int]]:
    worker = Worker(settings)
    port = await worker.start()
    await worker.gateway.configured()
    yield worker, port
    await worker.stop()


@asynccontextmanager
async def _uvicorn(settings: Settings) -> AsyncIterator[tuple[Worker, int]]:
    application = Application(settings)
    server = uvicorn.Server(
        uvicorn.Config(application, port=0, lifespan="on", log_level="error", timeout_graceful_shutdown=1)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), "uvicorn did not start"
        await asyncio.sleep(0.005)
    assert application.worker is not None
    await application.worker.gateway.configured()
    port: int = server.servers[0].sockets[0].getsockname()[1]
    yield application.worker, port
    server.should_exit = True
    await serving


@asynccontextmanager
async def _daphne(settings: Settings) -> AsyncIterator[tuple[Worker, int]]:
    loop, listen = _reactor()
    application = Application(settings)
    worker = await _there(loop, application.start())
    await _there(loop, worker.gateway.configured())
    port, close = await _there(loop, listen(application))
    yield worker, port
    await _there(loop, close())
    await _there(loop, worker.stop())


async def _there(loop: asyncio.AbstractEventLoop, work: Any) -> Any:
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))


@cache
def _reactor() -> tuple[asyncio.AbstractEventLoop, Any]:
    """Daphne's event loop, running in a thread, and how to make it listen."""
    from daphne.http_protocol import HTTPFactory
    from daphne.server import Server, twisted_loop
    from twisted.internet import reactor

    async def listen(application: Application) -> tuple[int, Any]:
        server = Server(application, endpoints=["tcp:0"], signal_handlers=False)
        server.connections = {}
        server.application_checker()
        server.http_factory = HTTPFactory(server)
        port = reactor.listenTCP(0, server.http_factory, interface="127.0.0.1")

        async def close() -> None:
            port.stopListening()
            for protocol in list(server.connections):
                if protocol.transport is not None:
                    protocol.transport.abortConnection()
            server.kill_all_applications()

        return port.getHost().port, close

    def run() -> None:
        asyncio.set_event_loop(twisted_loop)
        reactor.run(installSignalHandlers=False)

    threading.Thread(target=run, daemon=True).start()
    return twisted_loop, listen
