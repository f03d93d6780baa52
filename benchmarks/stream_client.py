"""Opens many streams at once and notes when each piece came; what the pieces say is looked at afterwards.

`open_streams` runs in a process of its own (`python -m benchmarks.stream_client`), so that looking at one run's bytes
never slows the next; it prints one JSON line. Every event of every stream is held against its number.
"""

import argparse
import asyncio
import json
import re
import time
from typing import Any, cast

from benchmarks.payloads import KEY, STREAM_REQUEST, stream_end
from llm.gateway.server import run

GIVE_UP_SECONDS = 60.0
TEXT = re.compile(rb'"content":"(\d+) (\d+) "')


class Client(asyncio.Protocol):
    """One stream."""

    def __init__(self, message: bytes) -> None:
        self._message = message
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.pieces: list[tuple[int, bytes]] = []
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        self.pieces.append((time.monotonic_ns(), data))
        if data.endswith(b"0\r\n\r\n") and not self.ended.done():
            self.ended.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


async def open_streams(port: int, count: int, wait: bool = True) -> list[Client]:
    """Open `count` streams over about a second; with `wait`, until all have ended."""
    body = json.dumps(STREAM_REQUEST).encode()
    message = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(count):
        _, client = await loop.create_connection(lambda: Client(message), "127.0.0.1", port)
        clients.append(client)
        await asyncio.sleep(1 / count)
    if wait:
        await asyncio.wait([client.ended for client in clients], timeout=GIVE_UP_SECONDS)
        for client in clients:
            client.transport.close()
    return clients


def examine(clients: list[Client], events: int) -> dict[str, Any]:
    """Milliseconds on the way of every event, the longest pause of any stream, and what was wrong."""
    delays: list[float] = []
    wrong: list[str] = []
    pause = 0.0
    for client in clients:
        numbers, last, rest = [], 0, b""
        for at, piece in client.pieces:
            found = 0
            for text in TEXT.finditer(rest + piece):
                numbers.append(int(text[1]))
                delays.append((at - int(text[2])) / 1e6)
                found = text.end()
                if last:
                    pause = max(pause, (at - last) / 1e6)
                last = at
            rest = (rest + piece)[found:]
        whole = b"".join(piece for _, piece in client.pieces)
        if not whole.startswith(b"HTTP/1.1 200"):
            wrong.append(f"no stream: {whole[:200]!r}")
        elif numbers != list(range(events)):
            wrong.append(f"{len(numbers)} events, not {events} in order")
        elif not _unchunked(whole).endswith(stream_end()):
            wrong.append(f"a wrong end: {whole[-200:]!r}")
    delays.sort()
    shown = {name: round(delays[min(len(delays) - 1, int(len(delays) * part))], 2) for name, part in PARTS.items()}
    return {"events": len(delays), "delay_ms": shown, "longest_pause_ms": round(pause, 2), "wrong": wrong[:3]}


PARTS = {"p50": 0.5, "p99": 0.99, "max": 1.0}


def _unchunked(whole: bytes) -> bytes:
    rest = whole.partition(b"\r\n\r\n")[2]
    parts = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        parts.append(rest[:length])
        rest = rest[length + 2 :]
    return b"".join(parts)


async def _play(port: int, count: int, events: int) -> None:
    print(json.dumps(examine(await open_streams(port, count), events)), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--streams", type=int, required=True)
    parser.add_argument("--events", type=int, required=True)
    given = parser.parse_args()
    run(_play(given.port, given.streams, given.events))
