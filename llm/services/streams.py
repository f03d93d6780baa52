"""Model calls and streams as the control plane has them: over HTTP at the gateway's port, like any client.

`complete` starts a call, `follow` reads one that anybody started, `cancel` ends one. All three show the key of whoever
asks, so rights, limits, ownership and the journal are the gateway's alone, and which of its workers holds a stream is
its own business. Nothing here retries a call. Bounds: MAX_OPEN streams at once in this process, one event of
`sse.MAX_EVENT_BYTES` in memory for each; who reads slowly makes the gateway wait. Leaving a `complete` early does not
cancel the call: the gateway goes on for its grace time, so that it can be resumed. Next file: `core/following.py`.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
from django.conf import settings

from llm.core import sse, stream_wire
from llm.core.errors import LlmError, ProviderBroken, Unavailable
from llm.core.following import End, Following, Said, StreamError, StreamFailed, beyond, error_of, forgotten
from llm.core.gathering import Answer
from llm.core.operations import chat

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 60.0
"""Beyond REQUEST_TIMEOUT_SECONDS: the gateway says something much more often."""
WAIT_SECONDS = 60.0
"""How long `follow` waits for a stream that has not begun."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
MAX_OPEN = 2_000
MAX_REFUSAL_BYTES = 64 * 1024
HANG_UP = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
"""Leaving a stream resets its connection: half-closed it would look like a client that still reads."""
KEY_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
"""Where a client's key may stand: passed on as it came."""

Key = Mapping[str, str]
"""Headers that say who asks; empty: nobody in particular."""
_open = 0


async def complete(body: bytes, request_id: str, key: Key) -> AsyncGenerator[Said | End, None]:
    """Send one streamed chat request; what its events say, then its end.

    Raises LlmError: what the gateway refuses, and a stream that breaks off. An error inside the stream is `Said`.
    """
    headers = {**key, "content-type": "application/json", "x-request-id": request_id}
    headers |= {stream_wire.EVENT_IDS: "1", stream_wire.SETTLED: "1"}
    async with _client() as client, _asked(client, "POST", chat.path, headers, body) as response:
        if response.status_code != 200:
            raise await _refusal(response)
        async for step in _steps(response, Following(chat.name)):
            yield step


async def answer(body: bytes, request_id: str, key: Key) -> Answer:
    """The same put together again. Raises LlmError, also for an error inside the stream."""
    whole = Answer()
    async with contextlib.aclosing(complete(body, request_id, key)) as steps:
        async for step in steps:
            whole.add(step)
    return whole


async def follow(
    request_id: str, key: Key, after: int = 0, wait: float = WAIT_SECONDS
) -> AsyncGenerator[Said | End, None]:
    """What the events behind number `after` say, to the stream's end; one that has not begun is waited for.

    Events are read from the oldest on, because some mean nothing without those before them. Raises LlmError: no such
    stream (for who asks), events no longer held, `after` beyond the end, a stream that breaks off.
    """
    path = f"{stream_wire.PATH}{quote(request_id, safe='')}?after={stream_wire.OLDEST}&settled=1"
    async with _client() as client:
        deadline, pause = time.monotonic() + wait, SHORTEST_PAUSE
        while True:
            async with _asked(client, "GET", path, key) as response:
                if response.status_code == 200:
                    async for step in _behind(response, after):
                        yield step
                    return
                error = await _refusal(response)
            if error.status not in (404, 503) or time.monotonic() + pause > deadline:
                raise error
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)


async def cancel(request_id: str, key: Key) -> bool:
    """End a stream before its time; False: the gateway holds none of that id (for who asks). Raises LlmError."""
    async with (
        _client() as client,
        _asked(client, "DELETE", f"{stream_wire.PATH}{quote(request_id, safe='')}", key) as reply,
    ):
        if reply.status_code == 204:
            return True
        error = await _refusal(reply)
        if error.status == 404:
            return False
        raise error


async def _behind(response: httpx.Response, after: int) -> AsyncIterator[Said | End]:
    first = int(response.headers.get(stream_wire.FIRST, "1"))
    if after < first - 1:
        raise forgotten(after, first)
    following = Following(response.headers.get(stream_wire.OPERATION, ""), first)
    async for step in _steps(response, following):
        if isinstance(step, End) and step.number < after:
            raise beyond(after, step.number)
        if isinstance(step, End) or step.number > after:
            yield step


async def _steps(response: httpx.Response, following: Following) -> AsyncIterator[Said | End]:
    cutter, settled = sse.EventCutter(), None
    try:
        async for part in response.aiter_raw():
            for event, data in sse.events(cutter.feed(part)):
                if not data:
                    continue
                found = stream_wire.read_settled(event)
                if found is not None:
                    settled = found
                    continue
                number = stream_wire.number_of(event)
                said = following.read(following.number + 1 if number is None else number, event)
                if said is not None:
                    yield said
        yield following.end(settled)
    except httpx.HTTPError as problem:
        raise _broken_off(following.number, problem) from problem
    except (ProviderBroken, msgspec.DecodeError) as problem:
        raise StreamFailed(StreamError(f"The gateway's answer is no stream: {problem}")) from problem


@asynccontextmanager
async def _client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of its own: streams last, and an event loop may end before the next call. Raises Unavailable."""
    global _open
    if _open >= MAX_OPEN:
        raise Unavailable(f"{MAX_OPEN} streams are open here, which is the most; try again shortly.", 1)
    _open += 1
    try:
        silence = settings.REQUEST_TIMEOUT_SECONDS + SILENCE_SECONDS
        timeout = httpx.Timeout(silence, connect=CONNECT_SECONDS)
        # The gateway is ours, so proxies of the environment do not apply.
        way = httpx.AsyncHTTPTransport(verify=_certificates(), trust_env=False, socket_options=[HANG_UP])
        async with httpx.AsyncClient(transport=way, timeout=timeout, trust_env=False) as client:
            yield client
    finally:
        _open -= 1


@asynccontextmanager
async def _asked(
    client: httpx.AsyncClient, method: str, path: str, headers: Key, body: bytes | None = None
) -> AsyncIterator[httpx.Response]:
    """The head of the answer. Raises Unavailable when the gateway cannot be reached."""
    request = client.build_request(method, settings.GATEWAY_URL.rstrip("/") + path, headers=dict(headers), content=body)
    try:
        response = await client.send(request, stream=True)
    except httpx.HTTPError as problem:
        reason = str(problem) or type(problem).__name__
        raise Unavailable(f"The gateway does not answer: {reason}. Try again shortly.", 1) from problem
    try:
        yield response
    finally:
        await response.aclose()


async def _refusal(response: httpx.Response) -> LlmError:
    """The gateway's error as ours."""
    body = bytearray()
    with contextlib.suppress(httpx.HTTPError):  # the status says enough
        async for part in response.aiter_raw():
            body += part
            if len(body) > MAX_REFUSAL_BYTES:
                break
    document: Any = None
    with contextlib.suppress(msgspec.DecodeError, UnicodeError, RecursionError):
        document = msgspec.json.decode(body)
    error = error_of(document) if isinstance(document, dict) else None
    told = error or StreamError(f"The gateway answered with status {response.status_code} and no reason.")
    failed = StreamFailed(told, response.status_code)
    given = response.headers.get("retry-after", "")
    failed.retry_after = float(given) if given.isdigit() else None
    return failed


def _broken_off(number: int, problem: httpx.HTTPError) -> StreamFailed:
    reason = str(problem) or type(problem).__name__
    told = f"The connection to the gateway broke behind event {number} ({reason}). Resume with after={number}."
    return StreamFailed(StreamError(told, code="stream_cut"), 502)


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    """Loading them takes tens of milliseconds, so once."""
    return ssl.create_default_context()
