"""The gateway as a process: no Django in it, drained by SIGTERM, nothing lost by kill -9, refusing odd settings."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llm.gateway.server import HttpServer
from llm.gateway.settings import SettingsError, read_settings
from tests.gateway.client import CHAT, Client, ask, get, post
from tests.gateway.control import Control, snapshot
from tests.gateway.processes import start
from tests.gateway.provider import DONE, REPLY, Provider, Request, chunk, http, stream, usage_chunk

STREAM = {**CHAT, "stream": True}
FORBIDDEN = ("django", "channels", "daphne", "celery", "graphene", "psycopg", "environ")
BLOCK = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {FORBIDDEN!r}:
            raise ImportError(name + " must not be needed here")
sys.meta_path.insert(0, Block())
"""


async def test_the_gateway_runs_with_django_uninstalled(tmp_path: Path, provider: Provider, control: Control) -> None:
    """Invariant 1."""
    async with start(control, tmp_path, before=BLOCK) as process:
        assert (await ask(process.port, post())).status == 200
        process.kill(signal.SIGTERM)
        assert await process.ended() == 0


async def test_sigterm_lets_streams_finish_and_hands_over_what_was_used(
    tmp_path: Path, provider: Provider, control: Control
) -> None:
    events = [*[chunk(f"{n} ") for n in range(20)], chunk(None, "stop"), usage_chunk(), DONE]
    provider.answers = [stream(*events, pause=0.03)]
    async with start(control, tmp_path) as process:
        client = await Client.connect(process.port)
        client.send(post(STREAM))
        assert (await client.head())[0] == 200
        process.kill(signal.SIGTERM)
        body = b"".join([part async for part in client.chunks()])
        assert body == b"".join([*events[:-2], DONE])
        assert await process.ended() == 0
    (record,) = await control.wait_for_records(1)
    assert record.outcome == "ok"
    assert await client.rest() == b""


async def test_sigterm_takes_no_new_connection(tmp_path: Path, provider: Provider, control: Control) -> None:
    provider.answers = [stream(*[chunk("x")] * 100, chunk(None, "stop"), DONE, pause=0.01)]
    async with start(control, tmp_path) as process:
        client = await Client.connect(process.port)
        client.send(post(STREAM))
        await client.head()
        process.kill(signal.SIGTERM)
        await asyncio.sleep(0.2)
        with pytest.raises(ConnectionRefusedError):
            await Client.connect(process.port)
        client.close()
        assert await process.ended() == 0


async def test_a_stream_longer_than_the_drain_is_cut_and_booked(
    tmp_path: Path, provider: Provider, control: Control
) -> None:
    provider.answers = [stream(*[chunk("x")] * 10_000, pause=0.01)]
    async with start(control, tmp_path, GATEWAY_DRAIN_SECONDS="0.3") as process:
        client = await Client.connect(process.port)
        client.send(post(STREAM))
        await client.head()
        started = time.monotonic()
        process.kill(signal.SIGTERM)
        assert await process.ended() == 0
        assert time.monotonic() - started < 3
    (record,) = await control.wait_for_records(1)
    assert record.outcome == "cancelled"


async def test_kill_9_loses_no_answered_call_and_books_none_twice(
    tmp_path: Path, provider: Provider, control: Control
) -> None:
    """Invariant 4: what a client was answered is booked, once, whatever was not handed over before the kill."""

    async def with_its_own_usage(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.001)
        writer.write(http(json.dumps(REPLY).encode()))

    provider.answers = [with_its_own_usage]
    answered: list[str] = []

    async def client(port: int, name: str) -> None:
        for number in range(10_000):
            request_id = f"{name}-{number}"
            try:
                answer = await ask(port, post(X_Request_Id=request_id))
            except (OSError, asyncio.IncompleteReadError):
                return
            if answer.status == 200:
                answered.append(request_id)

    for life in range(3):
        control.acknowledging = life % 2 == 1
        async with start(control, tmp_path) as process:
            clients = [asyncio.create_task(client(process.port, f"{life}-{n}")) for n in range(8)]
            await asyncio.sleep(0.5)
            process.kill(signal.SIGKILL)
            await process.ended()
            await asyncio.gather(*clients)
    control.acknowledging = True
    async with start(control, tmp_path) as process:
        for _ in range(200):
            if (await ask(process.port, get("/health"))).json["journal"]["lag"] == 0:
                break
            await asyncio.sleep(0.05)
    assert len(answered) > 100
    booked = [record.request_id for record in control.records.values()]
    assert len(booked) == len(set(booked)), "one call was recorded under two ids"
    assert set(answered) <= set(booked), f"lost: {sorted(set(answered) - set(booked))[:5]}"
    numbers = sorted(record.number for record in control.records.values())
    assert numbers == list(range(1, len(numbers) + 1)), "numbers are gapless over all lives"


async def test_two_processes_may_share_the_port(tmp_path: Path, provider: Provider, control: Control) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {"OPENAI_PORT": port, "GATEWAY_SHARED_PORT": "true"}
    async with start(control, tmp_path, **shared), start(control, tmp_path, GATEWAY_NAME="gateway-1", **shared):
        seen = {(await ask(int(port), get("/health"))).json["gateway"] for _ in range(60)}
    assert seen == {"gateway-0", "gateway-1"}


async def test_a_killed_worker_leaves_the_port_served_and_the_load_spreads(
    tmp_path: Path, provider: Provider, control: Control
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"OPENAI_PORT": str(port), "GATEWAY_SHARED_PORT": "true"}
    async with (
        start(control, tmp_path, **shared) as first,
        start(control, tmp_path, GATEWAY_NAME="gateway-1", **shared),
    ):
        for _ in range(100):
            assert (await ask(port, post())).status == 200
        names = [(await ask(port, get("/health"))).json["gateway"] for _ in range(100)]
        assert min(names.count("gateway-0"), names.count("gateway-1")) >= 20, "the system spreads connections"
        first.kill(signal.SIGKILL)
        await first.ended()
        for _ in range(50):
            assert (await ask(port, post())).status == 200
        async with start(control, tmp_path, **shared):
            again = {(await ask(port, get("/health"))).json["gateway"] for _ in range(60)}
    assert again == {"gateway-0", "gateway-1"}


async def test_a_system_that_cannot_share_a_port_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT")
    server = HttpServer(lambda exchange: None)
    with pytest.raises(OSError, match="OPENAI_WORKERS=1"):
        await server.listen("127.0.0.1", 0, shared=True)


def ended_with(**environment: str) -> str:
    """What a gateway that cannot start says."""
    given = {"PATH": os.environ["PATH"], **environment}
    done = subprocess.run([sys.executable, "-m", "llm.gateway"], env=given, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = ended_with(OPENAI_PORT=str(port), JOURNAL_DIR=str(tmp_path))
    assert said.startswith(f"gateway: cannot start on 127.0.0.1:{port}: ")
    assert "address already in use" in said


async def test_a_journal_in_use_is_one_clear_line(tmp_path: Path, provider: Provider, control: Control) -> None:
    async with start(control, tmp_path):
        said = await asyncio.to_thread(ended_with, OPENAI_PORT="0", JOURNAL_DIR=str(tmp_path))
    assert "Another gateway process owns the journal" in said
    assert "GATEWAY_NAME" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_PORT", "http"),
        ("OPENAI_PORT", "70000"),
        ("UPLINK_URL", "http://127.0.0.1:4000"),
        ("GATEWAY_NAME", "../elsewhere"),
        ("REQUEST_TIMEOUT_SECONDS", "0"),
        ("REQUEST_TIMEOUT_SECONDS", "nan"),
        ("CONNECTION_POOL_SIZE", "-1"),
        ("MAX_CONCURRENT_REQUESTS", "0"),
        ("CORS_ENABLED", "perhaps"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_an_impossible_setting_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({name: value})


def test_settings_are_read_and_the_secret_is_not_shown() -> None:
    settings = read_settings(
        {"OPENAI_PORT": "3999", "UPLINK_SECRET": "s3cret", "CORS_ENABLED": "False", "RUST_LOG": "debug,hyper=info"}
    )
    assert (settings.port, settings.uplink_secret, settings.cors, settings.log_level) == (
        3999,
        "s3cret",
        False,
        "DEBUG",
    )
    assert "s3cret" not in repr(settings)


def test_the_fake_control_pushes_what_the_real_one_would(tmp_path: Path) -> None:
    assert snapshot("http://x/v1").providers[0].keys[0].secret not in repr(snapshot("http://x/v1"))
