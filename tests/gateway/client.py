"""A client that says exactly what a test wants on the wire, and shows exactly what came back."""

import asyncio
import json
from typing import Any

CHAT = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hi"}]}


class Answer:
    """One HTTP answer, body unchunked."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = self.json["error"]
        return error


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int, limit: int = 2**26) -> "Client":
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=limit))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, method: str = "POST") -> Answer:
        """Read the next answer; interim ones are passed over."""
        while True:
            head = (await self._read(self.reader.readuntil(b"\r\n\r\n"))).decode("latin-1")
            line, *lines = head.split("\r\n")
            status = int(line.split(" ")[1])
            if status >= 200:
                break
        headers = {k.lower(): v for k, v in (one.split(": ", 1) for one in lines if one)}
        if method == "HEAD" or status in (204, 304):
            return Answer(status, headers, b"")
        if "content-length" in headers:
            return Answer(status, headers, await self._read(self.reader.readexactly(int(headers["content-length"]))))
        if headers.get("transfer-encoding") == "chunked":
            return Answer(status, headers, b"".join([part async for part in self.chunks()]))
        return Answer(status, headers, await self._read(self.reader.read()))

    async def head(self) -> tuple[int, dict[str, str]]:
        """Only the head, for a stream read with `chunks`."""
        line, *lines = (await self._read(self.reader.readuntil(b"\r\n\r\n"))).decode("latin-1").split("\r\n")
        return int(line.split(" ")[1]), {k.lower(): v for k, v in (one.split(": ", 1) for one in lines if one)}

    async def chunks(self):  # type: ignore[no-untyped-def]
        while True:
            size = int(await self._read(self.reader.readuntil(b"\r\n")), 16)
            data = await self._read(self.reader.readexactly(size + 2))
            if size == 0:
                return
            yield data[:-2]

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        return await self._read(self.reader.read())

    def close(self) -> None:
        self.writer.transport.abort()

    async def _read(self, reading: Any, seconds: float = 10.0) -> bytes:
        data: bytes = await asyncio.wait_for(reading, seconds)
        return data


def post(body: Any = CHAT, path: str = "/v1/chat/completions", **headers: str) -> bytes:
    """The bytes of a POST; `headers` with _ for -."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n{lines}\r\n".encode() + data


def get(path: str, method: str = "GET", **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\nHost: gateway\r\n{lines}\r\n".encode()


async def ask(port: int, request: bytes, method: str = "POST") -> Answer:
    """One request on a connection of its own."""
    client = await Client.connect(port)
    client.send(request)
    try:
        return await client.answer(method)
    finally:
        client.close()
