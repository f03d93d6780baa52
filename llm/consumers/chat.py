"""`/ws` without a subprotocol: the chat protocol (`core/chat_socket.py`), several completions at once on one socket.

Each completion is a request to the gateway (`services/streams.py`) with the key the socket was opened with, and its
`id` is the request's id there: whoever holds it may follow the stream through any other door. What a client does wrong
is answered with an `error` frame; the socket stays open. Bounds: MAX_RUNNING completions a socket; a client that reads
slowly makes its own completions wait, and is given up after a while (`circuit_breaker/server.py`). When the socket
ends, the gateway goes on with its completions for its grace time, so that another socket can resume them.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncGenerator
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

from llm.core.chat_socket import (
    BadMessage,
    Cancel,
    Completion,
    Frame,
    Frames,
    Message,
    Ping,
    Resume,
    encode,
    error_frame,
    read_message,
)
from llm.core.errors import LlmError
from llm.core.following import End, Said, StreamFailed
from llm.services import streams

MAX_RUNNING = 16
CANCEL_SECONDS = 5.0
"""How long a cancelled completion may take to end by itself, which says what it cost."""
CANCEL_PAUSE = 0.2
WAIT_SECONDS = streams.WAIT_SECONDS

logger = logging.getLogger(__name__)
Steps = AsyncGenerator[Said | End, None]


class ChatConsumer(AsyncWebsocketConsumer):
    """One socket."""

    async def connect(self) -> None:
        self._running: dict[str, asyncio.Task[None]] = {}
        self._cancelling: set[asyncio.Task[None]] = set()
        self._key = _key_of(self.scope)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        tasks = [*self._running.values(), *self._cancelling]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """One message."""
        try:
            await self._handle(read_message(text_data))
        except BadMessage as error:
            await self._say(error_frame(error, error.id))

    async def _handle(self, message: Message) -> None:
        if isinstance(message, Ping):
            await self._say({"type": "pong"})
        elif isinstance(message, Cancel):
            self._begin_cancel(message.id)
        elif isinstance(message, Completion):
            identity = message.id or f"chat-{uuid.uuid4().hex}"
            frames = Frames(identity)
            self._begin(frames, streams.complete(message.body, identity, self._key), frames.waiting())
        elif isinstance(message, Resume):
            frames = Frames(message.id, message.after, message.part)
            self._begin(frames, streams.follow(message.id, self._key, frames.wanted_after, WAIT_SECONDS))

    def _begin(self, frames: Frames, steps: Steps, first: Frame | None = None) -> None:
        if frames.id in self._running:
            raise BadMessage(f"A completion with the id {frames.id!r} runs on this socket already.", "id", frames.id)
        if len(self._running) >= MAX_RUNNING:
            raise BadMessage(f"{MAX_RUNNING} completions run on this socket, which is the most.", None, frames.id)
        self._running[frames.id] = asyncio.create_task(self._run(frames, steps, first))

    async def _run(self, frames: Frames, steps: Steps, first: Frame | None) -> None:
        """One completion to its last frame. Whoever cancels the task says what there is to say."""
        try:
            if first is not None:
                await self._say(first)
            last = await self._tell(frames, steps)
        except LlmError as error:
            last = frames.failed(error)
        except Exception:
            logger.exception("completion %s failed on a chat socket", frames.id)
            last = frames.failed(LlmError("Something went wrong inside the server; its log has the reason."))
        finally:
            self._running.pop(frames.id, None)  # before the last frame: its receiver may use the id again at once
        await self._say(last)

    async def _tell(self, frames: Frames, steps: Steps) -> Frame:
        """Send what the stream says; the frame it ends with. Raises LlmError."""
        failed: StreamFailed | None = None
        end = End(0, None, None, "")
        async with contextlib.aclosing(steps):
            async for step in steps:
                if isinstance(step, End):
                    end = step
                elif step.error is not None:
                    failed = StreamFailed(step.error)
                else:
                    for frame in frames.of(step):
                        await self._say(frame)
        if failed is not None and not end.cancelled:
            raise failed
        return frames.completed(end)

    def _begin_cancel(self, identity: str) -> None:
        if identity not in self._running:
            raise BadMessage(f"No completion with the id {identity!r} runs on this socket.", "id", identity)
        task = asyncio.create_task(self._cancel(identity, self._running[identity]))
        self._cancelling.add(task)
        task.add_done_callback(self._cancelling.discard)

    async def _cancel(self, identity: str, running: "asyncio.Task[None]") -> None:
        """Have the gateway end it; should it not, or not know it yet, the frames end here all the same."""
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                while not await streams.cancel(identity, self._key):
                    await asyncio.wait([running], timeout=CANCEL_PAUSE)
                    if running.done():
                        break
                await asyncio.wait([running])
        except TimeoutError:
            pass
        except LlmError as error:
            await self._say(error_frame(error, identity))
        if not running.done():
            running.cancel()
            await asyncio.wait([running])
            await self._say({**Frames(identity).completed(End(0, None, None, "")), "finish_reason": "cancelled"})

    async def _say(self, frame: Frame) -> None:
        await self.send(text_data=encode(frame))


def _key_of(scope: dict[str, Any]) -> dict[str, str]:
    """The headers of the handshake that may hold a key."""
    given = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"])
    return {name: value for name, value in given if name in streams.KEY_HEADERS}
