"""A real sandbox process for the tests that need a socket."""

import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """`http://127.0.0.1:<port>` of a running `python -m llm.sandbox`."""
    command = [sys.executable, "-m", "llm.sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("The sandbox (not a language model) listens on http://127.0.0.1:")
        yield line.split()[-1].removesuffix("/v1")
        process.terminate()
        assert process.wait(timeout=5) == 0, "SIGTERM ends it cleanly"


@pytest.fixture
def http(sandbox_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox_url, timeout=10) as client:
        client.delete("/sandbox/requests")
        yield client
