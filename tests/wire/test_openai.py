"""Recorded exchanges in OpenAI's dialect: what comes in, what goes to the provider, what comes back, what goes out.

One folder a case: `request.json` and `upstream_request.json` are compared byte by byte; `upstream_reply.txt` becomes
`reply.txt` and the usage in `expected.json`. A stream is fed whole and split at every byte.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from billing.core.pricing import Usage
from llm.core import chat
from llm.core.dialects import openai
from llm.core.routing import Catalogue, Deployment, choose
from llm.core.snapshot import Model, Provider, Snapshot

CASES = sorted(folder for folder in (Path(__file__).parent / "openai").iterdir() if folder.is_dir())
PROVIDER = Provider("openai", "openai", "openai", "http://provider.test/v1", auth="none")
MODEL = Model("gpt-4", "openai", "gpt-4", aliases=("fast",))


@pytest.fixture
def deployment() -> Deployment:
    request = chat.decode(b'{"model":"gpt-4","messages":[{"role":"user","content":"x"}]}')
    return choose(request, Catalogue(Snapshot(1, 0, (PROVIDER,), (MODEL,))))[0]


def expected(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "expected.json").read_text())
    return found


def test_there_are_cases() -> None:
    assert len(CASES) >= 5


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_what_the_provider_is_sent(folder: Path, deployment: Deployment) -> None:
    body = (folder / "request.json").read_bytes()
    sent = openai.encode(body, chat.decode(body), deployment)
    assert sent == (folder / "upstream_request.json").read_bytes()


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_what_the_client_gets(folder: Path) -> None:
    request = chat.decode((folder / "request.json").read_bytes())
    back, reply = (folder / "upstream_reply.txt").read_bytes(), (folder / "reply.txt").read_bytes()
    usage = msgspec.convert(expected(folder)["usage"], Usage)
    if not request.stream:
        assert openai.decode(back) == (reply, usage)
        return
    for cut in range(len(back) + 1):
        decoder = openai.stream(request, "openai", None)
        out = decoder.feed(back[:cut]) + decoder.feed(back[cut:]) + decoder.finish()
        assert out == reply, f"split at byte {cut}"
        assert (decoder.usage, decoder.done, decoder.error) == (usage, expected(folder)["done"], None)
