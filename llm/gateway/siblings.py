"""The other workers at the same port: each has a private door, a Unix socket in its journal folder, for what one worker
holds and a client may ask any of them for.

`ask` looks for a stream: all siblings are asked at once, for `ASK_SECONDS` at most, and the one whose stream of that id
is the newest answers; its bytes are passed on, with back-pressure both ways. A door asks nobody, so there are no loops.
A sibling that breaks off in the middle of its answer, or falls silent, cuts the client off, as it would have been
there; one that fails before it is a 503. Where the folder's path is too long for a socket, the door is in a temporary
folder whose name the journal folder keeps. Next file: `resume.py`, behind the door.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import httptools

from llm.core.errors import LlmError, Unavailable
from llm.gateway.admission import KEY_HEADERS
from llm.gateway.call import refuse
from llm.gateway.exchange import Exchange, Headers
from llm.gateway.ids import new_id

DOOR, DOOR_ELSEWHERE = "door", "door.path"
MAX_PATH = 100
"""Bytes in the path of a Unix socket: a little below what systems allow (104 to 108)."""
MAX_SIBLINGS = 64
ASK_SECONDS = 2.0
STARTED = b"x-circuit-breaker-stream-started"
SILENCE_SECONDS = 30.0
"""How long nothing may come from a sibling in the middle of an answer, its comments included."""
GONE = "The worker that holds the stream has just gone, or does not answer; try again shortly."
OWN_HEADERS = frozenset({b"connection", b"date", b"transfer-encoding", b"content-length"})


class Siblings:
    """The doors beside our own."""

    def __init__(self, folder: Path, name: str, keep_alive_seconds: float = 0.0) -> None:
        """`keep_alive_seconds`: how often a sibling fills silence with a comment."""
        self._silence = max(SILENCE_SECONDS, 3 * keep_alive_seconds)
        self._folder = folder
        self._own = folder / name
        self._tasks: set[asyncio.Task[None]] = set()
        self._elsewhere: Path | None = None

    def bind_door(self) -> socket.socket:
        """Our own door, for this user only. The journal's lock is ours, so what lies there is a dead one's."""
        self.close()
        path = self._own / DOOR
        if len(os.fsencode(path)) > MAX_PATH:
            self._elsewhere = Path(tempfile.mkdtemp(prefix="circuit-breaker-"))
            path = self._elsewhere / DOOR
            (self._own / DOOR_ELSEWHERE).write_text(str(path))
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            bound.bind(str(path))
        finally:
            os.umask(before)
        return bound

    def close(self) -> None:
        """Take the door away."""
        (self._own / DOOR).unlink(missing_ok=True)
        (self._own / DOOR_ELSEWHERE).unlink(missing_ok=True)
        if self._elsewhere is not None:
            shutil.rmtree(self._elsewhere, ignore_errors=True)
            self._elsewhere = None

    def any(self) -> bool:
        return bool(self._doors())

    def ask(self, exchange: Exchange, target: bytes, held_since: int, otherwise: Callable[[], None]) -> None:
        """Have the sibling answer whose stream is newer than `held_since` (0: we hold none); else call `otherwise`."""
        task = asyncio.get_running_loop().create_task(self._ask(exchange, target, held_since, otherwise))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, exchange: Exchange, target: bytes, held_since: int, otherwise: Callable[[], None]) -> None:
        doors = self._doors()
        started = await asyncio.gather(*(Passage(exchange, door).look(target) for door in doors))
        newest = max(started, default=0, key=lambda at: at or 0) or 0
        if newest > held_since:
            await self._pass_on(Passage(exchange, doors[started.index(newest)], show=True), exchange, target)
        elif held_since == 0 and None in started:
            error: LlmError = Unavailable("Not every worker could be asked for the stream; try again shortly.", 1)
            refuse(exchange, error, new_id().encode())
        else:
            otherwise()

    async def _pass_on(self, passage: "Passage", exchange: Exchange, target: bytes) -> None:
        """The sibling's answer, to its end."""
        try:
            await asyncio.wait_for(passage.answered(exchange.method, target), ASK_SECONDS)
        except (OSError, TimeoutError):
            passage.leave()
            if not exchange.ended and not exchange.gone:
                refuse(exchange, Unavailable(GONE, 1), new_id().encode())
            return
        await passage.watch(self._silence)

    def _doors(self) -> list[Path]:
        """Where the others may be found; a dead one's door may be among them."""
        found = []
        for folder in sorted(self._folder.iterdir()):
            if folder == self._own:
                continue
            if (folder / DOOR).exists():
                found.append(folder / DOOR)
                continue
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # none there, or just gone
                found.append(Path((folder / DOOR_ELSEWHERE).read_text()))
        return found[:MAX_SIBLINGS]


class Passage(asyncio.Protocol):
    """One way through a sibling's door: a question whether it holds the stream, or its answer for our client."""

    def __init__(self, exchange: Exchange, door: Path, show: bool = False) -> None:
        self._exchange = exchange
        self._door = door
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._headers: Headers = []
        self._show = show
        """Whether the answer is for the client."""
        self._head: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.started = 0
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._paused = False
        """The client takes nothing for now, so nothing is read."""
        self._ended = asyncio.Event()

    async def look(self, target: bytes) -> int | None:
        """When the stream began that the sibling holds; 0: it holds none; None: it did not say in time."""
        try:
            await asyncio.wait_for(self._look(target), ASK_SECONDS)
        except TimeoutError:
            return None
        except OSError:  # nobody behind the door: that worker has ended, and what it held with it
            return 0
        return self.started

    async def _look(self, target: bytes) -> None:
        await self.open("HEAD", target)
        try:
            await self._head
        finally:
            self._transport.abort()

    async def answered(self, method: str, target: bytes) -> None:
        """Until the head of the answer is on its way to the client. Raises OSError."""
        await self.open(method, target)
        await self._head

    async def watch(self, silence: float) -> None:
        """Until the end; a sibling silent for so long is cut off, and the client with it."""
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), silence / 4)
            if not self._paused and self._loop.time() - self._heard > silence:
                self._transport.abort()
                return

    def leave(self) -> None:
        """Let the client go: another answers it."""
        self._show = False
        self._leave()
        if self._transport is not None:
            self._transport.abort()

    async def open(self, method: str, target: bytes) -> None:
        """Send the request. Raises OSError."""
        asks = b"".join(
            [
                b"%b: %b\r\n" % (name, self._exchange.fields[name])
                for name in KEY_HEADERS
                if name in self._exchange.fields
            ]
        )
        await asyncio.get_running_loop().create_unix_connection(lambda: self, str(self._door))
        self._transport.write(
            b"%b %b HTTP/1.1\r\nhost: sibling\r\n%bconnection: close\r\n\r\n" % (method.encode("ascii"), target, asks)
        )

    # --- the transport and llhttp call these --------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._show:
            exchange = self._exchange
            exchange.on_disconnect = self._transport.abort
            exchange.on_pause, exchange.on_resume = self._pause, self._resume
            if exchange.gone:
                self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._ended.set()
        if not self._head.done():
            self._head.set_exception(error or ConnectionResetError("the sibling closed its door"))
        elif self._show and not self._exchange.ended:
            self._leave()
            self._exchange.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        fields = dict(self._headers)
        self.started = int(fields.get(STARTED, b"0"))
        if not self._head.done():
            self._head.set_result(None)
        if self._show:
            shown = [header for header in self._headers if header[0] not in OWN_HEADERS]
            length = fields.get(b"content-length")
            status = self._parser.get_status_code()
            if status == 204 or self._exchange.method == "HEAD":
                self._leave()
                self._exchange.respond(status, shown)
            else:
                self._exchange.start(status, shown, None if length is None else int(length))

    def on_body(self, part: bytes) -> None:
        if self._show and not self._exchange.ended:
            self._exchange.write(part)

    def on_message_complete(self) -> None:
        if self._show and not self._exchange.ended:
            self._leave()
            self._exchange.end()

    def _pause(self) -> None:
        self._paused = True
        self._transport.pause_reading()

    def _resume(self) -> None:
        self._paused = False
        self._heard = self._loop.time()
        self._transport.resume_reading()

    def _leave(self) -> None:
        exchange = self._exchange
        exchange.on_disconnect = exchange.on_pause = exchange.on_resume = None
