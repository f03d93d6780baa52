"""A client of `/ws`, and the real gateway worker behind it: fixtures for the tests of sockets and streams."""

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from channels.testing import WebsocketCommunicator
from django.test import override_settings

from circuit_breaker.asgi import sockets
from llm.gateway.settings import Settings
from tests.gateway.client import CHAT
from tests.gateway.conftest import Running, control, door, gateway, provider
from tests.gateway.conftest import settings as gateway_settings

__all__ = ["control", "door", "gateway", "gateway_settings", "provider", "served", "settings", "socket"]

MESSAGE = {"type": "completion", "id": "a", **CHAT}
TEXT = "1 2 3 4 5 6 7 8 "
"""What the events of `tests/gateway/test_resume.py` say."""


@pytest.fixture
def settings(gateway_settings: Settings) -> Settings:
    return msgspec.structs.replace(gateway_settings, grace_seconds=2.0)


class Socket(WebsocketCommunicator):
    """A client."""

    def __init__(self, *headers: tuple[bytes, bytes], path: str = "/ws") -> None:
        super().__init__(sockets, path, headers=[(b"host", b"localhost:4000"), *headers])

    async def say(self, message: Any) -> None:
        await self.send_to(text_data=message if isinstance(message, str) else json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        """The next frame, but for the status that only says that a request is under way."""
        while True:
            frame: dict[str, Any] = json.loads(await self.receive_from(timeout=5))
            if frame.get("status") != "waiting":
                return frame

    async def hear_all(self) -> list[dict[str, Any]]:
        """To the end of one completion."""
        found = [await self.hear()]
        while found[-1]["type"] not in ("completed", "error"):
            found.append(await self.hear())
        return found


@pytest.fixture
async def served(gateway: Running) -> AsyncIterator[Running]:
    with override_settings(GATEWAY_URL=f"http://127.0.0.1:{gateway.port}/v1", REQUEST_TIMEOUT_SECONDS=5.0):
        yield gateway


@pytest.fixture
async def socket(served: Running) -> AsyncIterator[Socket]:
    client = Socket()
    assert await client.connect() == (True, None)
    yield client
    await client.disconnect()


def told(frames: list[dict[str, Any]]) -> str:
    return "".join(frame["content"] for frame in frames if frame["type"] == "content_chunk")
