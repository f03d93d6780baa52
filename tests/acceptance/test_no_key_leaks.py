"""No provider key appears in any log, error, header, page, file or table: one whole run with hostile providers, then a search.

Each provider of the run repeats the key it was sent, in its own way: in a 401, in a 500 as text, base64 and URL-encoded, in codes, in headers,
in a broken answer, in band in a stream, in a redirect. Everything the product then said, printed or stored is searched for every key.
"""

import base64
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.acceptance.graphql_client import graphql
from tests.acceptance.review import wait_for
from tests.acceptance.running import ROOT, Running

PROVIDERS = ("openai", "groq", "mistral", "deepseek", "together", "xai", "cerebras", "fireworks", "azure", "cohere")
PROVIDERS += ("anthropic", "google")
KEYS = {name: f"sk-{name}+/leak=me~0123456789-{name}" for name in PROVIDERS}
SECOND = "sk-openai-second+/key=of~several-9876543210"
OTHER_WIRES = ("anthropic", "google")
HEADERS = ("api-key", "x-api-key", "x-goog-api-key")
BY_MUTATION = "sk-nvidia+/given=over~graphql-5432109876"
MALFORMED = "sk-malformed key-that-cannot-be-sent-1122334455"
ADMIN = {"username": "admin", "password": "a-long-enough-word"}


class Hostile(BaseHTTPRequestHandler):
    """`/<provider>/...`, each failing in its own way, always with the key it was sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._respond(streamed=False)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        streamed = b'"stream":true' in body.replace(b" ", b"") or ":streamGenerateContent" in self.path
        self._respond(streamed, tools=b'"tools"' in body)

    def _respond(self, streamed: bool, tools: bool = False) -> None:
        own = next(filter(None, [self.headers.get(name) for name in HEADERS]), "")
        key = self.headers.get("authorization", "").removeprefix("Bearer ") or own
        encoded = [base64.b64encode(key.encode()).decode(), quote(key, safe=""), quote(key), f"Bearer {key}"]
        said = " ".join([key, *encoded, base64.b64encode(f"Bearer {key}".encode()).decode()])
        provider = self.path.split("/")[1]
        error = {"message": f"wrong: {said}", "type": key, "code": key, "param": key}
        if provider in OTHER_WIRES:
            return self._respond_on_another_wire(provider, said, key, streamed, tools)
        if provider == "xai":
            return self._send(200, f"<html>{said}</html>".encode(), key)
        if provider == "deepseek":
            return self._send(200, json.dumps({"id": key, "choices": [{"mess": said}]}).encode(), key, cut=True)
        if provider == "together" and streamed:
            begun = {"id": "1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "a"}}]}
            events = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in (begun, {"error": error}))
            return self._send(200, events, key, "text/event-stream")
        status = {"openai": 401, "groq": 500, "mistral": 500, "azure": 403, "cohere": 302, "fireworks": 429}
        return self._send(status.get(provider, 400), json.dumps({"error": error}).encode(), key)

    def _respond_on_another_wire(self, provider: str, said: str, key: str, streamed: bool, tools: bool) -> None:
        """Whole: a refusal; with tools: an error with status 200; streamed: an error in band, after a first event."""
        if provider == "anthropic":
            error = {"type": "error", "error": {"type": key, "message": said}, "request_id": key}
            first = {"type": "message_start", "message": {"id": "i", "model": "m", "usage": {"input_tokens": 1}}}
            begun = [first, {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "a"}}]
        else:
            detail = {"@type": key, "reason": key, "metadata": {"consumer": key}}
            error = {"error": {"code": 400, "message": said, "status": key, "details": [detail]}}
            begun = [{"candidates": [{"content": {"parts": [{"text": "a"}]}}], "responseId": "i"}]
        if not streamed:
            return self._send(200 if tools else 400, json.dumps(error).encode(), key)
        events = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in (*begun, error))
        return self._send(200, events, key, "text/event-stream")

    def _send(self, status: int, body: bytes, key: str, kind: str = "application/json", cut: bool = False) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body) + (50 if cut else 0)))
        self.send_header("x-repeated", key)
        self.send_header("x-request-id", key)
        if status == 302:
            self.send_header("location", f"http://127.0.0.1:1/{quote(key)}")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = cut

    def log_message(self, *args: object) -> None: ...


class Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A gateway that drops a connection is no failure of the test."""


@pytest.fixture(scope="module")
def hostile() -> Iterator[str]:
    server = Quiet(("127.0.0.1", 0), Hostile)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def forms(key: str) -> set[str]:
    """The key as it may be written: plain, URL-encoded, as JSON, in base64 wherever it begins in the text."""
    found = {key, quote(key), quote(key, safe=""), json.dumps(key)[1:-1]}
    for before in ("", "x", "xx", "Bearer "):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode((before + key).encode()).decode().rstrip("=")[4:-4])
    return found


def leaks(text: bytes) -> list[str]:
    """Names of the keys found in it, in any form, or in a half that would be enough to go by."""
    every = {**KEYS, "second": SECOND, "nvidia": BY_MUTATION, "malformed": MALFORMED}
    found = [name for name, key in every.items() for form in forms(key) if form.encode() in text]
    return sorted({*found, *(name for name, key in every.items() if key[: len(key) // 2 + 4].encode() in text)})


def test_the_search_finds_each_form() -> None:
    key = KEYS["openai"]
    for text in (key, quote(key), quote(key, safe=""), base64.b64encode(f"..Bearer {key}".encode()).decode()):
        assert leaks(f"before {text} after".encode()) == ["openai"]
    assert leaks(b"sk-openai and nothing more") == []


@pytest.mark.timeout(300)
def test_no_key_appears_anywhere(hostile: str, tmp_path: Path) -> None:
    environment = {f"{name.upper()}_API_KEY": key for name, key in KEYS.items()}
    environment |= {f"{name.upper()}_BASE_URL": f"{hostile}/{name}/v1" for name in PROVIDERS}
    environment |= {"OPENAI_API_KEYS": SECOND, "LOG_LEVEL": "debug", "HEALTH_CHECK_SECONDS": "1"}
    said: dict[str, bytes] = {}
    with Running(storage="sqlite", env=environment, data_dir=tmp_path) as product:
        _configure(product, hostile, said)
        _call_all(product, said)
        wait_for(lambda: _asked(product), lambda asked: asked >= len(PROVIDERS), timeout=30)
        _look_around(product, said)
        for command in ("discover", "doctor"):
            done = subprocess.run(
                [sys.executable, "manage.py", command],
                cwd=ROOT,
                env=product.environment,
                capture_output=True,
                timeout=60,
            )
            said[f"manage.py {command}"] = done.stdout + done.stderr
        wait_for(lambda: graphql(product.control_url, CALLS)["costAnalytics"]["totalCost"], lambda _: True)
    said["logs"] = product.logs().encode()
    assert b"DEBUG" in said["logs"]
    assert len(said) > 30
    with sqlite3.connect(tmp_path / "circuit_breaker.sqlite3") as database:
        said["dump"] = "\n".join(database.iterdump()).encode()
    assert b"llm_providerkey" in said["dump"]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            said[str(path.relative_to(tmp_path))] = path.read_bytes()
    assert any(name.startswith("journal/") for name in said)
    assert {name: found for name, text in said.items() if (found := leaks(text))} == {}


HI = [{"role": "user", "content": "Hi"}]
INGRESSES = {
    "chat/completions": {"messages": HI},
    "messages": {"messages": HI, "max_tokens": 9},
    "responses": {"input": "Hi"},
}
CHAT = [("chat/completions", INGRESSES["chat/completions"])]
EVERY_DOOR = ("openai", "cerebras", "together", "azure", *OTHER_WIRES)
"""Asked by each ingress: one of every wire and of every kind of failure."""
TOOL = {"type": "function", "function": {"name": "f"}}
CALLS = "{ costAnalytics { totalCost } }"
CONFIGURE = "mutation($input: LlmProviderConfigInput!) { configureLlmProvider(input: $input) { id keyCount baseUrl } }"
HEALTH = "{ llmProviders { id healthStatus { isHealthy problem observedBy checkedAt } models { id } } }"


def _asked(product: Running) -> int:
    """Providers that were probed."""
    return sum(bool(row["healthStatus"]["checkedAt"]) for row in graphql(product.control_url, HEALTH)["llmProviders"])


def _configure(product: Running, hostile: str, said: dict[str, bytes]) -> None:
    """A model for each provider, a key by mutation, and a malformed one."""
    inputs = [{"providerType": name, "name": name, "models": [_model(name)]} for name in PROVIDERS]
    own = {"providerType": "nvidia", "name": "Mine", "baseUrl": f"{hostile}/nvidia/v1", "models": [_model("nvidia")]}
    inputs += [{**own, "apiKey": BY_MUTATION}, {**own, "apiKey": MALFORMED}]
    for number, given in enumerate(inputs):
        asked = {"query": CONFIGURE, "variables": {"input": given}}
        answer = httpx.post(f"{product.control_url}/graphql", json=asked, timeout=30)
        assert ("errors" in answer.json()) == (given.get("apiKey") == MALFORMED), answer.text
        _keep(said, f"configure {number}", answer)


def _model(provider: str) -> dict[str, object]:
    return {"id": f"model-{provider}", "costPerInputToken": 0.000001, "costPerOutputToken": 0.000001}


def _call_all(product: Running, said: dict[str, bytes]) -> None:
    wanted = {f"model-{name}" for name in (*PROVIDERS, "nvidia")}
    models = f"{product.gateway_url}/v1/models"
    wait_for(lambda: {row["id"] for row in httpx.get(models).json()["data"]}, lambda there: wanted <= there, timeout=30)
    for name in (*PROVIDERS, "nvidia"):
        for stream in (False, True):
            for path, fields in INGRESSES.items() if name in EVERY_DOOR else CHAT:
                body = {"model": f"model-{name}", **fields, "stream": stream}
                answer = httpx.post(f"{product.gateway_url}/v1/{path}", json=body, timeout=30)
                in_band = stream and name in ("together", *OTHER_WIRES)
                assert answer.status_code >= 400 or in_band, (name, path, answer.text)
                assert not in_band or b"error" in answer.content
                _keep(said, f"{name} {path} {stream}", answer)
    for name in OTHER_WIRES:
        body = {"model": f"model-{name}", **INGRESSES["chat/completions"], "tools": [TOOL]}
        _keep(said, f"{name} 200", httpx.post(f"{product.gateway_url}/v1/chat/completions", json=body, timeout=30))


def _look_around(product: Running, said: dict[str, bytes]) -> None:
    for path in ("/metrics", "/health", "/v1/models", "/ready"):
        _keep(said, f"gateway {path}", httpx.get(product.gateway_url + path))
    _keep(said, "control /health", httpx.get(f"{product.control_url}/health"))
    said["providers"] = json.dumps(graphql(product.control_url, HEALTH)).encode()
    refused = {"query": "{ llmProviders { keys { secret } } }"}
    _keep(said, "graphql", httpx.post(f"{product.control_url}/graphql", json=refused))
    superuser = {"DJANGO_SUPERUSER_PASSWORD": ADMIN["password"]}
    subprocess.run(
        [
            sys.executable,
            "manage.py",
            "createsuperuser",
            "--noinput",
            "--username",
            "admin",
            "--email",
            "a@example.com",
        ],
        cwd=ROOT,
        env=product.environment | superuser,
        check=True,
        capture_output=True,
    )
    with httpx.Client(base_url=product.control_url, follow_redirects=True, timeout=30) as browser:
        browser.get("/admin/login/")
        form = {**ADMIN, "csrfmiddlewaretoken": browser.cookies["csrftoken"], "next": "/admin/"}
        assert "Log out" in browser.post("/admin/login/", data=form).text
        pages = ["llm/provider/", "llm/model/", "llm/gatewaystate/", "billing/call/"]
        listing = browser.get("/admin/llm/provider/").text
        pages += [
            f"llm/provider/{number}/change/" for number in range(1, 40) if f"/provider/{number}/change/" in listing
        ]
        assert len(pages) > 10
        for page in pages:
            answer = browser.get(f"/admin/{page}")
            assert answer.status_code == 200
            _keep(said, page, answer)


def _keep(said: dict[str, bytes], name: str, answer: httpx.Response) -> None:
    said[name] = repr(answer.headers.multi_items()).encode() + answer.content
