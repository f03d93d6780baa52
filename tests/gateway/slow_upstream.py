"""A provider process for ten thousand calls at once: each is answered after some seconds, and what it finished is told.

`python -m tests.gateway.slow_upstream FILE SHORTEST LONGEST` prints its port and appends to FILE, one a line, the `user`
of each call whose whole answer it has handed to the system. Not our own server: the two must not share a mistake.
"""

import asyncio
import random
import re
import resource
import sys
from pathlib import Path

REPLY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-4","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"Hello!"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,'
    b'"completion_tokens":12,"total_tokens":21}}'
)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(REPLY), REPLY)
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
USER = re.compile(rb'"user": ?"([^"]+)"')


class Caller(asyncio.Protocol):
    """One connection, one call at a time."""

    def __init__(self, finished: "Finished") -> None:
        self.finished = finished
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        end = self.data.find(b"\r\n\r\n")
        if end < 0:
            return
        length = LENGTH.search(self.data)
        assert length is not None
        if len(self.data) >= end + 4 + int(length[1]):
            user = USER.search(self.data)
            assert user is not None
            self.data = b""
            loop = asyncio.get_running_loop()
            loop.call_later(random.uniform(*self.finished.seconds), self.answer, user[1])

    def answer(self, user: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(ANSWER)  # type: ignore[attr-defined]
            self.finished.file.write(user + b"\n")


class Finished:
    """Where finished calls are told."""

    def __init__(self, path: str, shortest: str, longest: str) -> None:
        self.file = Path(path).open("ab", buffering=0)  # noqa: SIM115 - held to the end
        self.seconds = (float(shortest), float(longest))


async def main() -> None:
    finished = Finished(*sys.argv[1:])
    server = await asyncio.get_running_loop().create_server(lambda: Caller(finished), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - who started us waits for it
    await asyncio.Event().wait()


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(main())
