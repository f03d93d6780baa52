"""The official OpenAI SDK for JavaScript against the running product, where node exists."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.running import Running
from tests.services import need_program

HERE = Path(__file__).parent / "javascript"


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script beside an installed SDK."""
    need_program("node")
    npm = need_program("npm")
    folder = tmp_path_factory.mktemp("javascript")
    for name in ("package.json", "package-lock.json", "openai_sdk.mjs"):
        shutil.copy(HERE / name, folder)
    done = subprocess.run(
        [npm, "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder / "openai_sdk.mjs"


def test_lists_chats_streams_and_names_its_errors(product: Running, script: Path) -> None:
    done = subprocess.run(
        ["node", str(script), product.gateway_url], capture_output=True, text=True, timeout=60, cwd=script.parent
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert {"auto", "gpt-4"} <= set(seen["models"])
    assert "Hello from JavaScript" in seen["whole"]
    assert seen["finishReason"] == "stop"
    assert seen["chunks"] > 3
    assert "Hello from JavaScript" in seen["streamed"]
    assert seen["dimensions"] == 8
    assert abs(seen["length"] - 1) < 1e-6, "packed in base64 on the way, unpacked by the SDK"
    assert seen["completed"] != ""
    assert "Hello from JavaScript" in seen["responded"]
    assert (seen["events"][0], seen["events"][-1]) == ("response.created", "response.completed")
    assert seen["notFound"] is True
