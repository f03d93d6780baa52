"""The ASGI application's own part: how many requests are in work at once."""

import asyncio
from typing import Any

from circuit_breaker.asgi import MAX_REQUESTS, Bounded


async def test_one_request_too_many_is_503_and_a_place_is_free_again_afterwards() -> None:
    go = asyncio.Event()
    statuses: list[int] = []

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        await send({"type": "http.response.start", "status": 200})

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    bounded = Bounded(slow)
    waiting = [asyncio.create_task(bounded({}, None, send)) for _ in range(MAX_REQUESTS)]
    await asyncio.sleep(0)
    await bounded({}, None, send)
    assert statuses == [503]
    go.set()
    await asyncio.gather(*waiting)
    await bounded({}, None, send)
    assert statuses == [503] + [200] * (MAX_REQUESTS + 1)
