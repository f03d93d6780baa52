"""The official OpenAI SDK for JavaScript against the running product, where node exists. The matrix is in `sdk`."""

import json
import subprocess
from pathlib import Path

from tests.acceptance.running import Running


def test_lists_chats_streams_and_names_its_errors(product: Running, javascript: Path) -> None:
    done = subprocess.run(
        ["node", "openai_sdk.mjs", product.gateway_url], capture_output=True, text=True, timeout=60, cwd=javascript
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
