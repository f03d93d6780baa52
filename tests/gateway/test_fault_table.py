"""Plays every row of `fault_table.py` and `fault_wires.py` against a gateway with the sandbox behind it, and checks the published page."""

import json
import re
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
from tests.gateway.client import CHAT, Answer, Client, post
from tests.gateway.conftest import until
from tests.gateway.control import PRICE, Control
from tests.gateway.fault_answers import DONE, STOP, check_error, check_refusal, check_translated
from tests.gateway.fault_row import PROVIDERS, Row, lines, path_of, request_of
from tests.gateway.fault_wires import ROWS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "faults.md"
BASES = {"openai": "/v1", "azure": "/openai/v1", "anthropic": "/v1", "google": "/v1beta", "ollama": ""}


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
    url = f"http://127.0.0.1:{await upstream.listen('127.0.0.1', 0)}"
    providers = tuple(Provider(wire, "sandbox", wire, url + base, auth="none") for wire, base in BASES.items())
    models = (
        *(Model(f"by-{wire}", wire, "sandbox", price=PRICE) for wire in PROVIDERS if wire != "openai"),
        Model("gpt-4", "openai", "gpt-4", price=PRICE),
        Model("embedder", "openai", "sandbox", capabilities=("embeddings",), price=PRICE),
    )
    async with Control(Snapshot(1, 0, providers, models)) as control:
        worker = Worker(msgspec.structs.replace(settings, uplink_url=control.url))
        worker.gateway.upstream.bounds = Bounds(reply_bytes=1_000_000)
        port = await worker.start()
        await worker.gateway.configured()
        yield Playing(worker, port, control, sandbox)
        await worker.stop()
    await upstream.drain(0)


def name(row: Row) -> str:
    return f"{row.operation}-{row.wire}-{'streamed' if row.streamed else 'whole'}-{row.fault or 'healthy'}"


@pytest.mark.parametrize("row", ROWS, ids=name)
async def test_row(playing: Playing, row: Row) -> None:
    path, request = path_of(row.operation, row.wire, row.streamed), request_of(row.operation, row.wire, row.streamed)
    healthy = request_of(row.operation, row.wire, False)
    playing.be_patient(0.25 if "hang" in row.fault else 20)
    client = await Client.connect(playing.port)
    client.send(post(request, path, **({"x_sandbox_fault": row.fault} if row.fault else {})))
    answer = await client.answer()
    assert (answer.status, answer.headers.get("retry-after")) == (row.status, row.retry_after)
    check_body(playing, row, answer)
    await check_record(playing, row, answer)
    upstream = playing.worker.gateway.upstream
    await until(lambda: all(one.reply is None for one in upstream.connections))
    assert len(upstream.connections) == (1 if row.upstream_kept else 0)

    playing.be_patient(20)
    client.send(post(healthy, path_of(row.operation, row.wire, False)))
    assert (await client.answer()).status == 200, "the client's connection serves the next request"
    records = await playing.control.wait_for_records(2)
    assert [record.outcome for record in records] == [row.outcome, "ok"], "one record each, and no more"
    client.close()


def check_body(playing: Playing, row: Row, answer: Answer) -> None:
    if row.status != 200:
        check_refusal(row, answer)
        return
    kind = "text/event-stream" if row.streamed else "application/json"
    assert answer.headers["content-type"].startswith(kind)
    if row.bridged:
        check_translated(row, answer)
        return
    (arrived,) = playing.sandbox.record._kept
    version = {"anthropic-version": "2023-06-01"} if row.wire == "anthropic" else {}
    query = "?alt=sse" if row.wire == "google" and row.streamed else ""
    sent = reply("POST", arrived.path + query, {"x-sandbox-fault": row.fault, **version}, arrived.body).parts
    if row.streamed:
        check_stream(row, answer.body, sent)
    else:
        assert answer.body == sent[0], "the provider's bytes"


def check_stream(row: Row, body: bytes, sent: tuple[bytes, ...]) -> None:
    """The provider's events, but for the usage chunk nobody asked for; then the end, or why there is none."""
    events = re.findall(rb".*?\n\r?\n", body, re.DOTALL)
    assert b"".join(events) == body
    end = {"responses": [], "messages": [STOP], "generateContent": []}.get(row.operation, [DONE])
    expected = [event for event in sent if b'"choices":[],"usage":{' not in event and event not in (DONE, STOP)]
    if not row.in_band:
        assert events == [*expected, *end]
        return
    error = json.loads(events[-1].split(b"data: ", 1)[1])
    if row.operation != "responses":
        check_error(row, error)
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
    client = await Client.connect(playing.port)
    fault = "words=100000&rate=100" if streamed else "hang=before"
    client.send(post({**CHAT, "stream": streamed}, x_sandbox_fault=fault))
    if streamed:
        assert (await client.head())[0] == 200
    await until(lambda: playing.sandbox.record.count == 1)
    client.close()
    (record,) = await playing.control.wait_for_records(1)
    assert (record.outcome, record.status, record.estimated) == ("cancelled", 499, True)
    await until(lambda: not playing.worker.gateway.upstream.connections)
    await until(lambda: not playing.sandbox._tasks)


def test_the_page_is_this_table() -> None:
    shown = [
        line for line in PAGE.read_text().splitlines() if line.startswith("| ") and not line.startswith("| operation")
    ]
    assert shown == lines(ROWS)


def test_no_row_is_there_twice() -> None:
    assert len({name(row) for row in ROWS}) == len(ROWS)


TOOL = {"name": "greet", "parameters": {"type": "object", "properties": {"who": {"type": "string"}}}}
GREET_TWICE = {
    "messages": [{"role": "user", "content": 'Please greet and wave: {"who": "Ada"}'}],
    "tools": [{"type": "function", "function": {**TOOL, "name": name}} for name in ("greet", "wave")],
}


@pytest.mark.parametrize("streamed", [False, True])
async def test_calls_without_ids_get_some_that_lead_back(playing: Playing, streamed: bool) -> None:
    """Gemini may leave the ids of calls out: each call gets its own, and its result finds the way back by it."""
    client = await Client.connect(playing.port)
    client.send(post({"model": "by-google", **GREET_TWICE, "stream": streamed}, x_sandbox_fault="ids=0"))
    calls = calls_of((await client.answer()).body, streamed)
    assert [call["function"]["name"] for call in calls] == ["greet", "wave"]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [{"who": "Ada"}] * 2
    assert len({call["id"] for call in calls}) == 2
    results = [{"role": "tool", "tool_call_id": call["id"], "content": f"{call['id']}!"} for call in reversed(calls)]
    said = {"role": "assistant", "content": None, "tool_calls": calls}
    follow_up = {**GREET_TWICE, "messages": [*GREET_TWICE["messages"], said, *results]}
    client.send(post({"model": "by-google", **follow_up}))
    assert (await client.answer()).status == 200
    *_, arrived = playing.sandbox.record._kept
    answered = [part["functionResponse"] for part in json.loads(arrived.body)["contents"][-1]["parts"]]
    assert [(one["name"], one["response"]) for one in answered] == [
        ("wave", {"result": f"{calls[1]['id']}!"}),
        ("greet", {"result": f"{calls[0]['id']}!"}),
    ]
    client.close()


def calls_of(body: bytes, streamed: bool) -> list[dict[str, Any]]:
    """The calls of a chat answer, put together if they came in pieces."""
    if not streamed:
        found: list[dict[str, Any]] = json.loads(body)["choices"][0]["message"]["tool_calls"]
        return found
    calls: dict[int, dict[str, Any]] = {}
    for event in body.split(b"\n\n")[:-2]:
        for piece in json.loads(event.removeprefix(b"data: "))["choices"][0]["delta"].get("tool_calls", []):
            place = piece.pop("index")
            if place in calls:
                calls[place]["function"]["arguments"] += piece["function"]["arguments"]
            else:
                calls[place] = piece
    return [calls[place] for place in sorted(calls)]
