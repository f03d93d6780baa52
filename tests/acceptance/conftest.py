"""What tests share: the running product, for all that do not kill it, and the installed SDK for JavaScript."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.running import Running
from tests.services import need_program

JAVASCRIPT = Path(__file__).parent / "javascript"


@pytest.fixture(scope="session")
def product() -> Iterator[Running]:
    """`manage.py serve` as a newcomer runs it: memory storage, no key, no service."""
    with Running(storage="memory") as running:
        yield running


@pytest.fixture(scope="session")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our scripts and the official SDK beside them."""
    need_program("node")
    npm = need_program("npm")
    folder = tmp_path_factory.mktemp("javascript")
    for path in [*JAVASCRIPT.glob("*.mjs"), *JAVASCRIPT.glob("*.json")]:
        shutil.copy(path, folder)
    command = [npm, "ci", "--silent", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder
