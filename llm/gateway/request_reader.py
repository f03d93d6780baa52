"""From bytes to requests: llhttp's callbacks for one client connection, with every bound of `Limits` on the way.

`feed` takes what the socket gave; each complete request goes to `deliver` in order. Whatever is wrong with the input
ends in a `Refusal` naming status and reason, after which the reader must not be fed again. llhttp stays strict; what
it lets pass and a proxy must not (HTTP/0.9 and 2.0 request lines, codings before `chunked`, chunked in HTTP/1.0,
several hosts) is refused here. An offer to upgrade (`h2c` from Java, say) is declined by reading the request once
more without the offer.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import httptools

from llm.gateway.exchange import Headers

if TYPE_CHECKING:
    from llm.gateway.server import Limits

READ_AHEAD = 262_144
"""The most an event loop hands over at once; a head may be followed by this much in the same call."""
HOP_HEADERS = frozenset({b"upgrade", b"connection", b"http2-settings"})


class Refusal(Exception):
    """The door itself answers this request with `status`, and closes the connection."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class RequestReader:
    """The parse state of one connection. `deliver(method, target, headers, body, version, keep_alive)` per request."""

    __slots__ = (
        "_body",
        "_body_size",
        "_deliver",
        "_fed",
        "_head_complete",
        "_head_size",
        "_headers",
        "_hold",
        "_limits",
        "_parser",
        "_upgrading",
        "_url",
        "_version",
        "expects_continue",
        "in_body",
        "in_message",
    )

    def __init__(
        self,
        limits: "Limits",
        deliver: Callable[[str, bytes, Headers, bytes, bytes, bool], None],
        head_complete: Callable[[], None],
        hold: Callable[[int], bool],
    ) -> None:
        self._limits = limits
        self._deliver = deliver
        self._head_complete = head_complete
        self._hold = hold
        self._parser = httptools.HttpRequestParser(self)
        self._upgrading = False
        self.in_message = False
        self.in_body = False
        self.expects_continue = False
        """The client waits for `100 Continue` before it sends the body."""
        self._fed = self._head_size = self._body_size = 0
        self._url = self._version = b""
        self._headers: Headers = []
        self._body: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Raises Refusal."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, Refusal):
                raise error.__context__ from None
            raise
        except httptools.HttpParserError as error:
            raise Refusal(400, f"This is not a valid HTTP/1.1 request: {error}.") from None
        if self.in_message and not self.in_body:
            self._fed += len(data)
            if self._fed > self._limits.head_bytes + READ_AHEAD:
                raise Refusal(431, "The request's head is too large.")

    # --- llhttp calls these -------------------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        self.in_message, self.in_body = True, False
        self._fed = self._head_size = self._body_size = 0
        self._url = b""
        self._headers = []
        self._body = []
        self._head_complete()

    def on_url(self, part: bytes) -> None:
        self._url += part
        if len(self._url) > self._limits.target_bytes:
            raise Refusal(414, f"The request target is longer than {self._limits.target_bytes} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value) + 4
        if self._head_size > self._limits.head_bytes or len(self._headers) >= self._limits.header_count:
            raise Refusal(431, "The request has too many headers, or too large ones.")
        if not self.in_body:  # trailers are counted and dropped
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.in_body = True
        self._version = self._parser.get_http_version().encode()
        if self._parser.should_upgrade():
            self._upgrading = True
            return
        self._check_head()
        self._head_complete()

    def on_body(self, part: bytes) -> None:
        self._body_size += len(part)
        if self._body_size > self._limits.body_bytes:
            raise Refusal(413, f"The request body is larger than {self._limits.body_bytes} bytes.")
        if not self._hold(len(part)):
            raise Refusal(503, "The server holds as many request bodies as it may; try again shortly.")
        self._body.append(part)

    def on_message_complete(self) -> None:
        if self._upgrading:
            return
        self.in_message = self.in_body = self.expects_continue = False
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        method = self._parser.get_method().decode("ascii")
        self._deliver(method, self._url, self._headers, body, self._version, self._parser.should_keep_alive())

    # --- checks -------------------------------------------------------------------------------------------------------
    def _check_head(self) -> None:
        version = self._version
        if version not in (b"1.1", b"1.0"):
            raise Refusal(505, f"HTTP/{version.decode()} is not spoken here; use HTTP/1.1.")
        hosts = 0
        for name, value in self._headers:
            if name == b"host":
                hosts += 1
            elif name == b"content-length":
                if int(value) > self._limits.body_bytes:
                    raise Refusal(413, f"The request body is larger than {self._limits.body_bytes} bytes.")
            elif name == b"transfer-encoding":
                self._check_coding(value)
            elif name == b"expect":
                if value.lower() != b"100-continue":
                    raise Refusal(417, "The only expectation met here is 100-continue.")
                self.expects_continue = version == b"1.1"
        if hosts > 1 or (hosts == 0 and version == b"1.1"):
            raise Refusal(400, "A request needs exactly one Host header.")

    def _check_coding(self, value: bytes) -> None:
        if self._version == b"1.0":
            raise Refusal(400, "Transfer-Encoding does not exist in HTTP/1.0.")
        if value.strip().lower() != b"chunked":
            raise Refusal(501, "The only transfer coding understood here is `chunked`.")

    def _decline_upgrade(self, rest: bytes) -> None:
        method = self._parser.get_method()
        if method == b"CONNECT":
            raise Refusal(405, "This is not a forward proxy: CONNECT is refused.")
        head = [b"%b %b HTTP/%b" % (method, self._url, self._version)]
        head += [b"%b: %b" % header for header in self._headers if header[0] not in HOP_HEADERS]
        if any(name == b"connection" and b"close" in value.lower() for name, value in self._headers):
            head.append(b"connection: close")
        self._upgrading = False
        self._parser = httptools.HttpRequestParser(self)
        self.feed(b"\r\n".join(head) + b"\r\n\r\n" + rest)
