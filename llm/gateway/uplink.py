"""The worker's end of the uplink (`core/uplink.py` has the messages): configuration down, usage and observations up.

Runs as long as the worker does; the gateway serves on from what it has while the control plane is away. Records go up
in batches, the next when the last is acknowledged; after a reconnect everything unacknowledged goes again. A batch
refused for good (not for want of a database) is sent by halves, until the one record that cannot be booked stands
alone: it is set aside in `refused.jsonl`, and the rest goes on. The first snapshot of a connection is taken whatever
its version, for the database is the truth; after that versions only grow.
"""

import asyncio
import logging
import os
import random
from collections.abc import Callable, Collection

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException
from websockets.typing import Subprotocol

from llm.core.snapshot import Snapshot
from llm.core.uplink import (
    SUBPROTOCOL,
    VERSION,
    Down,
    Fleet,
    Hello,
    KeysRevoked,
    LeaseGrant,
    Observation,
    SnapshotPush,
    UsageAck,
)
from llm.gateway.journal import Journal
from llm.gateway.journal_reader import JournalReader
from llm.gateway.limiter import Limiter

log = logging.getLogger(__name__)

BATCH_RECORDS = 1_000
GATHER_SECONDS = 0.02
"""How long a batch waits for company."""
ACK_SECONDS = 60.0
OBSERVE_SECONDS = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 3.0
REFUSED_FOR_GOOD = frozenset({4007, 4008, 4009, 4010})
"""Close codes of `llm/consumers/uplink.py` that sending the same again would not change."""
MOST_IN_A_ROW = 10
"""Records set aside without one booked between: then the control plane is at fault, and the journal waits for it."""
MAX_WAITING = 10_000
"""Frames of the limiter not sent yet; beyond it calls are admitted from the worker's share."""
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
        observe: Callable[[], Observation] | None,
    ) -> None:
        """`observe` is None for the journal of a worker that is no more (`orphans.py`): only records go up."""
        self.connected = False
        self._url = url
        self._secret = secret
        self._name = name
        self._journal = journal
        self._on_snapshot = on_snapshot
        self._observe = observe
        self._version = 0
        self._batch = BATCH_RECORDS
        self._sent: list[bytes] = []
        """The lines that wait for their acknowledgement; the last one has number `_sent_last`."""
        self._sent_last = 0
        self._in_a_row = 0
        self._acknowledged = asyncio.Event()
        self.on_revoked: Callable[[Collection[str]], None] = lambda digests: None
        """Hears of keys that are to be refused at once, by their digests."""
        self.limiter: Limiter | None = None
        """Hears of leases, and when there are none."""
        self._soon: asyncio.Queue[bytes] | None = None

    def send_soon(self, frame: bytes) -> bool:
        """Send a frame when it is its turn; False when there is no connection, or MAX_WAITING frames wait already."""
        if self._soon is None or self._soon.full():
            return False
        self._soon.put_nowait(frame)
        return True

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
                if isinstance(reason, ConnectionClosed) and reason.rcvd and reason.rcvd.code in REFUSED_FOR_GOOD:
                    self._split_or_set_aside(reason.rcvd.reason)
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
            self._soon = asyncio.Queue(MAX_WAITING)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._receive(socket))
                    tasks.create_task(self._send_waiting(socket, self._soon))
                    tasks.create_task(self._send_usage(socket))
                    if self._observe is not None:
                        tasks.create_task(self._send_observations(socket, self._observe))
            finally:
                unsent = [] if self._soon is None else [self._soon.get_nowait() for _ in range(self._soon.qsize())]
                self._soon = None  # the frame under way at the break may have arrived: it is not sent again
                if self.limiter is not None:
                    self.limiter.lost(unsent)
                await socket.close()

    async def _receive(self, socket: ClientConnection) -> None:
        async for frame in socket:
            message = _down.decode(frame)
            if isinstance(message, UsageAck):
                self._journal.acknowledge(message.through)
                self._acknowledged.set()
            elif isinstance(message, SnapshotPush) and message.snapshot.version > self._version:
                self._version = message.snapshot.version
                self.connected = self._configure(message.snapshot)
            elif isinstance(message, KeysRevoked):
                self.on_revoked(message.digests)
            elif isinstance(message, LeaseGrant) and self.limiter is not None:
                self.limiter.hear_grant(message)
            elif isinstance(message, Fleet) and self.limiter is not None:
                self.limiter.hear_fleet(message)
        raise ConnectionError("the control plane closed the uplink")

    def _configure(self, snapshot: Snapshot) -> bool:
        """False: it cannot be served by (the control plane is of a newer release, say); the last one stays."""
        try:
            self._on_snapshot(snapshot)
        except Exception:  # whatever it is: the uplink must go on, or nothing would be booked until a restart
            log.exception("Configuration %d cannot be used; serving on by the last one.", snapshot.version)
            return False
        return True

    async def _send_waiting(self, socket: ClientConnection, waiting: "asyncio.Queue[bytes]") -> None:
        while True:
            await socket.send(await waiting.get(), text=True)

    async def _send_usage(self, socket: ClientConnection) -> None:
        reader = JournalReader(self._journal)
        reader.rewind(self._journal.acknowledged)
        try:
            while True:
                self._journal.on_written.clear()
                lines, last = reader.read(self._batch)
                if not lines:
                    await self._journal.on_written.wait()
                    await asyncio.sleep(GATHER_SECONDS)
                    continue
                self._sent, self._sent_last = lines, last
                await socket.send(b'{"type":"usage","records":[%b]}' % b",".join(lines), text=True)
                async with asyncio.timeout(ACK_SECONDS):
                    await self._until_acknowledged(last)
                self._sent, self._in_a_row = [], 0
                self._batch = min(self._batch * 2, BATCH_RECORDS)
        finally:
            reader.close()

    def _split_or_set_aside(self, why: str) -> None:
        lines, self._sent = self._sent, []
        if not lines:
            return
        if len(lines) > 1:
            self._batch = len(lines) // 2
        elif self._in_a_row < MOST_IN_A_ROW:
            try:
                self._journal.set_aside(self._sent_last, lines[0])
            except OSError as error:  # it stays in the journal, and is tried again
                log.error("Record %d cannot be booked (%s), nor set aside (%s).", self._sent_last, why, error)
                return
            self._in_a_row += 1
            log.error("Record %d cannot be booked (%s): it is set aside.", self._sent_last, why)
        else:
            log.error("The control plane books nothing (%s): is it of another release? The journal waits.", why)

    async def _until_acknowledged(self, number: int) -> None:
        while self._journal.acknowledged < number:
            self._acknowledged.clear()
            await self._acknowledged.wait()

    async def _send_observations(self, socket: ClientConnection, observe: Callable[[], Observation]) -> None:
        while True:
            await socket.send(_encoder.encode(observe()), text=True)
            await asyncio.sleep(OBSERVE_SECONDS)
