"""The head of an HTTP/1.1 answer as bytes, and the answers the door gives itself."""

import json
from email.utils import formatdate
from http import HTTPStatus

from llm.gateway.exchange import Exchange, HeaderLines, Headers, lines
from llm.gateway.request_reader import Refusal

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PROBE = b"HTTP/1.1 102 Processing\r\n\r\n"
STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
BODILESS = frozenset({204, 304})
REFUSAL_CODES = {408: "request_timeout", 413: "request_too_large", 503: "overloaded"}


def head_lines(exchange: Exchange, status: int, headers: Headers | HeaderLines, date: bytes) -> bytes:
    """Status line and headers, without the ones about length and without the blank line."""
    first = STATUS_LINES.get(status) or b"HTTP/1.1 %d Status\r\n" % status
    head = first + date + (headers if isinstance(headers, bytes) else lines(headers))
    if not exchange.keep_alive:
        return head + b"connection: close\r\n"
    return head if exchange.version != "1.0" else head + b"connection: keep-alive\r\n"


def in_chunks(exchange: Exchange) -> bool:
    """Whether a body that comes in parts is sent in chunks: its length is not known, and the client can read them."""
    return exchange.length is None and exchange.version != "1.0"


def refusal_answer(refusal: Refusal, date: bytes) -> bytes:
    """A whole answer, after which the connection closes."""
    body = error_body(refusal.status, refusal.message)
    head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    return STATUS_LINES[refusal.status] + date + head + body


def error_body(status: int, message: str) -> bytes:
    """OpenAI's error shape, for what the door itself refuses."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": None, "code": REFUSAL_CODES.get(status)}
    return json.dumps({"error": error}).encode()


def date_line() -> bytes:
    """The `Date` header, now."""
    return b"date: " + formatdate(usegmt=True).encode() + b"\r\n"
