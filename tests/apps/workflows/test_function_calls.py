"""Functions that are HTTP calls go where they may, over TLS that is checked, and end in time."""

import json
import logging
import socket
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.apps.workflows.allowing import SECRET, Allow, failure, run
from tests.apps.workflows.web import Web, web_server
from workflows.actions.functions import TimedOut


def test_a_call_sends_input_secret_and_idempotency_key(
    allow: Allow, web: Web, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("THE_TOKEN", SECRET)
    web.answer = lambda request: (200, {}, json.dumps({"got": json.loads(request["body"])}).encode())
    allow(
        order={
            "url": web.url("/orders/{id}?by={who}"),
            "method": "PUT",
            "headers": {"Authorization": "Bearer ${TOKEN}"},
            "secrets": {"TOKEN": "env:THE_TOKEN"},
            "private_address": True,
        }
    )
    given = {"id": "a/../b?c", "who": "x&y=z"}
    assert run("order", given) == {"got": given}
    (request,) = web.seen
    assert (request["method"], request["path"]) == ("PUT", "/orders/a%2F..%2Fb%3Fc?by=x%26y%3Dz")
    headers = request["headers"]
    assert (headers["authorization"], headers["idempotency-key"]) == (f"Bearer {SECRET}", "e-1")
    assert headers["content-type"] == "application/json"
    assert SECRET not in caplog.text
    assert "needs a text or a number 'id'" in str(failure("order", {"who": "x"}))
    assert "needs a text or a number 'id'" in str(failure("order", {"id": "..", "who": "x"}))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{p}/", "http://localhost:{p}/", "http://[::1]:{p}/", "http://0.0.0.0:{p}/",
            "http://[::ffff:127.0.0.1]:{p}/", "http://169.254.169.254/latest", "http://10.0.0.1/", "http://2130706433:{p}/",
            "http://[64:ff9b::7f00:1]/", "http://[fe80::1]/", "http://100.64.0.1/"],
)  # fmt: skip
def test_private_addresses_are_not_called_unless_that_was_allowed(allow: Allow, web: Web, url: str) -> None:
    allow(inside={"url": url.format(p=web.port), "method": "GET", "limits": {"seconds": 5}})
    error = failure("inside")
    assert "which is not public" in str(error)
    assert error.retryable is False
    assert web.seen == []


@pytest.mark.parametrize(
    ("answer", "said", "retryable", "after"),
    [
        ((503, {"Retry-After": "7"}, b""), "order: 127.0.0.1 answered with status 503.", True, 7.0),
        ((429, {}, b""), "order: 127.0.0.1 answered with status 429.", True, None),
        ((404, {}, b"no"), "order: 127.0.0.1 answered with status 404.", False, None),
        ((302, {"Location": "http://169.254.169.254/"}, b""), "a redirect; redirects are not followed", False, None),
        ((200, {}, b"<html>"), "order: the output is no JSON (line 1, column 1).", False, None),
        ((200, {}, b'"' + b"x" * 2000 + b'"'), "answered with more than 1000 bytes", False, None),
        ((200, {"Content-Encoding": "gzip"}, b"x"), "in a compressed form", False, None),
    ],
)
def test_answers_that_do_not_help(
    allow: Allow, web: Web, answer: Any, said: str, retryable: bool, after: float | None
) -> None:
    web.answer = lambda request: answer
    allow(order={"url": web.url(), "private_address": True, "limits": {"output_bytes": 1000}})
    error = failure("order")
    assert said in str(error)
    assert (error.retryable, error.retry_after) == (retryable, after)


def test_an_answer_that_comes_byte_by_byte_is_given_up(allow: Allow) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        dripper = subprocess.Popen(
            [sys.executable, "-c", (
                "import socket, time, sys\n"
                "server = socket.socket(fileno=int(sys.argv[1])); peer, _ = server.accept()\n"
                "peer.sendall(b'HTTP/1.1 200 OK\\r\\n')\n"
                "try:\n"
                "    while True: peer.sendall(b'a: b\\r\\n'); time.sleep(0.05)\n"
                "except OSError: pass\n"), str(server.fileno())],
            pass_fds=(server.fileno(),),
        )  # fmt: skip
        allow(drip={"url": f"http://127.0.0.1:{port}/", "private_address": True, "limits": {"seconds": 1}})
        began = time.monotonic()
        error = failure("drip")
        assert isinstance(error, TimedOut)
        assert str(error) == "drip: 127.0.0.1 did not answer within 1 s."
        assert time.monotonic() - began < 3
        assert dripper.wait(10) == 0


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for a host's name that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


@pytest.mark.parametrize(("name", "trusted"), [("localhost", True), ("elsewhere.example", True), ("localhost", False)])
def test_over_tls_the_certificate_must_be_the_hosts_though_the_address_is_called(
    allow: Allow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, trusted: bool
) -> None:
    files = certificate(tmp_path, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    if trusted:
        monkeypatch.setattr("certifi.where", lambda: str(files[0]))
    with web_server(context) as web:
        allow(order={"url": f"https://localhost:{web.port}/", "private_address": True, "limits": {"seconds": 5}})
        if name == "localhost" and trusted:
            assert run("order", {"a": 1}) == {}
            assert web.seen[0]["headers"]["host"] == f"localhost:{web.port}"
        else:
            assert "order: The call to localhost failed: ConnectError." in str(failure("order", {"a": 1}))
            assert web.seen == []


def test_nobody_there_is_tried_again(allow: Allow) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    allow(order={"url": f"http://127.0.0.1:{port}/", "private_address": True})
    error = failure("order")
    assert (str(error), error.retryable) == ("order: The call to 127.0.0.1 failed: ConnectError.", True)
