"""The control side of the uplink (`core/uplink.py`): one socket per gateway worker, at the path `uplink`.

Promises: a snapshot at once after Hello and after every change, whichever process made it (a channel-layer hint, and
a look at the version four times a second in case the hint was lost); a revoked key is told ahead of the snapshot, so
within a second however long that takes to build; an acknowledgement only for what the database holds. When booking
fails there is none, and the socket is closed: the gateway connects again and sends all of it again.
Frames are handled one after another, so the bound on what waits here is the socket's own; but a batch or observation
that is being written lets leases pass, which calls wait for (`core/leases.py`; this process's one keeper is here).
Close codes are private ones, because Daphne sends no others; the reason goes with them and into the log.
"""

import asyncio
import contextlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

import msgspec
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError, DataError
from django.utils import timezone

from billing.services import announce_with, book
from llm import selectors, services, snapshots
from llm.core.leases import Keeper
from llm.core.uplink import (
    SUBPROTOCOL,
    Hello,
    KeysRevoked,
    LeaseAsk,
    LeaseReturn,
    LeaseState,
    Observation,
    Up,
    UsageAck,
    UsageBatch,
)

POLL_SECONDS = 0.25
HELLO_SECONDS = 10.0
OBSERVATION_SECONDS = 1.5
"""Observations that come faster than this are dropped: they are totals, so the next one says it all."""
MAX_FRAME_BYTES = 1024 * 1024
"""Larger frames are refused. A gateway fills half of it at most (`gateway/journal_reader.py`)."""
MAX_RECORDS = 1_000
MAX_GATEWAY_NAME = 200

MALFORMED, REFUSED, TOO_LARGE, UNBOOKABLE, FAILED = 4007, 4008, 4009, 4010, 4011

KNOWN_SECONDS = 60
"""Gateways heard of so recently may hold leases of a control process before this one."""

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)
_decoder = msgspec.json.Decoder(Up)
_encoder = msgspec.json.Encoder()
announce_with(services.hint)  # keys are billing's; here is who must hear of them
_members: "set[UplinkConsumer]" = set()
_keeper: Keeper | None = None
"""The limits of all callers; made with the first gateway."""


class UplinkConsumer(AsyncWebsocketConsumer):
    """One connected gateway worker."""

    async def connect(self) -> None:
        """Accept who knows the secret and speaks the protocol; refuse (403) everyone else before the handshake."""
        self.hello: Hello | None = None
        self.pushed = self.told = -1
        """Versions: of the snapshot that was sent, and up to which revoked keys were told."""
        self.observed_at = 0.0
        self.failing = False
        self.changed = asyncio.Event()
        self.watcher: asyncio.Task[None] | None = None
        self.pushing: asyncio.Task[None] | None = None
        self.booking: asyncio.Task[None] | None = None
        self.observing: asyncio.Task[None] | None = None
        if not _authorized(self.scope) or SUBPROTOCOL not in self.scope["subprotocols"]:
            logger.warning("uplink refused: wrong secret or protocol, from %s", self.scope.get("client"))
            await self.close()
            return
        if self.channel_layer is not None:
            await self.channel_layer.group_add(services.CONFIGURATION_GROUP, self.channel_name)
        await self.accept(SUBPROTOCOL)
        self.watcher = asyncio.create_task(self._watch())

    async def disconnect(self, code: int) -> None:
        if self.watcher is not None:
            self.watcher.cancel()
        _members.discard(self)
        if self.hello and _keeper is not None and _keeper.leave(self.hello.gateway, self, time.monotonic()):
            await _tell_fleet()
        for task in (self.pushing, self.booking, self.observing):
            if task is not None:
                await task
        if self.channel_layer is not None:
            await self.channel_layer.group_discard(services.CONFIGURATION_GROUP, self.channel_name)
        if self.hello is not None:
            try:
                await _in_thread(services.disconnect_gateway, self.hello.gateway, self.hello.pid)
            except (DatabaseError, OverflowError):
                logger.warning("gateway %s left, which could not be written down", self.hello.gateway)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """One frame up."""
        if text_data is None:
            await self._refuse(MALFORMED, "a binary frame; frames are JSON text")
            return
        if len(text_data) > MAX_FRAME_BYTES:
            await self._refuse(TOO_LARGE, f"a frame of {len(text_data)} bytes; {MAX_FRAME_BYTES} is the most")
            return
        try:
            message = _decoder.decode(text_data)
        except (msgspec.MsgspecError, UnicodeError) as failure:
            await self._refuse(MALFORMED, f"a frame that is no message: {failure}")
            return
        await self._handle(message)

    async def configuration_changed(self, event: dict[str, Any]) -> None:
        """The channel layer's hint."""
        self.changed.set()

    async def _handle(self, message: Up) -> None:
        if isinstance(message, Hello):
            await self._greet(message)
        elif self.hello is None:
            await self._refuse(REFUSED, "a message before hello")
        elif isinstance(message, LeaseAsk | LeaseReturn | LeaseState):
            await self._lease(self.hello.gateway, message)
        elif isinstance(message, UsageBatch):
            if self.booking is not None:
                await self.booking
            self.booking = asyncio.create_task(self._write(self._book(self.hello.gateway, message)))
        elif self.observing is None or self.observing.done():  # else the next one says it all
            self.observing = asyncio.create_task(self._write(self._observe(self.hello.gateway, message)))

    async def _write(self, writing: Coroutine[Any, Any, None]) -> None:
        """One of each at a time, beside the leases. What nobody foresaw closes the socket, and is sent again."""
        try:
            await writing
        except Exception:
            logger.exception("what a gateway reported was not written")
            await self._refuse(FAILED, "what was reported could not be written")

    async def _lease(self, gateway: str, message: LeaseAsk | LeaseReturn | LeaseState) -> None:
        now = time.monotonic()
        assert _keeper is not None
        if isinstance(message, LeaseAsk):
            grant = _keeper.ask(gateway, message, now)
            await self.send(_encoder.encode(grant).decode())
        elif isinstance(message, LeaseReturn):
            _keeper.give_back(gateway, message, now)
        else:
            fresh = self.hello is not None and self.hello.snapshot_version == 0
            _keeper.join(gateway, self, message, now, fresh)
            await _tell_fleet()

    async def _greet(self, hello: Hello) -> None:
        if self.hello is not None or not 0 < len(hello.gateway) <= MAX_GATEWAY_NAME or "\x00" in hello.gateway:
            await self._refuse(REFUSED, "a second hello, or one without a usable name")
            return
        self.hello = hello
        await _know_the_gateways()
        _members.add(self)
        assert _keeper is not None
        await self.send(_encoder.encode(_keeper.fleet(time.monotonic())).decode())
        self.changed.set()
        try:
            await _in_thread(services.connect_gateway, hello, timezone.now())
        except (DatabaseError, OverflowError):
            logger.exception("gateway %s connected, which could not be written down", hello.gateway)

    async def _book(self, gateway: str, batch: UsageBatch) -> None:
        if len(batch.records) > MAX_RECORDS:
            await self._refuse(REFUSED, f"a batch of {len(batch.records)} records; {MAX_RECORDS} is the most")
            return
        try:
            through = await _in_thread(book, batch.records, gateway)
        except (DataError, OverflowError, ValueError) as failure:
            await self._refuse(UNBOOKABLE, f"the batch can never be booked: {failure}")
            return
        except DatabaseError:
            logger.exception("a batch of %d records from %s was not booked", len(batch.records), gateway)
            await self._refuse(FAILED, "the database did not take the batch; send it again")
            return
        await self.send(_encoder.encode(UsageAck(through)).decode())

    async def _observe(self, gateway: str, seen: Observation) -> None:
        if time.monotonic() - self.observed_at < OBSERVATION_SECONDS:
            return
        self.observed_at = time.monotonic()
        try:
            await _in_thread(services.observe_gateway, gateway, seen, max(self.pushed, 0), timezone.now())
        except (DatabaseError, OverflowError):
            logger.exception("an observation from %s was not written down", gateway)

    async def _watch(self) -> None:
        """Push the snapshot whenever there is a newer one than this gateway was sent; wait for hello only so long.

        Should it fail in a way nobody foresaw, the socket is closed, so that the gateway tries again and shows it.
        """
        greeted_by = time.monotonic() + HELLO_SECONDS
        try:
            while self.hello is not None or time.monotonic() < greeted_by:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.changed.wait(), POLL_SECONDS)
                self.changed.clear()
                if self.hello is not None:
                    await self._look()
            await self._refuse(REFUSED, f"no hello within {HELLO_SECONDS:.0f} seconds")
        except Exception:
            logger.exception("the watch over the configuration broke")
            await self._refuse(FAILED, "the configuration could not be sent")

    async def _look(self) -> None:
        """Whether anything changed. Revoked keys are told at once, beside a snapshot that is being built."""
        try:
            version = await _in_thread(snapshots.configuration_version)
            if version > self.told:
                revoked = await _in_thread(snapshots.recently_revoked) if self.told >= 0 else ()
                if revoked:
                    await self.send(_encoder.encode(KeysRevoked(revoked)).decode())
                self.told = version
            if version <= self.pushed:
                self.failing = False
            elif self.pushing is None or self.pushing.done():
                self.pushing = asyncio.create_task(self._push(version))
        except DatabaseError:
            self._fail()

    async def _push(self, version: int) -> None:
        try:
            self.pushed, frame = await snapshots.frame(version)
            await self.send(frame)
            self.failing = False
            self.changed.set()  # there may be a newer one by now
        except DatabaseError:
            self._fail()
        except Exception:
            logger.exception("the configuration could not be sent")
            await self._refuse(FAILED, "the configuration could not be sent")

    def _fail(self) -> None:
        if not self.failing:  # once per outage, not four times a second
            logger.exception("the configuration could not be read; gateways go on with the one they have")
        self.failing = True

    async def _refuse(self, code: int, reason: str) -> None:
        name = self.hello.gateway if self.hello else "a gateway without a name"
        logger.warning("uplink of %s closed (%d): %s", name, code, reason)
        await self.close(code, reason[:120])


async def _know_the_gateways() -> None:
    """Make the keeper, and let it wait for those that may hold leases of a process before this one."""
    global _keeper
    if _keeper is not None:
        return
    keeper = Keeper(secrets.token_hex(8), time.monotonic())
    try:
        names = await _in_thread(selectors.gateways_heard_since, timezone.now() - timedelta(seconds=KNOWN_SECONDS))
    except DatabaseError:
        names = {""}  # nobody's name: it waits for as long as it would for one that does not come
    if _keeper is None:  # another gateway may have said hello meanwhile
        keeper.expect(names, time.monotonic())
        _keeper = keeper


async def _tell_fleet() -> None:
    """Every gateway hears how many there are: shares are cut by that."""
    assert _keeper is not None
    frame = _encoder.encode(_keeper.fleet(time.monotonic())).decode()
    for member in list(_members):
        await member.send(frame)


def _authorized(scope: dict[str, Any]) -> bool:
    """Whether the bearer token is the uplink secret, in constant time. Without a secret nobody may."""
    expected = b"Bearer " + settings.UPLINK_SECRET.encode()
    given = dict(scope["headers"]).get(b"authorization", b"")
    return bool(settings.UPLINK_SECRET) and hmac.compare_digest(given, expected)


async def _in_thread(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run it on a thread of the pool, with its own database connection, so that a slow booking holds up no one else."""
    result: R = await database_sync_to_async(call, thread_sensitive=False)(*args, **kwargs)
    return result
