"""The nginx configuration of the how-to page, run as printed but for its ports, in front of the real product."""

import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.acceptance.running import ROOT, Running, free_port
from tests.services import need_program

PAGE = ROOT / "docs" / "how-to" / "run-behind-nginx.md"


@pytest.fixture(scope="module")
def behind_nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of nginx, with the product behind it."""
    program = need_program("nginx")
    folder = tmp_path_factory.mktemp("nginx")
    with Running() as product:
        port = free_port()
        gateway_port = product.gateway_url.rpartition(":")[2]
        (block,) = re.findall(r"```nginx\n(upstream.*?)```", PAGE.read_text(), re.DOTALL)
        block = block.replace("127.0.0.1:3000", f"127.0.0.1:{gateway_port}").replace(
            "listen 8080", f"listen 127.0.0.1:{port}"
        )
        temporary = "".join(
            f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        configuration = folder / "nginx.conf"
        configuration.write_text(
            f"daemon off; {'user root;' if os.geteuid() == 0 else ''} pid {folder}/pid;\n"
            f"error_log {folder}/error.log;\nevents {{}}\n"
            f"http {{ access_log off;\n{temporary}{block}}}\n"
        )
        running = subprocess.Popen([program, "-c", str(configuration), "-e", str(folder / "error.log")])
        try:
            _wait_for(port, folder)
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()
            running.wait(timeout=15)


def _wait_for(port: int, folder: Path) -> None:
    deadline = time.monotonic() + 15
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, (folder / "error.log").read_text()
            time.sleep(0.02)
        else:
            return


def post(url: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def test_a_whole_reply_a_large_request_and_an_error_pass(behind_nginx: str) -> None:
    question = {"role": "user", "content": "Hello " + "x" * 2_000_000}
    assert post(behind_nginx, {"model": "gpt-4", "messages": [question]})[0] == 200
    status, said = post(behind_nginx, {"model": "nobody-has-this", "messages": [question]})
    assert (status, said["error"]["code"]) == (404, "model_not_found")


def test_events_pass_one_by_one_and_not_at_the_end(behind_nginx: str) -> None:
    client = openai.OpenAI(base_url=f"{behind_nginx}/v1", api_key="not-needed")
    stream = client.chat.completions.create(
        model="sandbox?words=6&rate=10", messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    arrived = [time.monotonic() for chunk in stream if chunk.choices and chunk.choices[0].delta.content]
    assert len(arrived) >= 6
    assert arrived[-1] - arrived[0] > 0.3, "a buffering proxy hands all events over at once"


def test_a_provider_that_fails_is_asked_once_by_nginx(behind_nginx: str) -> None:
    status, said = post(behind_nginx, {"model": "sandbox?cut=before", "messages": [{"role": "user", "content": "Hi"}]})
    assert status == 502
    assert said["error"]["code"] == "provider_broken"
