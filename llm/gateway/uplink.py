"""The worker's end of the uplink (`core/uplink.py` has the messages): configuration down, usage and observations up.

Runs for as long as the worker does; when the control plane is away it tries again with growing pauses, and the
gateway serves on from what it has. Records go up in batches, one at a time: the next when the last is acknowledged,
so a slow control plane is never flooded and the backlog stays in the journal. After a reconnect everything
unacknowledged goes again. The first snapshot of a connection is taken whatever its version, for the database is the
truth; after that versions only grow.
"""

import asyncio
import logging
import os
import random
from collections.abc import Callable

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.typing import Subprotocol

from llm.core.snapshot import Snapshot
from llm.core.uplink import SUBPROTOCOL, Down, Hello, Observation, SnapshotPush, UsageAck
from llm.gateway.journal import Journal
from llm.gateway.journal_reader import JournalReader

log = logging.getLogger(__name__)

VERSION = "0.1.0"
BATCH_RECORDS = 1_000
GATHER_SECONDS = 0.02
"""How long a batch waits for company."""
ACK_SECONDS = 60.0
OBSERVE_SECONDS = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 3.0
MAX_SNAPSHOT_BYTES = 64 * 1024 * 1024

_down = msgspec.json.Decoder(Down)
_encoder = msgspec.json.Encoder()


class Uplink:
    """One worker's connection to the control plane."""

    def __init__(
        self,
        url: str,
        secret: str,
        name: str,
        journal: Journal,
        on_snapshot: Callable[[Snapshot], None],
        observe: Callable[[], Observation],
    ) -> None:
        self.connected = False
        self._url = url
        self._secret = secret
        self._name = name
        self._journal = journal
        self._on_snapshot = on_snapshot
        self._observe = observe
        self._version = 0
        self._acknowledged = asyncio.Event()

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._session()
            except* (OSError, TimeoutError, WebSocketException, msgspec.DecodeError) as failures:
                reason = failures.exceptions[0]
                while isinstance(reason, BaseExceptionGroup):
                    reason = reason.exceptions[0]
                level = logging.WARNING if self.connected or isinstance(reason, InvalidHandshake) else logging.DEBUG
                log.log(level, "The uplink to %s is down (%s); serving on, trying again.", self._url, reason)
            if self.connected:
                pause = FIRST_PAUSE
                self.connected = False
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))  # noqa: S311 - jitter
            pause = min(pause * 1.5, LONGEST_PAUSE)

    async def handed_over(self) -> None:
        """Wait until everything written is acknowledged."""
        await self._until_acknowledged(self._journal.written)

    async def _session(self) -> None:
        headers = {"Authorization": f"Bearer {self._secret}"}
        async with connect(
            self._url,
            additional_headers=headers,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            proxy=None,
            open_timeout=5,
            close_timeout=1,
            max_size=MAX_SNAPSHOT_BYTES,
        ) as socket:
            await socket.send(_encoder.encode(Hello(self._name, os.getpid(), VERSION, self._version)), text=True)
            self._version = -1
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._receive(socket))
                    tasks.create_task(self._send_usage(socket))
                    tasks.create_task(self._send_observations(socket))
            finally:
                await socket.close()

    async def _receive(self, socket: ClientConnection) -> None:
        async for frame in socket:
            message = _down.decode(frame)
            if isinstance(message, UsageAck):
                self._journal.acknowledge(message.through)
                self._acknowledged.set()
            elif isinstance(message, SnapshotPush) and message.snapshot.version > self._version:
                self._version = message.snapshot.version
                self.connected = True
                self._on_snapshot(message.snapshot)
        raise ConnectionError("the control plane closed the uplink")

    async def _send_usage(self, socket: ClientConnection) -> None:
        reader = JournalReader(self._journal)
        reader.rewind(self._journal.acknowledged)
        try:
            while True:
                self._journal.on_written.clear()
                lines, last = reader.read(BATCH_RECORDS)
                if not lines:
                    await self._journal.on_written.wait()
                    await asyncio.sleep(GATHER_SECONDS)
                    continue
                await socket.send(b'{"type":"usage","records":[%b]}' % b",".join(lines), text=True)
                async with asyncio.timeout(ACK_SECONDS):
                    await self._until_acknowledged(last)
        finally:
            reader.close()

    async def _until_acknowledged(self, number: int) -> None:
        while self._journal.acknowledged < number:
            self._acknowledged.clear()
            await self._acknowledged.wait()

    async def _send_observations(self, socket: ClientConnection) -> None:
        while True:
            await socket.send(_encoder.encode(self._observe()), text=True)
            await asyncio.sleep(OBSERVE_SECONDS)
