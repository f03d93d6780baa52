"""Plays every row of `fault_table.py` against a gateway with the sandbox behind it, and checks the published page."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from billing.core.pricing import cost_nano
from llm.core.snapshot import Model, Provider, Snapshot
from llm.gateway.http_limits import Bounds
from llm.gateway.server import HttpServer
from llm.gateway.settings import Settings
from llm.gateway.worker import Worker
from llm.sandbox.replies import reply
from llm.sandbox.server import Sandbox
from tests.gateway.client import Answer, Client, post
from tests.gateway.conftest import until
from tests.gateway.control import PRICE, Control
from tests.gateway.fault_table import ROWS, Row, lines

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "faults.md"
OPERATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
    "completions": ("/v1/completions", {"prompt": "Hi"}),
    "responses": ("/v1/responses", {"input": "Hi"}),
    "embeddings": ("/v1/embeddings", {"input": "Hi"}),
}
DONE = b"data: [DONE]\n\n"


class Playing:
    """A gateway, the sandbox and a control plane, in this process, on real sockets."""

    def __init__(self, worker: Worker, port: int, control: Control, sandbox: Sandbox) -> None:
        self.worker = worker
        self.port = port
        self.control = control
        self.sandbox = sandbox

    def be_patient(self, seconds: float) -> None:
        self.worker.gateway.settings = msgspec.structs.replace(self.worker.gateway.settings, request_timeout=seconds)


@pytest.fixture
async def playing(settings: Settings) -> AsyncIterator[Playing]:
    sandbox = Sandbox()
    upstream = HttpServer(sandbox.handle)
    url = f"http://127.0.0.1:{await upstream.listen('127.0.0.1', 0)}/v1"
    provider = Provider("sandbox", "sandbox", "openai", url, auth="none")
    models = (
        Model("gpt-4", "sandbox", "gpt-4", price=PRICE),
        Model("embedder", "sandbox", "sandbox", capabilities=("embeddings",), price=PRICE),
    )
    async with Control(Snapshot(1, 0, (provider,), models)) as control:
        worker = Worker(msgspec.structs.replace(settings, uplink_url=control.url))
        worker.gateway.upstream.bounds = Bounds(reply_bytes=1_000_000)
        port = await worker.start()
        await worker.gateway.configured()
        yield Playing(worker, port, control, sandbox)
        await worker.stop()
    await upstream.drain(0)


def name(row: Row) -> str:
    return f"{row.operation}-{'streamed' if row.streamed else 'whole'}-{row.fault or 'healthy'}"


@pytest.mark.parametrize("row", ROWS, ids=name)
async def test_row(playing: Playing, row: Row) -> None:
    path, fields = OPERATIONS[row.operation]
    healthy = {"model": "embedder" if row.operation == "embeddings" else "gpt-4", **fields}
    request = {**healthy, "stream": True} if row.streamed else healthy
    playing.be_patient(0.25 if "hang" in row.fault else 20)
    client = await Client.connect(playing.port)
    client.send(post(request, path, **({"x_sandbox_fault": row.fault} if row.fault else {})))
    answer = await client.answer()
    assert (answer.status, answer.headers.get("retry-after")) == (row.status, row.retry_after)
    check_body(playing, row, path, answer)
    await check_record(playing, row, answer)
    upstream = playing.worker.gateway.upstream
    await until(lambda: all(one.reply is None for one in upstream.connections))
    assert len(upstream.connections) == (1 if row.upstream_kept else 0)

    playing.be_patient(20)
    client.send(post(healthy, path))
    assert (await client.answer()).status == 200, "the client's connection serves the next request"
    records = await playing.control.wait_for_records(2)
    assert [record.outcome for record in records] == [row.outcome, "ok"], "one record each, and no more"
    client.close()


def check_body(playing: Playing, row: Row, path: str, answer: Answer) -> None:
    if row.status != 200:
        assert answer.headers["content-type"] == "application/json"
        assert list(answer.json) == ["error"]
        assert set(answer.error) == {"message", "type", "param", "code"}
        assert answer.error["code"] == row.code
        assert answer.error["message"]
        return
    (arrived,) = playing.sandbox.record._kept
    sent = reply("POST", path, {"x-sandbox-fault": row.fault}, arrived.body).parts
    if not row.streamed:
        assert answer.headers["content-type"] == "application/json"
        assert answer.body == sent[0], "the provider's bytes"
        return
    assert answer.headers["content-type"].startswith("text/event-stream")
    check_stream(row, answer.body, sent)


def check_stream(row: Row, body: bytes, sent: tuple[bytes, ...]) -> None:
    """The provider's events, but for the usage chunk nobody asked for; then the end, or why there is none."""
    events = [event + b"\n\n" for event in body.split(b"\n\n")[:-1]]
    expected = [event for event in sent if b'"choices":[]' not in event and event != DONE]
    if not row.in_band:
        assert events == (expected if row.operation == "responses" else [*expected, DONE])
        return
    error = json.loads(events[-1].split(b"data: ", 1)[1])
    if row.operation != "responses":
        assert error["error"]["code"] == row.code
    elif "failed" in row.fault:
        assert events[-1] == sent[-1]
    else:
        assert (error["type"], error["code"], error["sequence_number"]) == ("error", row.code, len(events) - 1)
    assert len(events) > 2
    assert events[:-1] == expected[: len(events) - 1], "what came before is the provider's"


async def check_record(playing: Playing, row: Row, answer: Answer) -> None:
    (record,) = await playing.control.wait_for_records(1)
    assert (record.outcome, record.status, record.error_code) == (row.outcome, row.status, row.code)
    assert (record.usage, record.estimated) == (row.usage, row.estimated)
    assert record.cost_nano == cost_nano(row.usage, PRICE), "nothing used costs nothing"
    assert (record.attempts, record.streamed) == (1, row.streamed and row.status == 200)
    assert answer.headers["x-circuit-breaker-attempts"] == "1"


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_client_that_leaves_ends_the_upstream_call_and_is_booked(playing: Playing, streamed: bool) -> None:
    path, fields = OPERATIONS["chat"]
    client = await Client.connect(playing.port)
    fault = "words=100000&rate=100" if streamed else "hang=before"
    client.send(post({"model": "gpt-4", **fields, "stream": streamed}, path, x_sandbox_fault=fault))
    if streamed:
        assert (await client.head())[0] == 200
    await until(lambda: playing.sandbox.record.count == 1)
    client.close()
    (record,) = await playing.control.wait_for_records(1)
    assert (record.outcome, record.status, record.estimated) == ("cancelled", 499, True)
    await until(lambda: not playing.worker.gateway.upstream.connections)
    await until(lambda: not playing.sandbox._tasks)


def test_the_page_is_this_table() -> None:
    shown = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "`" in line]
    assert shown == lines()


def test_no_row_is_there_twice() -> None:
    assert len({name(row) for row in ROWS}) == len(ROWS)
