"""Real gateway processes, as `python -m llm.gateway` starts them, for what only a process can show: signals, kill -9."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.gateway.control import SECRET, Control


class Process:
    """A started gateway."""

    def __init__(self, running: asyncio.subprocess.Process, port: int) -> None:
        self.running = running
        self.port = port

    def kill(self, number: int = signal.SIGKILL) -> None:
        self.running.send_signal(number)

    async def ended(self, seconds: float = 10) -> int:
        return await asyncio.wait_for(self.running.wait(), seconds)


@asynccontextmanager
async def start(control: Control, journal: Path, before: str = "", **environment: str) -> AsyncIterator[Process]:
    """`before` is Python that runs in the process before the gateway does."""
    given = {
        "OPENAI_PORT": "0",
        "UPLINK_URL": control.url,
        "UPLINK_SECRET": SECRET,
        "JOURNAL_DIR": str(journal),
        "PATH": os.environ["PATH"],
        **environment,
    }
    program = f"{before}\nimport runpy; runpy.run_module('llm.gateway', run_name='__main__')"
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=given, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert running.stdout is not None
        line = (await asyncio.wait_for(running.stdout.readline(), 20)).decode()
        assert line.startswith(("The gateway listens on http://", "The gateway listens on https://")), line
        yield Process(running, int(line.rstrip().removesuffix("/v1").rsplit(":", 1)[1]))
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
