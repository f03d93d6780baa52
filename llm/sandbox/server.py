"""The sandbox on a socket: carries out the steps of a reply, remembers what arrived, answers repeated requests at once.

The HTTP side is the gateway's own (`llm/gateway/server.py`). A reply without pauses or breaks is sent from a bounded
cache, so that the sandbox is quick enough to stand behind a benchmark; everything else is played by one task per
request. What to answer is decided in `replies.py`.
"""

import asyncio
from itertools import chain

from llm.gateway.exchange import Exchange, Headers
from llm.sandbox.faults import HEADER
from llm.sandbox.memory import Memory
from llm.sandbox.playing import Cut, Hang, Reply, Wait
from llm.sandbox.record import Record
from llm.sandbox.replies import reply

CACHED_REPLIES = 1024
CACHED_BYTES = 64 * 1024
"""Requests or replies larger than this are not cached; so the cache holds at most 128 MiB."""
FLUSH_SECONDS = 0.02
"""Pause before a cut, so that what was written before it leaves the process."""

FAULT = HEADER.encode()
VERSION = b"anthropic-version"
GOOGLE_KEY = b"x-goog-api-key"
"""Three wires list models at `/v1/models`: who sends one of these headers asks for Anthropic's or for Gemini's."""
_Key = tuple[str, bytes, bytes, bytes, bytes, bool, bytes]


class Sandbox:
    """The handler of one sandbox process. `standing` are directives that hold for every request."""

    def __init__(self, standing: str = "") -> None:
        self.standing = standing
        self.record = Record()
        self.memory = Memory()
        self._cache: dict[_Key, Reply] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, exchange: Exchange) -> None:
        """Answer one request; see `llm/gateway/exchange.py`."""
        path = exchange.path.decode("latin-1")
        if path == "/sandbox/requests":
            self._show_record(exchange)
            return
        self.record.add(exchange.method, path, exchange.headers, exchange.body)
        answer = self._reply(exchange, path)
        if answer.remember is not None:
            self.memory.keep(*answer.remember)
        if answer.plain and not answer.streamed:
            exchange.respond(answer.status, _headers(answer), b"".join(answer.parts))
        elif answer.plain and answer.length <= CACHED_BYTES:
            exchange.start(answer.status, _headers(answer))
            for part in answer.parts:
                exchange.write(part)
            exchange.end()
        else:
            self._start_playing(exchange, answer)

    def _reply(self, exchange: Exchange, path: str) -> Reply:
        fault = exchange.fields.get(FAULT, b"")
        version = exchange.fields.get(VERSION, b"")
        google = GOOGLE_KEY in exchange.fields
        key = (exchange.method, exchange.path, exchange.query, fault, version, google, exchange.body)
        found = self._cache.get(key)
        if found is not None:
            return found
        headers = {HEADER: fault.decode("latin-1")}
        if version:
            headers["anthropic-version"] = version.decode("latin-1")
        if google:
            headers["x-goog-api-key"] = ""  # that it was sent is all that counts; the key itself goes nowhere
        if exchange.query:
            path = f"{path}?{exchange.query.decode('latin-1')}"
        made = reply(exchange.method, path, headers, exchange.body, self.standing, self.memory.recall)
        if made.cacheable and len(exchange.body) <= CACHED_BYTES and made.length <= CACHED_BYTES:
            if len(self._cache) >= CACHED_REPLIES:  # the oldest goes
                del self._cache[next(iter(self._cache))]
            self._cache[key] = made
        return made

    def _show_record(self, exchange: Exchange) -> None:
        if exchange.method == "DELETE":
            self.record.clear()
        body = self.record.listing(exchange.query.decode("latin-1"))
        exchange.respond(200, [(b"content-type", b"application/json")], body)

    def _start_playing(self, exchange: Exchange, answer: Reply) -> None:
        task = asyncio.get_running_loop().create_task(_play(exchange, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        exchange.on_disconnect = lambda: _cancel(task)


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


async def _play(exchange: Exchange, answer: Reply) -> None:
    """Send one reply step by step, no faster than the client reads."""
    flowing = asyncio.Event()
    flowing.set()
    exchange.on_pause, exchange.on_resume = flowing.clear, flowing.set
    for step in chain(answer.before(), [None], answer.steps()):
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, Hang):
            await asyncio.Event().wait()  # until the client leaves: the task is cancelled then
        elif isinstance(step, Cut):
            await asyncio.sleep(FLUSH_SECONDS)
            exchange.abort()
            return
        elif step is None:
            # A whole reply says its length, so that a cut in the middle shows as one.
            exchange.start(answer.status, _headers(answer), None if answer.streamed else answer.length)
        else:
            await flowing.wait()
            exchange.write(step)
    exchange.end()


def _headers(answer: Reply) -> Headers:
    return [(name.encode(), value.encode()) for name, value in answer.headers]
