"""A stand-in for the gateway: a real HTTP server on a free loopback port that answers what a test laid ready."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answered:
    """One reply. `before` runs before it is sent: the model is "thinking"."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    before: Callable[[], object] = lambda: None
    hang_up: bool = False


def said(text: str | None, **headers: str) -> Answered:
    """A chat completion."""
    message = {"role": "assistant", "content": text}
    body = {
        "model": "sandbox/gpt-4",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }
    return Answered(body=json.dumps(body).encode(), headers={"x-circuit-breaker-cost": "0.00042", **headers})


def refused(status: int, message: str, **headers: str) -> Answered:
    return Answered(status, json.dumps({"error": {"message": message}}).encode(), headers)


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class Gateway:
    """Answers in the order laid ready; a call beyond that is answered 418, which fails the agent for good."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.ready: list[Answered] = []
        self.url = ""

    def will_say(self, *answers: Answered) -> None:
        self.ready.extend(answers)

    def take(self, received: Received) -> Answered:
        self.received.append(received)
        return self.ready.pop(0) if self.ready else refused(418, "no reply was laid ready")


@contextmanager
def running_gateway() -> Iterator[Gateway]:
    gateway = Gateway()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = gateway.take(Received(self.path, headers, body))
            answer.before()
            if answer.hang_up:
                self.close_connection = True
                return
            with suppress(ConnectionError):  # the caller may have given up or died: some tests want just that
                self.send(answer)

        def send(self, answer: Answered) -> None:
            self.send_response(answer.status)
            for name, value in {**answer.headers, "content-length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    gateway.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield gateway
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
