"""Recorded exchanges with Azure OpenAI: one folder a case in `azure/`, `note.txt` says what it shows and its source.

`request.json` (a client's) becomes `sent.json`: path, key header and body; `provider.json` may give another address.
Answers pass as bytes, whole (`back.json`) and streamed (`back.txt`, also cut at every byte); what a client of another
wire reads in them is `reply.json` and `streamed.json`, equal where both are given. `errors.json`: bodies by status.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from llm.core import sse
from llm.core.assembly import assemble
from llm.core.deltas import Delta
from llm.core.dialects.openai_chat import translator
from llm.core.dialects.registry import DIALECTS
from llm.core.operations import OPERATIONS, Attempt
from llm.core.routing import Catalogue, choose
from llm.core.snapshot import Model, Provider, ProviderKey, Snapshot
from tests.wire.exchanges import SECRET, shown, written

HERE = Path(__file__).parent / "azure"
CASES = sorted(folder for folder in HERE.iterdir() if folder.is_dir())
CHAT = next(one for one in OPERATIONS.values() if one.path == "/chat/completions")
AZURE = DIALECTS["azure"]
CROSSING = AZURE.crossings[CHAT.name]
USUAL = {"base_url": "https://res.openai.azure.com/openai/v1", "upstream": "my-gpt"}
KNOWN = {"note.txt", "provider.json", "request.json", "sent.json", "back.json", "reply.json", "back.txt"}
KNOWN |= {"streamed.json", "errors.json"}


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def having(name: str) -> list[Any]:
    return [pytest.param(case, id=case.name) for case in CASES if (case / name).exists()]


def attempt_of(case: Path, *, streamed: bool = False) -> Attempt:
    given = {**USUAL, **(read(case / "provider.json") if (case / "provider.json").exists() else {})}
    upstream, key = given.pop("upstream"), ProviderKey("1", SECRET)
    provider = Provider("azure", "azure", "azure", auth="api-key", keys=(key,), **given)
    catalogue = Catalogue(Snapshot(1, 0, (provider,), (Model("m", "azure", upstream),)))
    plain = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    request = read(case / "request.json") if (case / "request.json").exists() else plain
    if streamed:
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    body = json.dumps(request).encode()
    asked = CHAT.read(body)
    return Attempt(CHAT, asked, body, choose(CHAT, asked, catalogue)[0], SECRET, "seed", 0)


def test_every_case_has_a_source_and_only_files_that_are_read() -> None:
    for case in CASES:
        assert "Source: https://learn.microsoft.com/" in (case / "note.txt").read_text(), case
        files = {file.name for file in case.iterdir()}
        assert files <= KNOWN, case
        for left, right in [("request.json", "sent.json"), ("back.json", "reply.json"), ("back.txt", "streamed.json")]:
            assert (left in files) == (right in files), case


@pytest.mark.parametrize("case", having("request.json"))
def test_what_azure_is_sent(case: Path) -> None:
    attempt = attempt_of(case)
    outgoing, provider = CROSSING.encode(attempt), attempt.deployment.provider
    sent = {
        "url": provider.base_url + outgoing.path,
        "headers": {**AZURE.credentials(provider, provider.keys[0]), **outgoing.headers},
        "body": json.loads(outgoing.body),
    }
    assert sent == read(case / "sent.json")


@pytest.mark.parametrize("case", having("back.json"))
def test_what_a_client_gets(case: Path) -> None:
    body = (case / "back.json").read_bytes()
    out, usage, dropped = CROSSING.decode(attempt_of(case), body)
    assert (out, dropped) == (body, ())
    reply = translator.decode(body, "seed")
    assert usage == reply.usage
    assert written(reply) == read(case / "reply.json")


def deltas_of(pieces: list[bytes]) -> tuple[list[Delta], Any]:
    decoder = translator.stream("seed", "azure", SECRET)
    found = [delta for piece in pieces for delta in decoder.feed(piece)]
    return [*found, *decoder.finish()], decoder


@pytest.mark.parametrize("case", having("back.txt"))
def test_what_a_streaming_client_gets(case: Path) -> None:
    stream, attempt = (case / "back.txt").read_bytes(), attempt_of(case, streamed=True)
    at_once, decoder = deltas_of([stream])
    found = {**written(assemble(at_once)), "done": decoder.done}
    if decoder.error is not None:
        found["error"] = shown(decoder.error)
    assert found == read(case / "streamed.json")
    if (case / "reply.json").exists():
        assert found == {**read(case / "reply.json"), "done": True}
    for cut in range(len(stream) + 1):
        assert deltas_of([stream[:cut], stream[cut:]])[0] == at_once, f"cut at byte {cut}"
        passed = CROSSING.stream(attempt)
        out = passed.feed(stream[:cut]) + passed.feed(stream[cut:]) + passed.finish()
        assert (passed.done, passed.usage) == (decoder.done, decoder.usage)
        if decoder.error is None:
            assert out == stream.removesuffix(sse.DONE), f"cut at byte {cut}"
        else:
            assert passed.error is not None
            assert stream.startswith(out)


@pytest.mark.parametrize("case", having("errors.json"))
def test_errors_by_status(case: Path) -> None:
    for error in read(case / "errors.json"):
        found = CROSSING.decode_error(attempt_of(case), error["status"], json.dumps(error["body"]).encode())
        assert shown(found) == error["shown"]
        assert SECRET not in found.message
