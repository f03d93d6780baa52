"""10,000 requests in flight, workers killed by `kill -9` at random: every upstream call that finished is booked once.

Real processes: three workers on one port, each started again when it dies, and a provider that tells what it has
finished. The client here keeps 10,000 calls in flight, each with a name of its own (`user`), by which the three sides
are reconciled at the end.
"""

import asyncio
import collections
import contextlib
import random
import resource
import socket
import sys
from pathlib import Path

from tests.gateway.client import CHAT, ask, get, post
from tests.gateway.conftest import until
from tests.gateway.control import Control, snapshot
from tests.gateway.processes import Process, start

IN_FLIGHT = 10_000
KILLS = 4
WORKERS = 3
SECONDS = ("1", "3")
"""How long the provider takes for a call."""


class Crowd:
    """Clients that ask again and again. `whole`: the calls whose answer came whole."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked = 0
        self.whole: list[str] = []
        self.broken = 0
        self.waiting: set[Asker] = set()
        self.stopping = False

    async def gather(self) -> None:
        for _ in range(IN_FLIGHT // 200):
            await asyncio.gather(*(self.connect() for _ in range(200)))

    async def connect(self) -> None:
        while not self.stopping:
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().create_connection(lambda: Asker(self), "127.0.0.1", self.port)
                return
            await asyncio.sleep(0.1)


class Asker(asyncio.Protocol):
    """One connection; a new call as soon as the last is answered."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.data = b""
        self.name = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        crowd = self.crowd
        if crowd.stopping:
            self.transport.close()
            return
        crowd.asked += 1
        self.name = f"call-{crowd.asked}"
        crowd.waiting.add(self)
        self.transport.write(post({**CHAT, "user": self.name}))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, end, body = self.data.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]):
            return
        if head.startswith(b"HTTP/1.1 200 "):
            self.crowd.whole.append(self.name)
        self.data, self.name = b"", ""
        self.crowd.waiting.discard(self)
        self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        crowd = self.crowd
        crowd.waiting.discard(self)
        if self.name and not crowd.stopping:
            crowd.broken += 1
            asyncio.ensure_future(crowd.connect())  # noqa: RUF006 - it holds itself by its socket


class Slots:
    """Worker slots on one port, as `serve` keeps them: a dead one is started again under its name."""

    def __init__(self, control: Control, journal: Path, port: int) -> None:
        self.control = control
        self.journal = journal
        self.port = port
        self.running: dict[str, Process] = {}
        self.restarts = 0
        self.stopping = False

    async def keep(self, name: str) -> None:
        settings = {"OPENAI_PORT": str(self.port), "GATEWAY_SHARED_PORT": "true", "GATEWAY_NAME": name}
        while not self.stopping:
            async with start(self.control, self.journal, LOG_LEVEL="error", **settings) as process:
                self.running[name] = process
                await process.running.wait()
                del self.running[name]
            self.restarts += 1


async def test_ten_thousand_in_flight_and_workers_killed_at_random(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert hard > IN_FLIGHT * 1.2, f"this test needs more open files than {hard}"
    told = tmp_path / "finished"
    provider = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.gateway.slow_upstream", str(told), *SECONDS, stdout=asyncio.subprocess.PIPE
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        assert provider.stdout is not None
        upstream = int(await provider.stdout.readline())
        async with Control(snapshot(f"http://127.0.0.1:{upstream}/v1")) as control:
            slots = Slots(control, tmp_path / "journal", port)
            keeping = [asyncio.create_task(slots.keep(f"gateway-{n}")) for n in range(WORKERS)]
            try:
                await until(lambda: len(slots.running) == WORKERS, 30)
                crowd = await _kill_at_random(slots, port)
                await _all_handed_over(control, slots, port)
            finally:
                slots.stopping = True
                for process in list(slots.running.values()):
                    process.kill()
                await asyncio.gather(*keeping)
    finally:
        provider.kill()
        await provider.wait()
    booked = collections.Counter(record.user for record in control.records.values())
    finished = told.read_text().split()
    assert slots.restarts >= KILLS, "each kill was followed by a start"
    assert crowd.broken > 1_000, "many calls were in the air when their worker died"
    assert len(crowd.whole) > IN_FLIGHT / 2
    assert [name for name, times in booked.items() if times > 1] == [], "booked twice"
    assert set(finished) - booked.keys() == set(), "finished by the provider and not booked"
    assert set(crowd.whole) - booked.keys() == set(), "answered and not booked"
    outcomes = {record.user: record.outcome for record in control.records.values()}
    assert {outcomes[name] for name in crowd.whole} == {"ok"}
    assert "lost" in outcomes.values()


async def _kill_at_random(slots: Slots, port: int) -> Crowd:
    crowd = Crowd(port)
    await crowd.gather()
    for _ in range(KILLS):
        await until(lambda: len(crowd.waiting) >= IN_FLIGHT * 0.95 and slots.running, 60)
        random.choice(list(slots.running.values())).kill()
        await asyncio.sleep(random.uniform(0.1, 0.6))
    await until(lambda: len(slots.running) == WORKERS, 30)
    crowd.stopping = True
    await until(lambda: not crowd.waiting, 60)
    return crowd


async def _all_handed_over(control: Control, slots: Slots, port: int) -> None:
    behind = set(slots.running)
    while behind:
        health = (await ask(port, get("/health"))).json
        if health["journal"]["lag"] == 0 and health["in_flight"] == 0:
            behind.discard(health["gateway"])
