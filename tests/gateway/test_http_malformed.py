"""Malformed and smuggling requests: each is refused once, the handler sees nothing of it, the connection closes."""

import re

import pytest

from tests.gateway.serving import Served

MALFORMED: dict[str, tuple[bytes, int]] = {
    "both lengths": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "both, other order": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
        400,
    ),
    "two lengths": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    "a length twice": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
    "a list of lengths": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc", 400),
    "signed length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", 400),
    "negative length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    "endless length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400),
    "hex length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc", 400),
    "empty length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", 400),
    "space before colon": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    "coding with a tab": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", 400),
    "coding after chunked": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        400,
    ),
    "chunked twice": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "identity": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\nabc", 501),
    "gzip, chunked": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "xchunked": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "chunked in 1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "bad chunk size": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with space": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
        400,
    ),
    "chunk with bare LF": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n", 400),
    "chunk longer than said": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        400,
    ),
    "bare LF": (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    "bare CR": (b"GET / HTTP/1.1\r\nHost: x\rX-A: b\r\n\r\n", 400),
    "NUL in a value": (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n", 400),
    "NUL in a name": (b"GET / HTTP/1.1\r\nHost: x\r\nX\x00A: b\r\n\r\n", 400),
    "folded header": (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n", 400),
    "no name": (b"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", 400),
    "no colon": (b"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 505),
    "version 2.0": (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    "version 1.2": (b"GET / HTTP/1.2\r\nHost: x\r\n\r\n", 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "invented method": (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "method in lower case": (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "target not a path": (b"GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "target of another scheme": (b"GET ftp://x/y HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "bytes in the target": (b"GET /\x80 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a tunnel": (b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 405),
    "an unknown expectation": (b"POST / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n", 417),
    "a long target": (b"GET /" + b"a" * 300 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "a large header": (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 2_000 + b"\r\n\r\n", 431),
    "many headers": (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 20 + b"\r\n", 431),
    "a space after the line feed": (b"GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    "a tab before the colon": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length\t: 3\r\n\r\nabc", 400),
    "a length with a space within": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3 3\r\n\r\nabc", 400),
    "a length with an underscore": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1_0\r\n\r\n0123456789", 400),
    "a length in letters of another script": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \xd9\xa3\r\n\r\nabc",
        400,
    ),
    "two codings in two headers": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        400,
    ),
    "an unknown coding, then chunked": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "a quoted coding": (b'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', 501),
    "a folded coding": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    "a coding and a length behind a bare CR": (
        b"POST / HTTP/1.1\r\nHost: x\r\nX: a\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        400,
    ),
    "a negative chunk size": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
        400,
    ),
    "a chunk size that overflows": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n",
        400,
    ),
    "no chunk size": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n;a=b\r\nabc\r\n0\r\n\r\n", 400),
    "chunk extensions without end": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;" + b"a" * 800_000,
        431,
    ),
    "trailers without end": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 160_000,
        431,
    ),
    "a length among the trailers": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 9\r\n\r\n",
        400,
    ),
    "a tab in the request line": (b"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a space in the target": (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a line of its own before the version": (b"GET /\r\nHTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "an upgrade that hides a request": (
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        400,
    ),
    "an absolute target without a path's start": (b"GET http:/x/y HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "endless head": (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 400_000, 431),
    "a large body": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", 413),
    "a large chunked body": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1f4\r\n%b\r\n" % (b"a" * 500) * 3,
        413,
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_malformed_is_refused_once_and_the_connection_closes(served: Served, name: str) -> None:
    data, status = MALFORMED[name]
    said = await served.talk(data + b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 %d " % status)
    assert len(re.findall(rb"HTTP/1\.1 \d{3} ", said)) == 1
    assert b"connection: close" in said
    assert served.echo.seen == [], "the handler saw nothing of it"


READ_ONE_WAY: dict[str, tuple[bytes, list[tuple[str, bytes, bytes]]]] = {
    "the target's host wins nothing": (
        b"GET http://other/admin HTTP/1.1\r\nHost: x\r\n\r\n",
        [("GET", b"/admin", b"")],
    ),
    "an upgrade is only an offer": (
        b"POST /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 19\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
        [("POST", b"/a", b"GET /b HTTP/1.1\r\n\r\n")],
    ),
    "a body that looks like a request": (
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\nGET /b HTTP/1.1\r\n",
        [("POST", b"/a", b"GET /b HTTP/1.1\r\n")],
    ),
    "trailers change nothing": (
        b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\nHost: y\r\nX: 1\r\n\r\n",
        [("POST", b"/a", b"z")],
    ),
    "the coding's name in capitals": (
        b"POST /a HTTP/1.1\r\nHost: x\r\nTRANSFER-ENCODING: ChunkeD\r\n\r\n1\r\nz\r\n0\r\n\r\n",
        [("POST", b"/a", b"z")],
    ),
    "spaces before the target": (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", [("GET", b"/", b"")]),
    "a GET with a body": (b"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nz", [("GET", b"/a", b"z")]),
    "zeros before a length": (b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0001\r\n\r\nz", [("POST", b"/a", b"z")]),
}


@pytest.mark.parametrize("name", READ_ONE_WAY)
async def test_what_is_unusual_but_clear_is_read_in_the_one_way(served: Served, name: str) -> None:
    data, seen = READ_ONE_WAY[name]
    last = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    await served.talk(data + last)
    assert served.echo.seen == [*seen, ("GET", b"/last", b"")]
