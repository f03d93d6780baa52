"""The chat socket `/ws` of the running product, on two gateway workers: as the guide prints it, cut anywhere, restarted."""

import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from tests.acceptance.browser import chromium, open_page
from tests.acceptance.graphql_client import Subscription
from tests.acceptance.running import Running
from tests.services import need

Frame = dict[str, Any]
MESSAGES = [{"role": "user", "content": "Hello!"}]
PRINTED = """
const ws = new WebSocket('ws://localhost:4000/ws');

ws.onopen = () => {
  ws.send(JSON.stringify({
    type: 'completion',
    model: 'gpt-4',
    messages: [{ role: 'user', content: 'Hello!' }]
  }));
};

ws.onmessage = (event) => {
  const data = JSON.parse(event.data);
  switch (data.type) {
    case 'content_chunk':
      appendContent(data.content);
      break;
    case 'thinking_status':
      showThinkingIndicator(data.status);
      break;
    case 'completed':
      hideThinkingIndicator();
      showUsageStats(data.usage);
      break;
  }
};
"""
"""What a page does with it is up to the page: here it notes what it is told."""
PAGE = """() => new Promise((resolve) => {
  const seen = {content: '', statuses: []};
  const appendContent = (text) => { seen.content += text; };
  const showThinkingIndicator = (status) => { seen.statuses.push(status); };
  const hideThinkingIndicator = () => { seen.hidden = true; };
  const showUsageStats = (usage) => { resolve({...seen, usage}); };
  %s
})"""


@pytest.fixture(scope="module")
def two() -> Iterator[Running]:
    with Running(env={"OPENAI_WORKERS": "2"}) as running:
        yield running


def opened(product: Running) -> ClientConnection:
    """A socket; where the control plane is on its way up again, as soon as it answers."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return connect(product.control_url.replace("http", "ws", 1) + "/ws")
        except (OSError, WebSocketException):
            assert time.monotonic() < deadline, product.logs()
            time.sleep(0.1)


def frames_of(socket: ClientConnection, most: int | None = None) -> list[Frame]:
    """Up to the completion's last frame, or `most` of them."""
    found: list[Frame] = []
    while most is None or len(found) < most:
        found.append(json.loads(socket.recv(timeout=20)))
        if found[-1]["type"] in ("completed", "error"):
            break
    return found


def ask(socket: ClientConnection, identity: str, model: str) -> None:
    socket.send(json.dumps({"type": "completion", "id": identity, "model": model, "messages": MESSAGES}))


def resumed(product: Running, identity: str, last: Frame) -> list[Frame]:
    """What a new socket is told behind the last frame seen."""
    place = {"after": last.get("seq", 0)} | ({"part": last["part"]} if "part" in last else {})
    with opened(product) as socket:
        socket.send(json.dumps({"type": "resume", "id": identity, **place}))
        return frames_of(socket)


def text_of(frames: list[Frame]) -> str:
    return "".join(frame["content"] for frame in frames if frame["type"] == "content_chunk")


def test_the_printed_block_runs_in_a_browser(two: Running) -> None:
    need(chromium() is not None, "no Chromium is installed")
    block = PRINTED.replace("localhost:4000", two.control_url.removeprefix("http://"))
    with open_page() as page:
        page.goto(f"{two.control_url}/")
        seen = page.evaluate(PAGE % block)
    assert "Hello!" in seen["content"]
    assert seen["statuses"] == ["waiting"]
    assert seen["hidden"] is True
    assert seen["usage"]["total_tokens"] == seen["usage"]["prompt_tokens"] + seen["usage"]["completion_tokens"] > 0


def test_cut_after_every_frame_and_resumed_nothing_is_missing_and_nothing_comes_twice(two: Running) -> None:
    with opened(two) as socket:
        ask(socket, "whole", "sandbox?words=12&rate=200")
        whole = frames_of(socket)
    assert whole[0] == {"type": "thinking_status", "id": "whole", "status": "waiting"}
    assert whole[-1]["type"] == "completed"
    assert len(whole) > 12
    for cut in range(1, len(whole)):
        identity = f"cut-{cut}"
        with opened(two) as socket:
            ask(socket, identity, "sandbox?words=12&rate=200")
            before = frames_of(socket, cut)
        after = resumed(two, identity, before[-1])
        assert [{**frame, "id": "whole"} for frame in before + after] == whole, f"cut after {cut} frames"


def test_a_request_begun_over_rest_is_followed_through_both_doors_on_whichever_worker_it_runs(two: Running) -> None:
    for number in range(6):
        identity = f"rest-{number}"
        body = {"model": "sandbox?words=10", "messages": MESSAGES, "stream": True}
        reply = httpx.post(
            f"{two.gateway_url}/v1/chat/completions", json=body, headers={"x-request-id": identity}, timeout=20
        )
        chunks = [json.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: {")]
        said = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
        told = resumed(two, identity, {})
        assert (text_of(told), told[-1]["type"]) == (said, "completed")
        query = "subscription($id: String!) { llmStream(requestId: $id) { content done } }"
        with Subscription(two.control_url, query, id=identity) as subscription:
            deadline = time.monotonic() + 20
            while not any(event["done"] for event in subscription.events) and time.monotonic() < deadline:
                time.sleep(0.02)
            assert "".join(event["content"] for event in subscription.events) == said


def test_several_completions_run_at_once_and_one_is_cancelled(two: Running) -> None:
    with opened(two) as socket:
        ask(socket, "long", "sandbox?words=500&rate=20")
        ask(socket, "short", "sandbox?words=5")
        socket.send(json.dumps({"type": "ping"}))
        found: list[Frame] = []
        while not any(frame["type"] == "completed" for frame in found):
            found.append(json.loads(socket.recv(timeout=20)))
        assert {"type": "pong"} in found
        assert (found[-1]["id"], found[-1]["finish_reason"]) == ("short", "stop")
        socket.send(json.dumps({"type": "cancel", "id": "long"}))
        last = frames_of(socket)[-1]
    assert (last["type"], last["id"], last["finish_reason"]) == ("completed", "long", "cancelled")
    assert last["usage"]["completion_tokens"] < 500


def test_a_completion_survives_the_death_of_the_control_plane() -> None:
    with Running(storage="sqlite", env={"OPENAI_WORKERS": "2"}) as product:
        with opened(product) as socket:
            ask(socket, "survivor", "sandbox?words=60&rate=20")
            before = frames_of(socket, 8)
            os.kill(product.pid("control"), signal.SIGKILL)
        after = resumed(product, "survivor", before[-1])
        assert after[-1]["type"] == "completed", after[-1]
        numbers = [frame["seq"] for frame in before + after if frame["type"] == "content_chunk"]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert len(text_of(before + after).split()) == 60
