"""A provider that streams over time: `python -m benchmarks.stream_mock --port N --events 200 --gap 0.02`.

Each event carries its number and the moment it was sent (the system's monotonic clock, nanoseconds), so that whoever
reads it on this machine knows how long it was on its way. Streams are spread over the gap, so that events do not all
fall on one moment. Written for this alone: it answers any POST with a stream and does not look at the request.
"""

import argparse
import asyncio
import signal
import time
from typing import cast

from benchmarks.payloads import event, stream_end
from llm.gateway.server import run

PHASES = 20
"""Groups of streams; the groups' events are evenly spread over one gap."""
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
BEFORE, AFTER = event("@").split(b"@")


class Stream(asyncio.Protocol):
    """One connection; one stream after another."""

    def __init__(self, mock: "StreamMock") -> None:
        self._mock = mock
        self._came = b""
        self.number = 0
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._came += data
        head, ended, body = self._came.partition(b"\r\n\r\n")
        if not ended:
            return
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if len(body) < int(fields.get(b"content-length", b"0")):
            return
        self._came = b""
        self.number = 0
        self.transport.write(HEAD)
        self._mock.join(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._mock.leave(self)


class StreamMock:
    """All streams under way."""

    def __init__(self, events: int, gap: float) -> None:
        self._events = events
        self._gap = gap
        self._groups: list[set[Stream]] = [set() for _ in range(PHASES)]
        self._joined = 0

    def join(self, stream: Stream) -> None:
        self._groups[self._joined % PHASES].add(stream)
        self._joined += 1

    def leave(self, stream: Stream) -> None:
        for group in self._groups:
            group.discard(stream)

    async def play(self) -> None:
        """Send each group's next events when they are due. Late rounds are not caught up by a burst."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            for group in self._groups:
                due = max(due + self._gap / PHASES, loop.time() - self._gap)
                await asyncio.sleep(max(0.0, due - loop.time()))
                for stream in list(group):
                    self._send(stream, group)

    def _send(self, stream: Stream, group: set[Stream]) -> None:
        if stream.number < self._events:
            block = b"%b%d %d %b" % (BEFORE, stream.number, time.monotonic_ns(), AFTER)
            stream.transport.write(b"%x\r\n%b\r\n" % (len(block), block))
            stream.number += 1
        else:
            group.discard(stream)
            block = stream_end()
            stream.transport.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(block), block))


async def _serve(port: int, events: int, gap: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    mock = StreamMock(events, gap)
    server = await loop.create_server(lambda: Stream(mock), "127.0.0.1", port, backlog=4096)
    playing = loop.create_task(mock.play())
    await stop.wait()
    playing.cancel()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--gap", type=float, default=0.02, help="seconds between two events of a stream")
    given = parser.parse_args()
    run(_serve(given.port, given.events, given.gap))
