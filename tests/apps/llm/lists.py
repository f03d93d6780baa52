"""A provider on a real socket that answers any GET as the test says, and keeps what it was asked."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ListServer:
    """`answer` is (status, body); `requests` are (path, headers)."""

    def __init__(self) -> None:
        self.answer: tuple[int, bytes] = (200, b"{}")
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.refuse: set[str] = set()
        """Values of `authorization` that get a 401 repeating them."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                sent = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append((self.path, sent))
                status, body = outer.answer
                if sent.get("authorization") in outer.refuse:
                    status, body = 401, json.dumps({"error": {"message": sent["authorization"]}}).encode()
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", "http://127.0.0.1:1/stolen")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def lists(self, *rows: str | dict[str, Any]) -> None:
        """OpenAI's shape, status 200."""
        data = [{"id": row, "object": "model"} if isinstance(row, str) else row for row in rows]
        self.answer = (200, json.dumps({"object": "list", "data": data}).encode())

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
