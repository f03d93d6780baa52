"""A forward proxy written for the tests: CONNECT tunnels and plain absolute-form requests, all led to one address."""

import asyncio
from types import TracebackType
from typing import Self


class ForwardProxy:
    """Use as an async context manager. Whatever name is asked for, it connects to 127.0.0.1 at the port asked for."""

    def __init__(self, refusal: bytes = b"") -> None:
        self.asked: list[str] = []
        """The request lines that came."""
        self.heads: list[bytes] = []
        self.refusal = refusal

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://user:pass@127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            line, _, rest = head.partition(b"\r\n")
            method, target, _ = line.decode().split(" ")
            self.asked.append(f"{method} {target}")
            self.heads.append(head)
            if self.refusal:
                writer.write(self.refusal)
                return
            if method == "CONNECT":
                inner, outer = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                address, _, path = target.removeprefix("http://").partition("/")
                inner, outer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
                outer.write(f"{method} /{path} HTTP/1.1\r\n".encode() + rest)
            await asyncio.gather(_copy(reader, outer), _copy(inner, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    finally:
        target.close()
