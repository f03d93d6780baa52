"""What docs/how-to/add-a-dialect.md and CONTRIBUTING.md say is enough: a provider as a row, and one with a wire of its own.

Both are made here, of nothing but public seams, and called through a gateway.
"""

import asyncio
import json
from collections.abc import Iterable

import pytest

from billing.core.pricing import Price, Usage
from llm.core.conversation import Choice, Conversation, Reply, Text
from llm.core.deltas import Delta, Finished, Started, TextDelta, UsageDelta
from llm.core.dialects.bridge import Bridge
from llm.core.dialects.crossing import Dialect
from llm.core.dialects.registry import CLIENTS, DIALECTS
from llm.core.dialects.translation import Outgoing, Target, broken, made_id, refused
from llm.core.errors import ProviderError
from llm.core.operations import chat
from llm.core.provider_environment import read_environment
from llm.core.provider_row import ProviderRow
from llm.core.snapshot import Model, Provider, ProviderKey, Snapshot
from tests.gateway.client import post
from tests.gateway.conftest import Running, until
from tests.gateway.provider import Request, http, whole
from tests.gateway.wires import in_parts

KEY = "toy-key-0123456789"


def configured(row: ProviderRow, base_url: str) -> Snapshot:
    """The row with its key and address from an environment, and one model, as a gateway is told."""
    environ = {f"{row.prefixes[0]}_API_KEY": KEY, f"{row.prefixes[0]}_BASE_URL": base_url}
    given = read_environment(row, environ)
    keys = tuple(ProviderKey(str(number), secret) for number, secret in enumerate(given.keys))
    provider = Provider(
        row.name, row.provider_type, row.dialect, given.base_url, row.auth, keys, members=dict(row.members)
    )
    model = Model("toy-1", row.name, "toy-one", price=Price(input=10**9, output=2 * 10**9))
    return Snapshot(2, 1, (provider,), (model,))


async def test_a_provider_that_differs_in_data_is_one_row(gateway: Running) -> None:
    row = ProviderRow(
        name="acorn",
        title="Acorn",
        provider_type="custom",
        base_url="https://api.acorn.example/openai/v2",
        version_path="/openai/v2",
        prefixes=("ACORN",),
        auth="x-api-key",
        members={"max_tokens": "limit", "user": None},
        source="https://acorn.example/docs",
    )
    await gateway.configure(configured(row, gateway.provider.url.removesuffix("/v1")))
    asked = {"model": "toy-1", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5, "user": "u"}
    answer = await gateway.ask(post(asked))
    assert (answer.status, answer.json["choices"][0]["message"]["content"]) == (200, "Hello!")
    assert answer.headers["x-circuit-breaker-dropped"] == "user"
    (sent,) = gateway.provider.requests
    assert sent.line == "POST /openai/v2/chat/completions HTTP/1.1"
    assert sent.headers["x-api-key"] == KEY
    assert sent.json == {"model": "toy-one", "messages": asked["messages"], "limit": 5}


class Toy:
    """A wire nobody has: `{"model", "said": [...]}` goes, `{"say", "read", "wrote"}` comes; in a stream, `+word` lines."""

    def credentials(self, secret: str | None) -> dict[str, str]:
        return {} if secret is None else {"toy-key": secret}

    def encode(self, conversation: Conversation, target: Target) -> Outgoing:
        texts = [part.text for message in conversation.messages for part in message.parts if isinstance(part, Text)]
        body = {"model": target.model, "said": texts, "stream": conversation.stream}
        return Outgoing("/talk", {}, json.dumps(body).encode())

    def decode(self, body: bytes, seed: str) -> Reply:
        try:
            answer = json.loads(body)
            usage = Usage(input=answer["read"], output=answer["wrote"])
            choice = Choice(0, (Text(answer["say"]),), "stop")
        except (ValueError, KeyError, TypeError):
            raise broken("toy", body) from None
        return Reply(made_id("toy-", seed, 0), "toy-one", (choice,), usage)

    def stream(self, seed: str, provider: str, secret: str | None, choices: int = 1) -> "ToyStream":
        return ToyStream(made_id("toy-", seed, 0))

    def decode_error(self, status: int, body: bytes, provider: str, secret: str | None) -> ProviderError:
        return refused(status, body.decode(errors="replace"), provider, secret)


class ToyStream:
    def __init__(self, name: str) -> None:
        self.usage: Usage | None = None
        self.done = False
        self.error: ProviderError | None = None
        self._name = name
        self._begun = False
        self._rest = b""

    def feed(self, data: bytes) -> list[Delta]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [delta for line in lines for delta in self._line(line.decode())]

    def finish(self) -> list[Delta]:
        return []

    def _line(self, line: str) -> Iterable[Delta]:
        if not self._begun:
            self._begun = True
            yield Started(self._name, "toy-one")
        if line.startswith("+"):
            yield TextDelta(0, 0, line[1:])
        elif line.startswith("."):
            read, wrote = map(int, line[1:].split())
            self.usage, self.done = Usage(input=read, output=wrote), True
            yield Finished(0, "stop")
            yield UsageDelta(self.usage)


ROW = ProviderRow(
    name="toy",
    title="Toy",
    provider_type="custom",
    base_url="",
    version_path="",
    prefixes=("TOY",),
    auth="native",
    dialect="toy",
    source="this test",
)


@pytest.fixture
async def toy(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    """A gateway that knows the toy's wire, and one provider of it."""
    translator = Toy()
    bridge = Bridge(translator, CLIENTS[chat.name], stream_types=(b"text/toy",))
    monkeypatch.setitem(DIALECTS, "toy", Dialect(translator.credentials, {chat.name: bridge}))
    await gateway.configure(configured(ROW, gateway.provider.url.removesuffix("/v1")))
    return gateway


def question(**more: object) -> bytes:
    return post({"model": "toy-1", "messages": [{"role": "user", "content": "Hi"}], **more})


async def test_a_provider_with_a_wire_of_its_own_is_a_dialect_and_a_row(toy: Running) -> None:
    toy.provider.answers = [whole({"say": "Hello from a toy", "read": 3, "wrote": 4})]
    answer = await toy.ask(question())
    assert answer.json["choices"][0]["message"]["content"] == "Hello from a toy"
    assert answer.json["usage"]["total_tokens"] == 7
    (sent,) = toy.provider.requests
    assert (sent.line, sent.headers["toy-key"]) == ("POST /talk HTTP/1.1", KEY)
    assert sent.json == {"model": "toy-one", "said": ["Hi"], "stream": False}
    await until(lambda: toy.control.records)
    (record,) = toy.control.records.values()
    assert (record.usage, record.cost_nano) == (Usage(input=3, output=4), 3_000 + 8_000)


async def test_its_streams_come_as_chunks_however_they_are_cut(toy: Running) -> None:
    toy.provider.answers = [in_parts([b"+Hel", b"lo\n+ there\n.", b"3 4\n"], "text/toy")]
    answer = await toy.ask(question(stream=True))
    lines = [line.removeprefix("data: ") for line in answer.body.decode().splitlines() if line]
    chunks = [json.loads(line) for line in lines[:-1]]
    said = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    assert (said, lines[-1]) == ("Hello there", "[DONE]")


async def test_its_refusals_are_errors_without_the_key(toy: Running) -> None:
    async def refuse(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(http(f"no such toy; you are {request.headers['toy-key']}".encode(), 400, "text/plain"))

    toy.provider.answers = [refuse]
    answer = await toy.ask(question())
    assert (answer.status, answer.error["message"]) == (400, "Provider toy: no such toy; you are ***")
