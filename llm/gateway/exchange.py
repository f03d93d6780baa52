"""One HTTP request and its answer, as a handler sees them: the seam between the doors and what they serve.

A door (`server.py` natively, any ASGI server later) reads a complete request, makes an `Exchange` and calls
`handler(exchange)`, a plain function that returns at once. The answer follows then or later, from the event loop:
either `respond` once, or `start`, any number of `write`s, and `end`. After the client has gone every one of these is
a no-op, so a handler needs no check before each write; `on_disconnect` tells it to stop working. `write` never
blocks: when the client reads slowly `on_pause` is called, and `on_resume` when it has caught up; what is written in
between is kept, so a handler that ignores `on_pause` can fill memory. Not promised: trailers, upgrades, streamed
request bodies.
"""

from collections.abc import Callable
from typing import Protocol

Headers = list[tuple[bytes, bytes]]
"""Names in lower case. Values must hold no CR or LF: whoever puts foreign text there cleans it first."""
HeaderLines = bytes
"""The same as it stands on the wire, each line with its CRLF: for heads that are mostly known in advance."""


class Sink(Protocol):
    """Where a door's answers go. Implemented by each door, used by nobody else."""

    def send_whole(self, exchange: "Exchange", status: int, headers: Headers | HeaderLines, body: bytes) -> None: ...

    def send_head(self, exchange: "Exchange", status: int, headers: Headers | HeaderLines) -> None: ...

    def send_part(self, exchange: "Exchange", data: bytes) -> None: ...

    def send_end(self, exchange: "Exchange") -> None: ...

    def cut(self, exchange: "Exchange") -> None: ...


class Exchange:
    """One request and the way to answer it. The request's fields are complete and never change."""

    client = ""
    """The peer's address, or "" where the door does not know it."""
    version = "1.1"
    keep_alive = True
    """Whether the door may serve another request on this connection."""
    received_at = 0
    """`time.perf_counter_ns()` when the last byte of the request had come."""
    length: int | None = None
    """How long `start` said the body will be; None: not known, so it is sent in chunks."""
    extra_headers: Headers | None = None
    """Added to the answer, whoever writes it (CORS)."""
    started = False
    ended = False
    gone = False
    """True once the client has hung up."""
    on_disconnect: Callable[[], None] | None = None
    on_pause: Callable[[], None] | None = None
    on_resume: Callable[[], None] | None = None

    def __init__(
        self,
        sink: Sink,
        method: str,
        path: bytes,
        query: bytes,
        headers: Headers,
        body: bytes,
        fields: dict[bytes, bytes] | None = None,
    ) -> None:
        self.sink = sink
        self.method = method
        self.path = path
        """As sent, percent-escapes untouched, without the query."""
        self.query = query
        self.headers = headers
        self.fields = dict(headers) if fields is None else fields
        """The same by name; of several alike the last."""
        self.body = body

    def header(self, name: bytes) -> bytes | None:
        """The value of a header (`name` in lower case), or None."""
        return self.fields.get(name)

    def respond(self, status: int, headers: Headers | HeaderLines, body: bytes = b"") -> None:
        """Send a whole answer. `content-length` is added."""
        if self._open_to_start():
            self.started = self.ended = True
            self.sink.send_whole(self, status, self._with_extra(headers) if self.extra_headers else headers, body)

    def start(self, status: int, headers: Headers | HeaderLines, length: int | None = None) -> None:
        """Send the head of an answer that comes in parts. With `length`, exactly so many bytes must be written."""
        if self._open_to_start():
            self.started = True
            self.length = length
            self.sink.send_head(self, status, self._with_extra(headers) if self.extra_headers else headers)

    def write(self, data: bytes) -> None:
        """Send a part of the body, after `start`."""
        if self.gone or not data:
            return
        if not self.started or self.ended:
            raise RuntimeError("Exchange.write belongs between start and end.")
        self.sink.send_part(self, data)

    def end(self) -> None:
        """The body is complete."""
        if self.gone:
            return
        if not self.started or self.ended:
            raise RuntimeError("Exchange.end follows start, once.")
        self.ended = True
        self.sink.send_end(self)

    def abort(self) -> None:
        """Break the connection, so that the client sees that the answer is not whole."""
        if not self.gone and not self.ended:
            self.ended = True
            self.sink.cut(self)

    def disconnect(self) -> None:
        """For doors: the client has gone."""
        if not self.gone:
            self.gone = True
            if self.on_disconnect is not None and not self.ended:
                self.on_disconnect()

    def _with_extra(self, headers: Headers | HeaderLines) -> Headers | HeaderLines:
        extra = self.extra_headers or []
        return headers + lines(extra) if isinstance(headers, bytes) else headers + extra

    def _open_to_start(self) -> bool:
        if self.gone:
            return False
        if self.started:
            raise RuntimeError("This exchange has been answered already.")
        return True


def lines(headers: Headers) -> HeaderLines:
    """Headers as they stand on the wire."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def read_lines(given: HeaderLines) -> Headers:
    """The way back, for doors that want them one by one."""
    pairs = [line.partition(b": ") for line in given.split(b"\r\n") if line]
    return [(name, value) for name, _, value in pairs]


Handler = Callable[[Exchange], None]
