"""From bytes to requests: llhttp's callbacks for one client connection, with every bound of `Limits` on the way.

`feed` takes what the socket gave; each complete request is put into a queue, in order. Whatever is wrong with the
input ends in a `Refusal` naming status and reason, after which the reader must not be fed again. llhttp stays strict;
what it lets pass and a proxy must not (HTTP/0.9 and 2.0 request lines, codings before `chunked`, chunked in HTTP/1.0,
several hosts) is refused here. An offer to upgrade (`h2c` from Java, say) is declined by reading the request once
more without the offer. A head that was parsed before, byte for byte, is not parsed again (`KnownHeads`).
"""

import time
from collections import deque
from typing import TYPE_CHECKING, Final

import httptools

from llm.gateway.exchange import Exchange, Headers, Sink

if TYPE_CHECKING:
    from llm.gateway.http_limits import Limits

READ_AHEAD = 262_144
"""The most an event loop hands over at once; a head may be followed by this much in the same call."""
NOTABLE = frozenset({b"transfer-encoding", b"expect"})
UPGRADING = frozenset({b"upgrade", b"http2-settings"})
HOP_HEADERS = UPGRADING | {b"connection"}


class Refusal(Exception):
    """The door itself answers this request with `status`, and closes the connection."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class KnownHeads:
    """Plain heads of this process's latest requests, by their bytes: clients send the same ones again and again.

    Equal bytes have one reading, so what llhttp made of them holds. Only heads after which nothing special follows are
    kept: HTTP/1.1, keep-alive, a length or no body, no expectation, no coding. When full, all are forgotten.
    """

    __slots__ = ("found",)
    MOST: Final = 1_024
    LONGEST: Final = 2_048

    def __init__(self) -> None:
        self.found: dict[bytes, tuple[int, str, bytes, bytes, Headers, dict[bytes, bytes]]] = {}
        """Length of the body; method, path, query, headers, fields."""

    def keep(self, head: bytes, length: int, exchange: Exchange) -> None:
        if len(self.found) >= self.MOST:
            self.found.clear()
        self.found[head] = (length, exchange.method, exchange.path, exchange.query, exchange.headers, exchange.fields)


class RequestReader:
    """The parse state of one connection. Complete requests are put into `ready`, in order."""

    client = ""
    """The peer's address, for the exchanges."""

    def __init__(
        self, limits: "Limits", sink: Sink, ready: deque[Exchange | Refusal], known: KnownHeads | None = None
    ) -> None:
        self._limits = limits
        self._known = known or KnownHeads()
        self._last = False
        """The client said that its present request is the last: what follows is llhttp's to refuse."""
        self._sink = sink
        self._ready = ready
        self._parser = httptools.HttpRequestParser(self)
        self._upgrading = False
        self.count = 0
        """Requests begun."""
        self.held = 0
        """Bytes of request bodies read; whoever has answered a request takes its own off."""
        self.in_message = self.in_body = False
        self.expects_continue = False
        """The client waits for `100 Continue` before it sends the body."""
        self._fresh = self._fed = self._seen = self._body_size = 0
        self._url = b""
        self._version = ""
        self._headers: Headers = []
        self._head: Headers = []
        self._fields: dict[bytes, bytes] = {}
        self._body: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Raises Refusal."""
        begins = not self.in_message
        if begins:
            end = data.find(b"\r\n\r\n") + 4
            known = self._known.found.get(data[:end])
            if known is not None and len(data) - end == known[0] and not self._last:
                self._take_known(data[end:], known)
                return
        self._fresh = len(data)
        before = self.count
        offered = -1  # where the rest begins, behind a head that offers an upgrade
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            offered = upgrade.args[0]
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, Refusal):
                raise error.__context__ from None
            raise
        except httptools.HttpParserError as error:
            raise Refusal(400, f"This is not a valid HTTP/1.1 request: {error}.") from None
        if offered >= 0:  # not above: an error in there would get the upgrade as its context, and hide the refusal
            self._decline_upgrade(data[offered:])
        if self.in_message:
            self._bound_what_is_no_progress()
        elif begins and self.count == before + 1 and end <= KnownHeads.LONGEST:
            self._keep_head(data, end)

    def _take_known(self, body: bytes, known: tuple[int, str, bytes, bytes, Headers, dict[bytes, bytes]]) -> None:
        """A whole request whose head has been read before."""
        self.count += 1
        self.held += len(body)
        _, method, path, query, headers, fields = known
        exchange = Exchange(self._sink, method, path, query, headers, body, fields)
        exchange.received_at = time.perf_counter_ns()
        exchange.client = self.client
        self._ready.append(exchange)

    def _keep_head(self, data: bytes, end: int) -> None:
        """`data` was exactly one request: remember its head, if it is a plain one."""
        exchange = self._ready[-1] if self._ready else None
        if not isinstance(exchange, Exchange) or exchange.version != "1.1" or not exchange.keep_alive:
            return
        fields = exchange.fields
        if not NOTABLE.isdisjoint(fields) or not UPGRADING.isdisjoint(fields) or len(fields) != len(exchange.headers):
            return
        if len(data) - end == len(exchange.body) and data[:1].isalpha():
            self._known.keep(data[:end], len(exchange.body), exchange)

    def forget(self) -> None:
        """Drop what is half read: it will not be read on."""
        self._body = []

    # --- llhttp calls these -------------------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        self.count += 1
        self.in_message = True
        self.in_body = False
        self._fed = 0
        self._url = b""
        self._headers = []

    def on_url(self, part: bytes) -> None:
        self._url += part
        if len(self._url) > self._limits.target_bytes:
            raise Refusal(414, f"The request target is longer than {self._limits.target_bytes} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.in_body = True
        self._head = headers = self._headers
        self._headers = []  # what comes now are trailers, which go nowhere
        self._fields = fields = dict(headers)
        limits = self._limits
        if len(headers) > limits.header_count or self._fed + self._fresh > limits.head_bytes:
            self._check_size(headers)
        self._fed = 0
        self._version = self._parser.get_http_version()
        if self._parser.should_upgrade():
            self._upgrading = True
        elif self._version != "1.1" or fields.keys() & NOTABLE or len(fields) < len(headers) or b"host" not in fields:
            self._check_head(fields)
        if int(fields.get(b"content-length", 0)) > limits.body_bytes:
            raise Refusal(413, f"The request body is larger than {limits.body_bytes} bytes.")

    def on_body(self, part: bytes) -> None:
        self._body_size += len(part)
        self.held += len(part)
        self._body.append(part)
        if self._body_size > self._limits.body_bytes:
            raise Refusal(413, f"The request body is larger than {self._limits.body_bytes} bytes.")

    def on_message_complete(self) -> None:
        if self._upgrading:
            return
        self.in_message = self.in_body = self.expects_continue = False
        parts = self._body
        if parts:
            body = parts[0] if len(parts) == 1 else b"".join(parts)
            self._body = []
            self._body_size = 0
        else:
            body = b""
        method = self._parser.get_method().decode("ascii")
        path, _, query = self._url.partition(b"?")
        if not path.startswith(b"/"):
            path = _origin_form(method, path)
        exchange = Exchange(self._sink, method, path, query, self._head, body, self._fields)
        exchange.received_at = time.perf_counter_ns()
        exchange.client = self.client
        if self._version != "1.1":
            exchange.version = self._version
        if not self._parser.should_keep_alive():
            exchange.keep_alive = False
            self._last = True
        self._ready.append(exchange)

    # --- checks -------------------------------------------------------------------------------------------------------
    def _check_size(self, headers: Headers) -> None:
        size = sum(len(name) + len(value) + 4 for name, value in headers)
        if size > self._limits.head_bytes or len(headers) > self._limits.header_count:
            raise Refusal(431, "The request has too many headers, or too large ones.")

    def _check_head(self, fields: dict[bytes, bytes]) -> None:
        """What is rare, and what a proxy must not let pass though llhttp does."""
        if self._version not in ("1.1", "1.0"):
            raise Refusal(505, f"HTTP/{self._version} is not spoken here; use HTTP/1.1.")
        hosts = sum(name == b"host" for name, _ in self._head)
        if hosts > 1 or (hosts == 0 and self._version == "1.1"):
            raise Refusal(400, "A request needs exactly one Host header.")
        coding, expected = fields.get(b"transfer-encoding"), fields.get(b"expect")
        if coding is not None:
            self._check_coding(coding)
        if expected is not None:
            if expected.lower() != b"100-continue":
                raise Refusal(417, "The only expectation met here is 100-continue.")
            self.expects_continue = self._version == "1.1"

    def _bound_what_is_no_progress(self) -> None:
        """A head without end, and within a body chunk extensions or trailers without end, must stop somewhere."""
        if self._body_size != self._seen:
            self._seen = self._body_size
            self._fed = 0
        self._fed += self._fresh
        if self._fed > self._limits.head_bytes + READ_AHEAD:
            raise Refusal(431, "The request's head is too large.")

    def _check_coding(self, value: bytes) -> None:
        if self._version == "1.0":
            raise Refusal(400, "Transfer-Encoding does not exist in HTTP/1.0.")
        if sum(name == b"transfer-encoding" for name, _ in self._head) > 1:
            raise Refusal(400, "A request may name its transfer coding once.")
        if value.strip().lower() != b"chunked":
            raise Refusal(501, "The only transfer coding understood here is `chunked`.")

    def _decline_upgrade(self, rest: bytes) -> None:
        method = self._parser.get_method()
        if method == b"CONNECT":
            raise Refusal(405, "This is not a forward proxy: CONNECT is refused.")
        head = [b"%b %b HTTP/%b" % (method, self._url, self._version.encode())]
        head += [b"%b: %b" % header for header in self._head if header[0] not in HOP_HEADERS]
        if any(name == b"connection" and b"close" in value.lower() for name, value in self._head):
            head.append(b"connection: close")
        self._upgrading = False
        self._parser = httptools.HttpRequestParser(self)
        self.feed(b"\r\n".join(head) + b"\r\n\r\n" + rest)


def _origin_form(method: str, target: bytes) -> bytes:
    """The path of a target in absolute form, which servers must accept. Raises Refusal for any other form."""
    if method == "OPTIONS" and target == b"*":
        return target
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise Refusal(400, "The request target must be a path or an http URL.")
    return b"/" + rest.partition(b"/")[2]
