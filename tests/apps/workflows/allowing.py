"""Runs functions as a worker does, and looks for what they leave behind. The fixture `allow` is in conftest.py."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflows.actions.functions import execute, known
from workflows.core.errors import EffectFailed

PYTHON = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
"""One every user may start: tests run as root start functions as nobody."""
SECRET = "s3cr3t-Pa55phrase"

Allow = Callable[..., None]


def run(name: str, given: Any = None) -> Any:
    return execute(known(name), {} if given is None else given, {"EFFECT_ID": "e-1", "ATTEMPT": "1"})


def failure(name: str, given: Any = None) -> EffectFailed:
    with pytest.raises(EffectFailed) as caught:
        run(name, given)
    return caught.value


def processes_with(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in line and b"launcher.py" not in line and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def gone(mark: str, seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while processes_with(mark):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True
