"""A provider that speaks HTTP/2 only, by hand over h2, for one kind of answer: text in parts, when the test says so."""

import asyncio
import ssl
from types import TracebackType
from typing import Self

import h2.config
import h2.connection
import h2.events


class Http2Provider:
    """Use as an async context manager. Answers `parts`, one DATA frame each as the client's window allows."""

    def __init__(self, tls: ssl.SSLContext, parts: list[bytes], content_type: bytes = b"application/json") -> None:
        self.parts = parts
        self.content_type = content_type
        self.requests: list[tuple[dict[bytes, bytes], bytes]] = []
        self.connections = 0
        self.sent = 0
        self.closed = 0
        self.hanging = False
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        speaker = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        speaker.initiate_connection()
        writer.write(speaker.data_to_send())
        headers: dict[int, dict[bytes, bytes]] = {}
        bodies: dict[int, bytes] = {}
        try:
            while data := await reader.read(65_536):
                for event in speaker.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        headers[event.stream_id], bodies[event.stream_id] = dict(event.headers), b""
                    elif isinstance(event, h2.events.DataReceived):
                        bodies[event.stream_id] += event.data
                        speaker.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    elif isinstance(event, h2.events.StreamEnded):
                        self.requests.append((headers[event.stream_id], bodies[event.stream_id]))
                        if not self.hanging:
                            task = asyncio.create_task(self._answer(speaker, writer, event.stream_id))
                            self._tasks.add(task)
                            task.add_done_callback(self._tasks.discard)
                writer.write(speaker.data_to_send())
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self.closed += 1
            writer.close()

    async def _answer(self, speaker: h2.connection.H2Connection, writer: asyncio.StreamWriter, stream: int) -> None:
        speaker.send_headers(stream, [(b":status", b"200"), (b"content-type", self.content_type)])
        for part in self.parts:
            while speaker.local_flow_control_window(stream) < len(part):
                await asyncio.sleep(0.005)
            speaker.send_data(stream, part)
            self.sent += len(part)
            writer.write(speaker.data_to_send())
            await writer.drain()
        speaker.end_stream(stream)
        writer.write(speaker.data_to_send())
