"""A control plane of our own that speaks `llm/core/uplink.py` on a real socket, without Django or a database.

Keeps what it was told (`records` by id, `numbers` in order of arrival, `hellos`, `observations`), pushes the snapshot
it is given, and can hold acknowledgements back. As a program it serves the benchmarks: `python -m
tests.gateway.control --port N --upstream URL --key KEY` lets in a client with that key, which has limits, counts
records (and those booked on the key), and prints the counts on SIGTERM.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import time
from types import TracebackType
from typing import Self

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from billing.core.keys import Limits, digest
from billing.core.pricing import Price
from billing.core.usage import CallRecord
from llm.core.leases import Keeper
from llm.core.snapshot import ApiKey, Model, Provider, ProviderKey, Snapshot
from llm.core.uplink import (
    SUBPROTOCOL,
    Down,
    Hello,
    LeaseAsk,
    LeaseReturn,
    LeaseState,
    Observation,
    SnapshotPush,
    Up,
    UsageAck,
    UsageBatch,
)

SECRET = "uplink-secret-for-tests"
PROVIDER_KEY = "sk-upstream-secret"
PRICE = Price(input=30_000_000_000, output=60_000_000_000)
CLIENT_ID = "client-1"
CLIENT_LIMITS = Limits(requests_per_minute=60_000_000, tokens_per_minute=1_000_000_000, concurrent_requests=100_000)
"""So high that nothing is refused, but every call is counted against them."""

_up = msgspec.json.Decoder(Up)
_encoder = msgspec.json.Encoder()


def snapshot(url: str, version: int = 1, **model: object) -> Snapshot:
    """One provider `acme` with one key and one model `gpt-4`; `model` overrides the model's fields."""
    fields: dict[str, object] = {"id": "gpt-4", "provider": "acme", "upstream": "gpt-4", "price": PRICE, **model}
    provider = Provider("acme", "custom", "openai", url, keys=(ProviderKey("7", PROVIDER_KEY),))
    return Snapshot(version, time.time_ns(), (provider,), (Model(**fields),))  # type: ignore[arg-type]


def with_other_wires(first: Snapshot, url: str) -> Snapshot:
    """The same, and one provider of each other wire at `url`, named like it, with a model of that name."""
    key = (ProviderKey("7", PROVIDER_KEY),)
    names = ("anthropic", "google", "ollama")
    providers = [Provider(name, name, name, url, "native", key) for name in names]
    models = [Model(name, name, name, price=PRICE) for name in names]
    return Snapshot(1, time.time_ns(), (*first.providers, *providers), (*first.models, *models))


def with_client(first: Snapshot, key: str) -> Snapshot:
    """The same, and a client whose key is `key`, with CLIENT_LIMITS."""
    client = ApiKey(CLIENT_ID, digest(key), ("chat",), limits=CLIENT_LIMITS)
    return msgspec.structs.replace(first, api_keys=(client,))


class Control:
    """Use as an async context manager. `push` sends a snapshot to whoever is and will be connected."""

    def __init__(self, first: Snapshot | None = None, port: int = 0, *, count_only: bool = False) -> None:
        self.port = port
        self.snapshot = first
        self.records: dict[str, CallRecord] = {}
        self.numbers: list[int] = []
        self.hellos: list[Hello] = []
        self.observations: list[Observation] = []
        self.booked = 0
        self.answered = self.cost_nano = 0
        """Calls answered whole, and their cost."""
        self.booked_on_key = 0
        self.acknowledging = True
        self.poison: set[str] = set()
        """Request ids no record of which is ever booked."""
        self._count_only = count_only
        self._names: dict[ServerConnection, str] = {}
        self.keeper = Keeper("first", time.monotonic())
        self.keeper.expect(set(), time.monotonic())
        self.asks: list[LeaseAsk] = []
        self.silent = False
        """True: leases are not answered."""
        self._sockets: set[ServerConnection] = set()
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/uplink"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = await serve(
            self._session, "127.0.0.1", self.port, subprotocols=[Subprotocol(SUBPROTOCOL)], compression=None
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def push(self, new: Snapshot) -> None:
        self.snapshot = new
        await self.say(SnapshotPush(new))

    async def say(self, message: Down) -> None:
        for socket in self._sockets:
            await socket.send(_encoder.encode(message), text=True)

    async def wait_for_records(self, count: int, seconds: float = 5.0) -> list[CallRecord]:
        """The records, by number, once there are `count`; AssertionError with what came otherwise."""
        deadline = time.monotonic() + seconds
        while len(self.records) < count and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        found = sorted(self.records.values(), key=lambda record: record.number)
        assert len(found) >= count, f"{len(found)} of {count} records: {found}"
        return found

    async def _session(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        if socket.request.headers["Authorization"] != f"Bearer {SECRET}":
            await socket.close(4001, "wrong secret")
            return
        self._sockets.add(socket)
        try:
            async for frame in socket:
                await self._take(socket, _up.decode(frame))
        finally:
            self._sockets.discard(socket)
            for name, connection in list(self.keeper.workers.items()):
                if connection is socket:
                    self.keeper.leave(name, socket, time.monotonic())
                    await self._tell_fleet()

    async def _take(self, socket: ServerConnection, message: Up) -> None:
        if isinstance(message, Hello):
            self.hellos.append(message)
            self._names[socket] = message.gateway
            await socket.send(_encoder.encode(self.keeper.fleet(time.monotonic())), text=True)
            if self.snapshot is not None:
                await socket.send(_encoder.encode(SnapshotPush(self.snapshot)), text=True)
        elif isinstance(message, UsageBatch):
            if self.poison and await self._refuse_poison(socket, message):
                return
            self._book(message)
            if self.acknowledging:
                await socket.send(_encoder.encode(UsageAck(message.records[-1].number)), text=True)
        elif isinstance(message, LeaseAsk | LeaseReturn | LeaseState):
            await self._lease(socket, message)
        elif not self._count_only:
            self.observations.append(message)

    async def _refuse_poison(self, socket: ServerConnection, batch: UsageBatch) -> bool:
        if not any(record.request_id in self.poison for record in batch.records):
            return False
        await socket.close(4010, "poison")
        return True

    async def _lease(self, socket: ServerConnection, message: LeaseAsk | LeaseReturn | LeaseState) -> None:
        """With the real keeper, as `llm/consumers/uplink.py` does."""
        now, name = time.monotonic(), self._names[socket]
        if isinstance(message, LeaseState):
            self.keeper.join(name, socket, message, now)
            await self._tell_fleet()
        elif isinstance(message, LeaseReturn):
            self.keeper.give_back(name, message, now)
        else:
            self.asks.append(message)
            if not self.silent:
                await socket.send(_encoder.encode(self.keeper.ask(name, message, now)), text=True)

    async def _tell_fleet(self) -> None:
        frame = _encoder.encode(self.keeper.fleet(time.monotonic()))
        for socket in list(self._sockets):
            with contextlib.suppress(ConnectionClosed):
                await socket.send(frame, text=True)

    def _book(self, batch: UsageBatch) -> None:
        self.booked += len(batch.records)
        if self._count_only:
            answered = [record for record in batch.records if record.outcome == "ok"]
            self.answered += len(answered)
            self.cost_nano += sum(record.cost_nano for record in answered)
            self.booked_on_key += sum(record.api_key == CLIENT_ID for record in batch.records)
            return
        for record in batch.records:
            self.numbers.append(record.number)
            self.records.setdefault(record.id, record)


async def _run(port: int, upstream: str, key: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    first = with_client(with_other_wires(snapshot(upstream), upstream), key)
    async with Control(first, port, count_only=True) as control:
        print("ready", flush=True)
        await stop.wait()
        names = ("booked", "booked_on_key", "answered", "cost_nano")
        print(json.dumps({name: getattr(control, name) for name in names}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--key", required=True)
    given = parser.parse_args()
    asyncio.run(_run(given.port, given.upstream, given.key))
