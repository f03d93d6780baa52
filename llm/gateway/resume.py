"""`GET /v1/streams/{request_id}?after=N`: read a stream again, or on, from any event still held. `DELETE` cancels it.

The answer is an event stream in which each event carries its number as its `id`; a live stream is followed to its
end. `Last-Event-ID`, which browsers send on their own when they reconnect, wins over `after`. 204 when there is
nothing more and never will be (it tells a browser to stop), 400 for a number that is none, 404 for a stream nobody
holds, 410 for events no longer held. A reader too slow for the bounds gets an error event that names the place to
resume from. `after=oldest` begins with the oldest event held; `settled=1` adds what the stream came to
(`core/stream_wire.py`). Another worker may hold the stream: `siblings.py` asks them. Next file: `replay.py`.
"""

import asyncio
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec

from llm.core import sse, stream_wire
from llm.core.errors import InvalidRequest, LlmError, MethodNotAllowed, NotFound
from llm.core.errors import body as error_body
from llm.gateway.call import refuse
from llm.gateway.exchange import Exchange
from llm.gateway.gateway import Gateway
from llm.gateway.ids import new_id, request_id
from llm.gateway.replay import Cursor, Replay
from llm.gateway.siblings import STARTED, Siblings

PREFIX = b"/v1/streams/"
MAX_DIGITS = 15
HEAD = (
    b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"
    b"x-request-id: %b\r\n"
    + STARTED
    + b": %d\r\n"
    + stream_wire.OPERATION.encode()
    + b": %b\r\n"
    + stream_wire.FIRST.encode()
    + b": %d\r\n"
)
METHODS = ("GET", "HEAD", "DELETE")


def resume(exchange: Exchange, gateway: Gateway, siblings: Siblings | None = None) -> None:
    """Answer one request, from here or from the sibling that holds the stream. Raises LlmError."""
    if exchange.method not in METHODS:
        raise MethodNotAllowed("/v1/streams/{request_id} takes GET, and DELETE to cancel it.", "GET, HEAD, DELETE")
    place = _place(exchange)
    wanted = request_id(unquote_to_bytes(exchange.path.removeprefix(PREFIX)))
    if wanted is None:
        raise NotFound("The path must end with the request id of a stream.", "request_id", "stream_not_found")
    held = gateway.replays.find(wanted, gateway.admission.reader(exchange))  # to a stranger it is as if there were none
    if siblings is None or not siblings.any():
        _answer(exchange, gateway, wanted, held, place)
        return
    after = stream_wire.OLDEST if place.after is None else str(place.after)
    query = f"?after={after}&settled={int(place.settled)}".encode()
    siblings.ask(
        exchange,
        PREFIX + quote_from_bytes(wanted, safe="").encode() + query,
        0 if held is None else held.started_at,
        lambda: _answer_or_refuse(exchange, gateway, wanted, held, place),
    )


def _answer_or_refuse(exchange: Exchange, gateway: Gateway, wanted: bytes, held: Replay | None, place: "Place") -> None:
    try:
        _answer(exchange, gateway, wanted, held, place)
    except LlmError as error:
        gateway.metrics.count_refused(error)
        refuse(exchange, error, wanted)


def _answer(exchange: Exchange, gateway: Gateway, wanted: bytes, held: Replay | None, place: "Place") -> None:
    if held is None:
        raise NotFound(
            "No such stream is held: it never was, it has been forgotten, or it is not yours.",
            "request_id",
            "stream_not_found",
        )
    head = HEAD % (wanted, held.started_at, held.operation.encode(), held.first)
    if exchange.method == "HEAD":  # only whether it is held: what siblings ask
        exchange.respond(200, head)
        return
    if exchange.method == "DELETE":
        if held.cancel is not None:
            held.cancel()
        exchange.respond(204, head)
        return
    cursor = Cursor(held, held.first - 1 if place.after is None else place.after)
    if cursor.at_end and not place.settled:
        exchange.respond(204, head)
    else:
        reader = Reader(exchange, cursor, gateway.loop, gateway.settings.keep_alive_seconds, place.settled)
        reader.begin(head)


class Place(msgspec.Struct, frozen=True):
    """Where to begin, and whether to say at the end what the stream came to."""

    after: int | None
    """The event to go on behind; None: as early as can be."""
    settled: bool


def _place(exchange: Exchange) -> Place:
    """Raises InvalidRequest."""
    asked = [part.partition(b"=") for part in exchange.query.split(b"&")]
    given = exchange.fields.get(b"last-event-id")
    name = "Last-Event-ID"
    if not given:
        name = "after"
        values = [value for key, _, value in asked if key == b"after"]
        if len(values) > 1:
            raise InvalidRequest("`after` may be given once.", "after")
        given = values[0] if values else b"0"
    settled = (b"settled", b"=", b"1") in asked
    if name == "after" and given == stream_wire.OLDEST.encode():
        return Place(None, settled)
    if not given.isdigit() or len(given) > MAX_DIGITS:
        raise InvalidRequest(f"`{name}` must be the number of an event: 0 for the start, or the last `id` seen.", name)
    return Place(int(given), settled)


def door(exchange: Exchange, gateway: Gateway) -> None:
    """The handler behind a worker's private door: the same for its siblings, who have asked all others themselves."""
    try:
        if not exchange.path.startswith(PREFIX):
            raise NotFound("There is nothing else behind this door.")
        resume(exchange, gateway)
    except LlmError as error:
        refuse(exchange, error, new_id().encode())


class Reader:
    """One client reading one stream. It holds a place, never events; a slow client only makes it wait."""

    __slots__ = (
        "_cursor",
        "_exchange",
        "_keep_alive",
        "_loop",
        "_pending",
        "_quiet",
        "_settled",
        "_timer",
        "_waiting",
    )

    def __init__(
        self,
        exchange: Exchange,
        cursor: Cursor,
        loop: asyncio.AbstractEventLoop,
        keep_alive: float,
        settled: bool = False,
    ) -> None:
        self._settled = settled
        """What the stream came to is wanted, too."""
        self._exchange = exchange
        self._cursor = cursor
        self._loop = loop
        self._keep_alive = keep_alive
        self._waiting = False
        """The client takes nothing more for now."""
        self._pending = False
        """`_advance` is going to run."""
        self._quiet = True
        """Nothing was sent since the timer last ran."""
        self._timer = loop.call_later(keep_alive, self._comment)

    def begin(self, head: bytes) -> None:
        exchange = self._exchange
        exchange.on_pause, exchange.on_resume, exchange.on_disconnect = self._pause, self._go_on, self._leave
        self._cursor.replay.readers.append(self.wake)
        exchange.start(200, head)
        self._advance()

    def wake(self) -> None:
        """There may be more. What has come within a turn of the loop is sent in one go."""
        if not self._pending:
            self._pending = True
            self._loop.call_soon(self._advance)

    def _advance(self) -> None:
        self._pending = False
        exchange = self._exchange
        if exchange.gone or exchange.ended or self._waiting:
            return
        try:
            events = self._cursor.take()
        except LlmError as error:
            self._finish(b"data: " + error_body(error) + b"\n\n")
            return
        exchange.write(events)
        if self._cursor.at_end:
            settled = self._cursor.replay.settled
            self._finish(stream_wire.settled_event(settled) if self._settled and settled is not None else b"")
            return
        if events:
            self._quiet = False
            self.wake()  # perhaps that was not all; the client's slowness shows in between

    def _comment(self) -> None:
        if self._quiet and not self._waiting:
            self._exchange.write(sse.KEEP_ALIVE_LINE)
        self._quiet = True
        self._timer = self._loop.call_later(self._keep_alive, self._comment)

    def _finish(self, last: bytes) -> None:
        self._leave()
        self._exchange.write(last)
        self._exchange.end()

    def _leave(self) -> None:
        exchange = self._exchange
        exchange.on_pause = exchange.on_resume = exchange.on_disconnect = None
        self._timer.cancel()
        self._cursor.replay.readers.remove(self.wake)

    def _pause(self) -> None:
        self._waiting = True

    def _go_on(self) -> None:
        self._waiting = False
        self.wake()
