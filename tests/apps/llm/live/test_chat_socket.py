"""`/ws` in front of a real gateway worker and a provider that speaks when it is told: what a client sees."""

import json
from typing import Any

import pytest

from tests.apps.llm.live.conftest import MESSAGE, TEXT, Running, Socket, told
from tests.gateway.client import CHAT, get, post
from tests.gateway.conftest import until
from tests.gateway.provider import DONE, stream, usage_chunk
from tests.gateway.test_resume import EVENTS, STREAM, paced


async def test_a_completion_from_first_to_last_frame(served: Running, socket: Socket) -> None:
    served.provider.answers = [stream(*EVENTS, usage_chunk(), DONE)]
    await socket.say({**MESSAGE, "temperature": 0.5, "vendor_field": {"x": 1}})
    assert json.loads(await socket.receive_from()) == {"type": "thinking_status", "id": "a", "status": "waiting"}
    frames = await socket.hear_all()
    assert frames[:-1] == [{"type": "content_chunk", "id": "a", "content": f"{n} ", "seq": n + 1} for n in range(1, 9)]
    (record,) = await served.control.wait_for_records(1)
    assert frames[-1] == {
        "type": "completed",
        "id": "a",
        "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
        "cost": record.cost_nano / 10**9,
        "model": "gpt-4",
        "finish_reason": "stop",
        "seq": 11,
    }
    assert record.request_id == "a"
    (request,) = served.provider.requests
    assert request.json["vendor_field"] == {"x": 1}
    assert "type" not in request.json
    assert "id" not in request.json


async def test_tool_calls_and_thinking_have_frames_of_their_own(served: Running, socket: Socket) -> None:
    def delta(fields: dict[str, Any], finish: str | None = None) -> bytes:
        choices = [{"index": 0, "delta": fields, "finish_reason": finish}]
        return b"data: " + json.dumps({"id": "c", "model": "m", "choices": choices}).encode() + b"\n\n"

    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":'}}
    more = {"index": 0, "function": {"arguments": '"Ulm"}'}}
    events = [
        delta({"reasoning_content": "Hm."}),
        delta({"tool_calls": [call]}),
        delta({"tool_calls": [more]}),
        delta({}, "tool_calls"),
    ]
    served.provider.answers = [stream(*events, DONE)]
    await socket.say(MESSAGE)
    frames = await socket.hear_all()
    assert frames[0] == {"type": "thinking_status", "id": "a", "status": "thinking", "content": "Hm.", "seq": 1}
    assert frames[1] == {
        "type": "tool_call",
        "id": "a",
        "tool": "weather",
        "arguments": '{"city":"Ulm"}',
        "call_id": "call_1",
        "seq": 4,
    }
    assert (frames[2]["type"], frames[2]["finish_reason"]) == ("completed", "tool_calls")


@pytest.mark.parametrize("cut", range(9))
async def test_cut_at_every_event_and_resumed_on_another_socket_nothing_is_missing_or_told_twice(
    served: Running, cut: int
) -> None:
    script = paced(served, *EVENTS, usage_chunk() + DONE)
    first, second = Socket(), Socket()
    await first.connect()
    await first.say({**MESSAGE, "id": f"cut-{cut}"})
    script.send(cut + 1)
    seen = [await first.hear() for _ in range(cut)]
    await until(lambda: served.worker.gateway.replays.live)
    await first.disconnect()
    await second.connect()
    await second.say({"type": "resume", "id": f"cut-{cut}", "after": seen[-1]["seq"] if seen else 0})
    script.send(20)
    seen += await second.hear_all()
    assert told(seen) == TEXT
    assert [frame["seq"] for frame in seen] == [*range(2, 10), 11]
    assert seen[-1]["finish_reason"] == "stop"
    (record,) = await served.control.wait_for_records(1)
    assert (record.outcome, record.estimated) == ("ok", False), "one call, booked once"
    await second.disconnect()


async def test_a_request_of_any_client_is_followed_also_one_that_begins_later(served: Running, socket: Socket) -> None:
    served.provider.answers = [stream(*EVENTS, usage_chunk(), DONE)]
    await socket.say({"type": "resume", "id": "theirs"})
    await socket.say({"type": "ping"})
    assert await socket.hear() == {"type": "pong"}
    await served.ask(post(STREAM, x_request_id="theirs"))
    frames = await socket.hear_all()
    assert told(frames) == TEXT
    assert frames[-1]["usage"]["total_tokens"] == 21


async def test_what_began_here_can_be_read_at_the_gateways_own_door(served: Running, socket: Socket) -> None:
    served.provider.answers = [stream(*EVENTS, usage_chunk(), DONE)]
    await socket.say(MESSAGE)
    await socket.hear_all()
    assert (await served.ask(get("/v1/streams/a?after=8"), "GET")).body.startswith(b"id: 9\n")


async def test_several_completions_run_at_once(served: Running, socket: Socket) -> None:
    served.provider.answers = [stream(*EVENTS, usage_chunk(), DONE, pause=0.01)]
    for n in range(5):
        await socket.say({**MESSAGE, "id": str(n)})
    ended: dict[str, dict[str, Any]] = {}
    texts: dict[str, str] = {}
    while len(ended) < 5:
        frame = await socket.hear()
        if frame["type"] == "completed":
            ended[frame["id"]] = frame
        else:
            texts[frame["id"]] = texts.get(frame["id"], "") + frame["content"]
    assert texts == {str(n): TEXT for n in range(5)}


async def test_without_an_id_one_is_made(served: Running, socket: Socket) -> None:
    served.provider.answers = [stream(*EVENTS, DONE)]
    await socket.say({"type": "completion", **CHAT})
    frames = await socket.hear_all()
    (identity,) = {frame["id"] for frame in frames}
    assert len(identity) > 30


async def test_cancel_ends_the_call_and_says_what_it_cost(served: Running, socket: Socket) -> None:
    script = paced(served, *EVENTS, DONE)
    await socket.say(MESSAGE)
    script.send(3)
    assert told([await socket.hear(), await socket.hear()]) == "1 2 "
    await socket.say({"type": "cancel", "id": "a"})
    frame = await socket.hear()
    assert (frame["type"], frame["id"], frame["finish_reason"]) == ("completed", "a", "cancelled")
    assert frame["usage"]["total_tokens"] > 0
    (record,) = await served.control.wait_for_records(1)
    assert record.outcome == "cancelled"
    await until(lambda: not served.worker.gateway.upstream.connections)


async def test_cancel_before_the_first_event_ends_it_too(served: Running, socket: Socket) -> None:
    paced(served, *EVENTS, DONE)
    await socket.say(MESSAGE)
    await until(lambda: served.provider.requests)
    await socket.say({"type": "cancel", "id": "a"})
    frame = await socket.hear()
    assert (frame["type"], frame["error"]["code"]) == ("error", "stream_cancelled")
