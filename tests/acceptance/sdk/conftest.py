"""One product for the whole matrix, the sandbox's record of what reached it, and a tee for what the SDK sent."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.acceptance.running import Running, free_port
from tests.acceptance.sdk.five import Five, five_providers

FAULT = "x-sandbox-fault"


class Matrix:
    """The running product, and the provider's end of it."""

    def __init__(self, product: Running, sandbox_url: str) -> None:
        self.product = product
        self._sandbox = httpx.Client(base_url=sandbox_url)

    def forget(self) -> None:
        self._sandbox.delete("/sandbox/requests").raise_for_status()

    def arrived(self) -> list[dict[str, Any]]:
        """What has reached the provider since the last `forget`."""
        found: list[dict[str, Any]] = self._sandbox.get("/sandbox/requests?limit=999").json()["requests"]
        return found

    def bodies(self) -> list[bytes]:
        return [base64.b64decode(request["body_base64"]) for request in self.arrived()]


class Tee:
    """Keeps every body the SDK sends. A fault is only for the first try: a retry goes without it."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def sync_hook(self, request: Any) -> None:
        if request.headers.get("x-stainless-retry-count", "0") != "0":
            request.headers.pop(FAULT, None)
        self.sent.append(request.content)

    async def hook(self, request: Any) -> None:
        self.sync_hook(request)


@pytest.fixture(scope="package")
def matrix() -> Iterator[Matrix]:
    port = free_port()
    with Running(storage="memory", env={"SANDBOX_PORT": str(port)}) as product:
        yield Matrix(product, f"http://127.0.0.1:{port}")


@pytest.fixture(scope="package")
def shared_client(matrix: Matrix) -> Iterator[tuple[openai.OpenAI, Tee]]:
    """One for all tests: to make one takes longer than a call."""
    tee = Tee()
    http_client = openai.DefaultHttpxClient(event_hooks={"request": [tee.sync_hook]})
    url = f"{matrix.product.gateway_url}/v1"
    with openai.OpenAI(base_url=url, api_key="not-needed", max_retries=0, http_client=http_client) as client:
        yield client, tee


@pytest.fixture
def tee(matrix: Matrix, shared_client: tuple[openai.OpenAI, Tee]) -> Tee:
    """What has been sent in this test; the provider's record begins anew with it."""
    matrix.forget()
    shared_client[1].sent.clear()
    return shared_client[1]


@pytest.fixture
def client(tee: Tee, shared_client: tuple[openai.OpenAI, Tee]) -> openai.OpenAI:
    return shared_client[0]


@pytest.fixture(scope="package")
def five() -> Iterator[Five]:
    with five_providers() as running:
        yield running
