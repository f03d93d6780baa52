"""README's examples run as printed, but for hosts and ports, against the running product.

All shell blocks run in one shell, in order, as a reader would paste them. A block that must not run stands under a
comment `<!-- readme-test: not run (why) -->`; those are counted, so that none slips in.
"""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.graphql_client import Subscription, graphql
from tests.acceptance.running import Running
from tests.services import need_program

ROOT = Path(__file__).resolve().parents[2]
JAVASCRIPT = Path(__file__).parent / "javascript"
BLOCK = re.compile(
    r"(?:<!-- readme-test: not run \((?P<why>[^)]+)\) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```", re.M | re.S
)
NOT_RUN = 5
END = "\x1e"
"""Printed after each shell block, so that their outputs can be told apart."""


@dataclass(frozen=True)
class Block:
    language: str
    code: str
    why_not: str | None


BLOCKS = [Block(m["language"], m["code"], m["why"]) for m in BLOCK.finditer((ROOT / "README.md").read_text())]


def runnable(language: str) -> list[str]:
    return [block.code for block in BLOCKS if block.language == language and block.why_not is None]


def pointed_at(product: Running, code: str) -> str:
    """The code with the product's addresses in place of the printed ones."""
    return code.replace("http://localhost:3000", product.gateway_url).replace(
        "http://localhost:4000", product.control_url
    )


@pytest.fixture(scope="module")
def shell(product: Running) -> list[str]:
    """What each shell block printed."""
    for program in ("bash", "curl", "sed"):
        need_program(program)
    script = "set -euo pipefail\n" + "".join(f"{code}\nprintf '{END}'\n" for code in runnable("bash"))
    command = ["timeout", "60", "bash", "-c", pointed_at(product, script)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"exit code {done.returncode}:\n{done.stdout}\n{done.stderr}\n{product.logs()}"
    return done.stdout.split(END)[:-1]


def test_each_block_is_run_or_says_why_not() -> None:
    assert {block.language for block in BLOCKS} == {"bash", "python", "javascript", "graphql", "text"}
    assert len([block for block in BLOCKS if block.why_not]) == NOT_RUN
    assert (ROOT / "README.md").read_text().count("readme-test:") == NOT_RUN


def test_shell_asks_the_gateway(shell: list[str]) -> None:
    whole, stream, looks = shell[0], shell[1], shell[2]
    assert json.loads(whole)["choices"][0]["message"]["content"].endswith("You said: Hello!")
    assert stream.rstrip().endswith("data: [DONE]")
    words = [
        json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
        for line in stream.splitlines()
        if line.startswith("data: {")
    ]
    assert "".join(words).endswith("You said: Write a poem")
    models, gateway, control = _values(looks)
    assert {"auto", "gpt-4"} <= {model["id"] for model in models["data"]}
    assert gateway["status"] == "ok"
    assert control["status"] == "ok"


def test_shell_has_a_document_reviewed(shell: list[str]) -> None:
    placed = json.loads(shell[5])["data"]["createPlaceAgentConfig"]
    assert placed["placeId"] == "review"
    (submitted,) = _values(shell[6])
    assert submitted["data"]["fireTransition"]["place"] == "review"
    (seen,) = _values(shell[7])
    token = seen["data"]["token"]
    assert token["place"] == "approved"
    assert token["data"]["approved"] is True
    assert "We ship on Friday." in token["data"]["comments"]
    fired = [step["transition"] for step in token["history"] if step["transition"]]
    assert fired == ["submit", "approve"]
    (execution,) = seen["data"]["tokenExecutions"]
    assert execution["status"] == "COMPLETED"
    assert len(shell) == 8


def test_python_runs(product: Running) -> None:
    (code,) = runnable("python")
    done = subprocess.run([sys.executable, "-c", pointed_at(product, code)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    whole, stream = done.stdout.splitlines()
    assert whole.endswith("You said: Hello!")
    assert stream.endswith("You said: Write a story")


def test_javascript_runs(product: Running, tmp_path: Path) -> None:
    need_program("node")
    npm = need_program("npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(JAVASCRIPT / name, tmp_path)
    install = [npm, "ci", "--silent", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (code,) = runnable("javascript")
    script = tmp_path / "readme.mjs"
    script.write_text(pointed_at(product, code))
    done = subprocess.run(["node", str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("You said: Write a poem")


def test_graphql_queries_answer_and_the_subscription_sees_an_event(product: Running, shell: list[str]) -> None:
    providers, costs, watch = runnable("graphql")
    control = product.control_url
    assert {"openai", "anthropic"} <= {row["providerType"] for row in graphql(control, providers)["llmProviders"]}
    assert graphql(control, costs)["costAnalytics"]["totalCost"] > 0
    with Subscription(control, watch) as live:
        made = 'mutation { createToken(input: {workflowId: "document_review", data: {content: "x"}}) { id } }'
        token = graphql(control, made)["createToken"]["id"]
        assert live.wait(1)[0]["tokenId"] == token


def _values(text: str) -> list[Any]:
    """JSON values that follow one another."""
    found: list[Any] = []
    decoder = json.JSONDecoder()
    while text := text.strip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:]
    return found
