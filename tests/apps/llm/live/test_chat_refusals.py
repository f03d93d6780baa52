"""`/ws`: what is wrong, too much, too slow, not there or not yours is said, and the socket goes on."""

import asyncio
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.test import override_settings

from circuit_breaker.asgi import sockets
from llm.consumers import chat
from tests.apps.llm.live.conftest import MESSAGE, TEXT, Running, Socket, told
from tests.gateway.client import post
from tests.gateway.conftest import until
from tests.gateway.provider import DONE, chunk, stream, whole
from tests.gateway.test_admission import OTHER, SIGNED, a_key, grant
from tests.gateway.test_resume import EVENTS, STREAM, paced


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("nonsense", "bad_message"),
        ({"type": "dance"}, "bad_message"),
        ({"type": "cancel", "id": "nobody"}, "bad_message"),
        ({**MESSAGE, "model": "no-such-model"}, "model_not_found"),
        ({**MESSAGE, "messages": []}, None),
        ({"type": "completion", "id": "a"}, None),
        ({**MESSAGE, "max_tokens": -1}, None),
    ],
)
async def test_what_is_wrong_is_said_and_the_socket_goes_on(
    served: Running, socket: Socket, message: Any, code: str | None
) -> None:
    await socket.say(message)
    frame = await socket.hear()
    assert (frame["type"], frame["error"]["code"], frame["error"]["type"]) == ("error", code, "invalid_request_error")
    served.provider.answers = [stream(*EVENTS, DONE)]
    await socket.say(MESSAGE)
    assert told(await socket.hear_all()) == TEXT


async def test_bytes_are_refused_and_the_socket_goes_on(socket: Socket) -> None:
    await socket.send_to(bytes_data=b"\x00\x01")
    assert (await socket.hear())["error"]["code"] == "bad_message"
    await socket.say({"type": "ping"})
    assert await socket.hear() == {"type": "pong"}


async def test_an_id_in_use_and_one_completion_too_many_are_refused(
    served: Running, socket: Socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "MAX_RUNNING", 2)
    paced(served, *EVENTS, DONE)
    await socket.say(MESSAGE)
    await socket.say(MESSAGE)
    assert "runs on this socket already" in (await socket.hear())["error"]["message"]
    await socket.say({**MESSAGE, "id": "b"})
    await socket.say({**MESSAGE, "id": "c"})
    frame = await socket.hear()
    assert (frame["id"], "2 completions run" in frame["error"]["message"]) == ("c", True)


async def test_a_provider_that_fails_and_one_that_breaks_off(served: Running, socket: Socket) -> None:
    served.provider.answers = [whole({"error": {"message": "No.", "type": "server_error"}}, 500)]
    await socket.say(MESSAGE)
    assert "No." in (await socket.hear())["error"]["message"]
    served.provider.answers = [stream(*EVENTS[:3], end=b"")]
    await socket.say(MESSAGE)
    frames = await socket.hear_all()
    assert told(frames) == "1 2 "
    assert (frames[-1]["type"], frames[-1]["error"]["code"]) == ("error", "provider_broken")


async def test_places_that_cannot_be_had_are_named(served: Running, socket: Socket) -> None:
    served.worker.gateway.replays.stream_bytes = 1_000
    served.provider.answers = [stream(*EVENTS, DONE, pause=0.01)]
    await served.ask(post(STREAM, x_request_id="long"))
    await socket.say({"type": "resume", "id": "long", "after": 1})
    assert (await socket.hear())["error"]["code"] == "stream_events_forgotten"
    await socket.say({"type": "resume", "id": "long", "after": 99})
    assert (await socket.hear())["error"]["param"] == "after"
    await socket.say({"type": "resume", "id": "long", "after": 10})
    frame = await socket.hear()
    assert (frame["type"], frame["seq"]) == ("completed", 11), "all of it was seen; only the end is told"


async def test_a_stream_that_does_not_begin_is_given_up(socket: Socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "WAIT_SECONDS", 0.3)
    await socket.say({"type": "resume", "id": "never"})
    frame = await socket.hear()
    assert (frame["id"], frame["error"]["code"]) == ("never", "stream_not_found")


async def test_the_gateway_away_is_an_error_frame(socket: Socket) -> None:
    with override_settings(GATEWAY_URL="http://127.0.0.1:1/v1"):
        await socket.say(MESSAGE)
        frame = await socket.hear()
    assert (frame["error"]["code"], frame["error"]["retry_after"]) == ("unavailable", 1)


async def test_the_key_of_the_handshake_is_the_gateways_to_judge(served: Running) -> None:
    await grant(served, a_key())
    served.provider.answers = [stream(*EVENTS, DONE)]
    for headers, outcome in (
        ([(b"authorization", SIGNED["Authorization"].encode())], "completed"),
        ([(b"x-api-key", f"{OTHER}x".encode())], "invalid_api_key"),
    ):
        client = Socket(*headers)
        await client.connect()
        await client.say(MESSAGE)
        last = (await client.hear_all())[-1]
        assert outcome in (last["type"], last.get("error", {}).get("code"))
        await client.disconnect()
    (record,) = await served.control.wait_for_records(1)
    assert record.api_key == "12"


async def test_a_strangers_stream_is_not_found(served: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "WAIT_SECONDS", 0.2)
    await grant(served, a_key())
    served.provider.answers = [stream(*EVENTS, DONE)]
    await served.ask(post(STREAM, x_request_id="mine", **SIGNED))
    stranger, owner = Socket(), Socket((b"authorization", SIGNED["Authorization"].encode()))
    for client, kind in ((stranger, "error"), (owner, "completed")):
        await client.connect()
        await client.say({"type": "resume", "id": "mine"})
        assert (await client.hear_all())[-1]["type"] == kind
        await client.disconnect()


async def test_a_client_that_does_not_read_makes_the_gateway_wait(
    served: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sending waits for the client (`circuit_breaker/server.py`); meanwhile next to nothing is held here."""
    reading = asyncio.Event()
    held = chat.ChatConsumer.send

    async def slowly(self: chat.ChatConsumer, text_data: str | None = None, **more: Any) -> None:
        if text_data is not None and '"content_chunk"' in text_data:
            await reading.wait()
        await held(self, text_data, **more)

    monkeypatch.setattr(chat.ChatConsumer, "send", slowly)
    served.provider.answers = [stream(*[chunk("x" * 60_000)] * 300, chunk(None, "stop"), DONE)]
    client = Socket()
    await client.connect()
    await client.say(MESSAGE)
    await until(lambda: served.worker.gateway.replays.live)
    await asyncio.sleep(0.5)
    (replay,) = served.worker.gateway.replays.live
    assert not replay.ended, "the provider is paused"
    reading.set()
    assert len(told(await client.hear_all())) == 300 * 60_000
    await client.disconnect()


async def test_a_foreign_page_is_refused_before_the_handshake(served: Running) -> None:
    assert not (await Socket((b"origin", b"https://evil.example")).connect())[0]
    for origin in (b"http://localhost:4000", b"http://localhost:5173"):
        client = Socket((b"origin", origin))
        assert (await client.connect())[0]
        await client.disconnect()


async def test_with_a_subprotocol_ws_is_graphql_and_without_one_graphql_is_not_chat() -> None:
    graphql = WebsocketCommunicator(sockets, "/ws", subprotocols=["graphql-transport-ws"])
    assert await graphql.connect() == (True, "graphql-transport-ws")
    await graphql.disconnect()
    assert await Socket(path="/graphql").connect() == (True, None)  # accepted, to be closed with 4406
