"""What a worker that never starts again left in its folder is handed over by a living one, under the folder's name."""

import asyncio
from pathlib import Path

from llm.gateway.journal_files import is_locked
from tests.gateway.client import ask, get, post
from tests.gateway.conftest import until
from tests.gateway.control import Control
from tests.gateway.processes import start
from tests.gateway.provider import Provider, Request, whole
from tests.gateway.test_shared_metrics import calls

QUICK = "import llm.gateway.orphans as orphans; orphans.SCAN_SECONDS = 0.2"


async def die(control: Control, provider: Provider, journal: Path) -> None:
    """gateway-3 answers three calls that nobody acknowledges, has a fourth in the air, and is killed."""
    asked, died = asyncio.Event(), asyncio.Event()

    async def hang(request: Request, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await died.wait()

    control.acknowledging = False
    async with start(control, journal, GATEWAY_NAME="gateway-3") as process:
        for _ in range(3):
            assert (await ask(process.port, post())).status == 200
        provider.answers = [hang]
        fourth = asyncio.create_task(ask(process.port, post()))
        await asyncio.wait_for(asked.wait(), 10)
        process.kill()
        await process.ended()
        died.set()
        await asyncio.gather(fourth, return_exceptions=True)
    control.records.clear()
    control.numbers.clear()
    control.hellos.clear()


async def test_a_living_worker_hands_over_what_a_removed_one_left(
    tmp_path: Path, provider: Provider, control: Control
) -> None:
    await die(control, provider, tmp_path)
    control.acknowledging = True
    folder = tmp_path / "gateway-3"
    async with (
        start(control, tmp_path, QUICK, GATEWAY_NAME="gateway-0") as first,
        start(control, tmp_path, QUICK, GATEWAY_NAME="gateway-1"),
    ):
        records = await control.wait_for_records(4, 20)
        assert [(one.number, one.outcome) for one in records] == [(1, "ok"), (2, "ok"), (3, "ok"), (4, "lost")]
        await until(lambda: not (folder / "in-flight").exists() and not is_locked(folder), 20)
        assert [(path.name, path.stat().st_size) for path in folder.glob("*.jsonl")] == [(f"{5:020d}.jsonl", 0)]
        await until(lambda: sorted(one.gateway for one in control.hellos) == ["gateway-0", "gateway-1", "gateway-3"])
        assert calls((await ask(first.port, get("/metrics"))).body) == 4, "what the dead one counted stays, once"
        assert control.numbers == [1, 2, 3, 4]
        provider.answers = [whole()]
        async with start(control, tmp_path, GATEWAY_NAME="gateway-3") as back:
            assert (await ask(back.port, post())).status == 200
            await control.wait_for_records(5, 20)
            assert control.numbers[-1] == 5, "numbers go on where they were"
            assert calls((await ask(back.port, get("/metrics"))).body) == 5


async def test_a_worker_that_starts_again_gets_its_folder_back(
    tmp_path: Path, provider: Provider, control: Control
) -> None:
    await die(control, provider, tmp_path)
    async with start(control, tmp_path, QUICK, GATEWAY_NAME="gateway-0"):
        await until((tmp_path / "gateway-3" / "adopted").exists, 20)
        provider.answers = [whole()]
        async with start(control, tmp_path, GATEWAY_NAME="gateway-3") as back:
            assert (await ask(back.port, get("/health"))).json["journal"]["lag"] == 4
            control.acknowledging = True
            await control.stop()  # what was sent before waits for an acknowledgement that would never come
            await control.start()
            assert (await ask(back.port, post())).status == 200
            await control.wait_for_records(5, 20)
