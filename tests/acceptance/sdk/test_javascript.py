"""The official SDK for JavaScript: the same parameter rows as for Python, byte by byte, and its helpers."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

from tests.acceptance.sdk.conftest import Matrix
from tests.acceptance.sdk.matrix import ALWAYS, HELPERS, PARAMETERS
from tests.acceptance.sdk.test_python import check_bytes


def run(folder: Path, *arguments: str) -> Any:
    done = subprocess.run(["node", *arguments], cwd=folder, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_parameter(javascript: Path, matrix: Matrix) -> None:
    rows = [{"operation": row.operation, "given": {**ALWAYS[row.operation], **row.given}} for row in PARAMETERS]
    (javascript / "rows.json").write_text(json.dumps(rows))
    matrix.forget()
    seen = run(javascript, "parameters.mjs", matrix.product.gateway_url, "rows.json")
    wrong = {row.name: one["wrong"] for row, one in zip(PARAMETERS, seen, strict=True) if one["wrong"]}
    assert wrong == {}
    for row, one, arrived in zip(PARAMETERS, seen, matrix.bodies(), strict=True):
        check_bytes(row, base64.b64decode(one["sent"]), arrived)


def test_every_helper(javascript: Path, matrix: Matrix) -> None:
    seen = run(javascript, "helpers.mjs", matrix.product.gateway_url)
    assert {name: problem for name, problem in seen.items() if problem} == {}
    assert set(seen) == set(HELPERS["JavaScript"].values())
