"""Recorded exchanges on OpenAI's wire: what comes in, what goes to the provider, what comes back, what goes out.

A folder for each operation, in it one for each case. `request.json` and `upstream_request.json` are compared byte by
byte; `upstream_reply.txt` becomes `reply.txt` and the usage in `expected.json`. A stream is fed whole and split at
every byte; its `reply.txt` ends with what the gateway sends last: the ending it held back, or, where the case names an
`error`, the failure.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from billing.core.pricing import Price, Usage
from llm.core.dialects import openai
from llm.core.operations import OPERATIONS, Attempt, Operation
from llm.core.routing import Catalogue, choose
from llm.core.snapshot import Model, Provider, Snapshot

ROOT = Path(__file__).parent / "openai"
CASES = sorted(folder for folder in ROOT.glob("*/*") if folder.is_dir())
PROVIDER = Provider("openai", "openai", "openai", "http://provider.test/v1", auth="none")
PRICE = Price(input=30_000_000_000, output=60_000_000_000)
MODELS = (
    Model("gpt-4", "openai", "gpt-4", aliases=("fast",), price=PRICE),
    Model("text-embedding-3-small", "openai", "text-embedding-3-small", capabilities=("embeddings",), price=PRICE),
)
CATALOGUE = Catalogue(Snapshot(1, 0, (PROVIDER,), MODELS))
SECRET = "sk-very-secret"


def operation_of(folder: Path) -> Operation:
    return next(one for one in OPERATIONS.values() if one.name.split()[0] == folder.parent.name)


def attempt_of(folder: Path) -> Attempt:
    operation, body = operation_of(folder), (folder / "request.json").read_bytes()
    request = operation.read(body)
    return Attempt(operation, request, body, choose(operation, request, CATALOGUE)[0], SECRET, "1", 0)


def expected(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "expected.json").read_text())
    return found


def test_every_operation_has_cases() -> None:
    others = {"messages", "token", "content"}  # Anthropic's, which this wire does not carry as bytes
    assert {folder.parent.name for folder in CASES} == {one.name.split()[0] for one in OPERATIONS.values()} - others


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_what_the_provider_is_sent(folder: Path) -> None:
    outgoing = openai.encode(attempt_of(folder))
    assert outgoing.body == (folder / "upstream_request.json").read_bytes()
    assert outgoing.path == operation_of(folder).path


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_what_the_client_gets(folder: Path) -> None:
    attempt, told = attempt_of(folder), expected(folder)
    back, reply = (folder / "upstream_reply.txt").read_bytes(), (folder / "reply.txt").read_bytes()
    usage = None if told["usage"] is None else msgspec.convert(told["usage"], Usage)
    if not attempt.request.stream:
        assert openai.decode(attempt, back) == (reply, usage, ())
        return
    for cut in range(len(back) + 1):
        decoder = openai.stream(attempt)
        out = decoder.feed(back[:cut]) + decoder.feed(back[cut:]) + decoder.finish()
        last = decoder.ending if decoder.error is None else decoder.failure(decoder.error)
        assert out + last == reply, f"split at byte {cut}"
        assert (decoder.usage, decoder.done) == (usage, told["done"])
        assert (decoder.error.wire_code if decoder.error else None) == told.get("error")
