"""A gateway worker in this process, between a provider and a control plane of our own, all on real sockets."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from llm.core.snapshot import Snapshot
from llm.gateway.server import HttpServer
from llm.gateway.settings import Settings
from llm.gateway.worker import Worker
from tests.gateway.client import Answer, Client, ask
from tests.gateway.control import SECRET, Control, snapshot
from tests.gateway.doors import DOORS, opened
from tests.gateway.provider import Provider
from tests.gateway.serving import SMALL, Echo, Served
from tests.gateway.wires import ALL, OPENAI_CHAT, configuration


class Running:
    """The worker with what is around it."""

    def __init__(self, worker: Worker, port: int, provider: Provider, control: Control) -> None:
        self.worker = worker
        self.port = port
        self.provider = provider
        self.control = control

    async def ask(self, request: bytes, method: str = "POST") -> Answer:
        return await ask(self.port, request, method)

    async def connect(self) -> Client:
        return await Client.connect(self.port)

    async def configure(self, new: Snapshot) -> None:
        """Push a snapshot and wait until it is served by."""
        await self.control.push(new)
        await until(lambda: self.worker.gateway.catalogue.version == new.version)  # type: ignore[union-attr]

    def set_timeout(self, seconds: float) -> None:
        """What REQUEST_TIMEOUT_SECONDS would say."""
        self.worker.gateway.settings = msgspec.structs.replace(self.worker.gateway.settings, request_timeout=seconds)


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Tests that need other settings override this fixture with `msgspec.structs.replace`."""
    return Settings(port=0, uplink_secret=SECRET, journal_dir=tmp_path / "journal", request_timeout=5, drain_seconds=5)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as running:
        yield running


@pytest.fixture
async def control(provider: Provider) -> AsyncIterator[Control]:
    async with Control(snapshot(provider.url)) as running:
        yield running


EVERY_DOOR = frozenset({"test_chat", "test_requests", "test_streams", "test_provider_failures"})
"""Modules whose tests pass through each door, but for what a test's `@pytest.mark.doors(...)` leaves out."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    module = metafunc.module.__name__.rpartition(".")[2]
    if "gateway" in metafunc.fixturenames and module in EVERY_DOOR:
        mark = metafunc.definition.get_closest_marker("doors")
        metafunc.parametrize("door", mark.args if mark is not None else DOORS)


@pytest.fixture
def door() -> str:
    return "native"


@pytest.fixture
async def gateway(door: str, settings: Settings, provider: Provider, control: Control) -> AsyncIterator[Running]:
    async with opened(door, msgspec.structs.replace(settings, uplink_url=control.url)) as (worker, port):
        yield Running(worker, port, provider, control)


@pytest.fixture
async def bridged(gateway: Running) -> Running:
    """A gateway with one provider of each wire, all at the scripted one: models `m-<wire>`."""
    await gateway.configure(configuration(gateway.provider.url.removesuffix("/v1"), (*ALL, OPENAI_CHAT)))
    return gateway


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """The HTTP server alone, without a gateway behind it."""
    echo = Echo()
    server = HttpServer(echo, SMALL)
    yield Served(echo, server, await server.listen("127.0.0.1", 0))
    await server.drain(1)
    assert server.buffered == 0, "every held byte was given back"
