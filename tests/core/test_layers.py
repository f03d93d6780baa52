"""The rules about imports hold, and a break planted on purpose is found: a contract that cannot fail protects nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ["circuit_breaker", "agents", "llm", "workflows", "billing"]

PLANTED = {
    "core imports django": ("workflows/core/planted.py", "import django\n", "run without Django"),
    "gateway imports the control side": ("llm/gateway/planted.py", "import llm.services\n", "Arrows inside each app"),
    "gateway imports celery": ("llm/gateway/planted.py", "import celery\n", "run without Django"),
    "workflows imports llm": ("workflows/core/planted.py", "import llm.core\n", "never meet"),
    "billing imports agents": ("billing/core/planted.py", "import agents.core\n", "point down"),
    "an app imports the wiring": ("agents/core/planted.py", "import circuit_breaker\n", "point down"),
    "a module without a layer": ("agents/planted.py", "", "every module has its layer"),
    "core opens a socket": ("workflows/core/planted.py", "import socket\n", "core does no I/O"),
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code, to plant breaks in."""
    copy = tmp_path_factory.mktemp("checkout")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def lint(folder: Path) -> tuple[int, str]:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(program), "--no-cache"], cwd=folder, capture_output=True, text=True)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_the_contracts_hold(checkout: Path) -> None:
    code, output = lint(checkout)
    assert code == 0, output
    assert "0 broken" in output


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_break_is_found(checkout: Path, name: str) -> None:
    file, line, contract = PLANTED[name]
    planted = checkout / file
    planted.write_text(line)
    try:
        code, output = lint(checkout)
    finally:
        planted.unlink()
    assert code == 1, output
    assert contract in output
    assert "BROKEN" in output or "not in" in output or "undeclared" in output.lower(), output
