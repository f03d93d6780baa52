"""What holds for the clients of every wire but chat's alike: streams that pass as they came, and that can be read again."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from billing.core.pricing import Usage
from tests.gateway.client import post
from tests.gateway.conftest import Running
from tests.gateway.wires import ANTHROPIC, CACHED, GOOGLE, OLLAMA, OPENAI_RESPONSES, READ, WRITTEN, Wire


class Client(msgspec.Struct, frozen=True):
    """A client's wire. `asks` gives the path and the body of a request for a stream; `own` is the provider's same wire."""

    name: str
    own: Wire
    asks: Callable[[Wire], tuple[str, dict[str, Any]]]


HI = [{"role": "user", "content": "Hi"}]
CLIENTS = [
    Client(
        "messages",
        ANTHROPIC,
        lambda wire: (
            "/v1/messages",
            {"model": f"m-{wire.name}", "max_tokens": 50, "stream": True, "messages": HI},
        ),
    ),
    Client(
        "contents",
        GOOGLE,
        lambda wire: (
            f"/v1beta/models/m-{wire.name}:streamGenerateContent?alt=sse",
            {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
        ),
    ),
    Client(
        "responses",
        OPENAI_RESPONSES,
        lambda wire: ("/v1/responses", {"model": f"m-{wire.name}", "stream": True, "input": HI}),
    ),
]
each = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)


@each
async def test_at_the_provider_of_its_own_wire_a_stream_passes_as_it_came(bridged: Running, client: Client) -> None:
    bridged.provider.answers = [client.own.says(streamed=True)]
    path, asked = client.asks(client.own)
    answer = await bridged.ask(post(asked, path))
    assert answer.body == b"".join(client.own.text_parts)
    assert bridged.provider.requests[0].line == f"POST {client.own.streamed_path} HTTP/1.1"
    (record,) = await bridged.control.wait_for_records(1)
    assert record.usage == Usage(input=READ - CACHED, cached_input=CACHED, output=WRITTEN)
    assert (record.estimated, record.outcome) == (False, "ok")


@each
@pytest.mark.parametrize("wire", [ANTHROPIC, GOOGLE, OLLAMA], ids=lambda wire: wire.name)
async def test_a_stream_can_be_read_again(bridged: Running, client: Client, wire: Wire) -> None:
    bridged.provider.answers = [wire.says(streamed=True)]
    path, asked = client.asks(wire)
    first = (await bridged.ask(post(asked, path, x_request_id="again"))).body
    again = await bridged.ask(b"GET /v1/streams/again?after=0 HTTP/1.1\r\nHost: x\r\n\r\n", "GET")
    assert [one for one in again.body.splitlines() if not one.startswith(b"id: ")] == first.splitlines()
