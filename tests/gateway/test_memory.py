"""Calls leave nothing behind that only the garbage collector could free: that is why it may run rarely."""

import gc

from tests.gateway.client import CHAT, Client, post
from tests.gateway.conftest import Running
from tests.gateway.provider import DONE, chunk, stream, usage_chunk, whole

STREAM = {**CHAT, "stream": True}
EVENTS = (chunk(""), chunk("Hello"), chunk(None, "stop"), usage_chunk(), DONE)


async def _garbage_of(gateway: Running, request: bytes, calls: int) -> int:
    """Objects in cycles that `calls` requests on one connection leave behind."""
    client = await Client.connect(gateway.port)
    for _ in range(3):
        client.send(request)
        await client.answer()
    gc.collect()
    gc.disable()
    try:
        for _ in range(calls):
            client.send(request)
            await client.answer()
        return gc.collect()
    finally:
        gc.enable()
        client.close()


async def test_whole_answers_leave_no_cycles(gateway: Running) -> None:
    assert await _garbage_of(gateway, post(), 200) < 200


async def test_streams_leave_no_cycles(gateway: Running) -> None:
    gateway.provider.answers = [stream(*EVENTS)]
    assert await _garbage_of(gateway, post(STREAM), 200) < 200


async def test_refusals_leave_no_cycles(gateway: Running) -> None:
    gateway.provider.answers = [whole({"error": {"message": "no"}}, 400)]
    assert await _garbage_of(gateway, post(), 200) < 200
