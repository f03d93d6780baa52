"""A product with a provider of every wire, all of them the sandbox: what `test_five_providers.py` talks to.

Azure is there twice, once for each kind of its addresses. The sandbox says the same to the same conversation on every
wire, so whatever differs at the client was changed on the way.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.acceptance.graphql_client import graphql
from tests.acceptance.review import wait_for
from tests.acceptance.running import ROOT, Running

STOP_SECONDS = 20.0
BASES = {
    "openai": "/v1",
    "anthropic": "/v1",
    "google": "/v1beta",
    "ollama": "",
    "azure": "/openai/v1",
    "azure-dated": "/openai",
}
"""The path of each provider's base URL at the sandbox."""
PATHS = {
    "openai": ("/v1/chat/completions", "/v1/chat/completions"),
    "anthropic": ("/v1/messages", "/v1/messages"),
    "google": ("/v1beta/models/m-google:generateContent", "/v1beta/models/m-google:streamGenerateContent"),
    "ollama": ("/api/chat", "/api/chat"),
    "azure": ("/openai/v1/chat/completions", "/openai/v1/chat/completions"),
    "azure-dated": ("/openai/deployments/m-azure-dated/chat/completions",) * 2,
}
"""Where a whole and a streamed chat must arrive."""
EMBEDDING_PATHS = {
    "openai": "/v1/embeddings",
    "google": "/v1beta/models/e-google:batchEmbedContents",
    "ollama": "/api/embed",
    "azure": "/openai/v1/embeddings",
    "azure-dated": "/openai/deployments/e-azure-dated/embeddings",
}
LIST_PATHS = {
    "openai": "/v1/models",
    "anthropic": "/v1/models",
    "google": "/v1beta/models",
    "ollama": "/api/tags",
    "azure": "/openai/v1/models",
    "azure-dated": "/openai/models",
}
"""What a provider may be asked without costing anything."""
CONFIGURE = "mutation($input: LlmProviderConfigInput!) { configureLlmProvider(input: $input) { id } }"


class Five:
    """The running product, and the provider's end of every wire."""

    def __init__(self, product: Running, sandbox_url: str) -> None:
        self.product = product
        self._sandbox = httpx.Client(base_url=sandbox_url)

    def forget(self) -> None:
        self._sandbox.delete("/sandbox/requests").raise_for_status()

    def asked(self, method: str = "POST") -> list[str]:
        """The paths that calls for an answer came to since the last `forget`, in order; with GET, those for lists."""
        found: list[dict[str, Any]] = self._sandbox.get("/sandbox/requests?limit=999").json()["requests"]
        return [request["path"].partition("?")[0] for request in found if request["method"] == method]


@contextmanager
def standing_sandbox(*arguments: str) -> Iterator[str]:
    """A sandbox process; its address, which it tells in its first line."""
    command = [sys.executable, "-m", "llm.sandbox", "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1].removesuffix("/v1")
        process.terminate()
        process.wait(STOP_SECONDS)


@contextmanager
def five_providers() -> Iterator[Five]:
    with standing_sandbox() as url:
        environment = {"HEALTH_CHECK_SECONDS": "1"}
        for name, path in BASES.items():
            if name != "azure-dated":
                environment[f"{name.upper()}_API_KEY"] = f"key-of-{name}"
                environment[f"{name.upper()}_BASE_URL"] = url + path
        with Running(storage="memory", env=environment) as product:
            _configure(product, url)
            yield Five(product, url)


def _configure(product: Running, url: str) -> None:
    for name, path in BASES.items():
        given: dict[str, Any] = {"providerType": name.partition("-")[0], "name": name, "models": _models(name)}
        if name == "azure-dated":
            given |= {"baseUrl": url + path, "apiKey": f"key-of-{name}"}
        graphql(product.control_url, CONFIGURE, input=given)
    wanted = {f"m-{name}" for name in BASES} | {f"e-{name}" for name in EMBEDDING_PATHS}
    models = f"{product.gateway_url}/v1/models"
    wait_for(lambda: {row["id"] for row in httpx.get(models).json()["data"]}, lambda there: wanted <= there, timeout=30)


def _models(name: str) -> list[dict[str, Any]]:
    price = {"costPerInputToken": 0.000001, "costPerOutputToken": 0.000002}
    found: list[dict[str, Any]] = [{"id": f"m-{name}", **price}]
    if name in EMBEDDING_PATHS:
        found.append({"id": f"e-{name}", "capabilities": ["embeddings"], **price})
    return found
