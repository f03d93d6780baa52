"""A provider's key from each place it may come from, and several of one provider: the provider itself says what it got.

Environment, `.env`, `production.yaml`, admin and `configureLlmProvider`, each for a provider of another wire, in one
running product.
"""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.acceptance.graphql_client import graphql
from tests.acceptance.review import wait_for
from tests.acceptance.running import ROOT, Running

CONFIGURE = "mutation($input: LlmProviderConfigInput!) { configureLlmProvider(input: $input) { id keyCount } }"
FIRST, SECOND, THIRD = "sk-environment-first-01", "sk-environment-second-02", "sk-environment-third-03"
DOTENV, YAML, ADMIN, MUTATION = "sk-of-dotenv-04", "sk-of-yaml-05", "sk-of-admin-06", "sk-of-mutation-07"
HEADERS = {"openai": "authorization", "anthropic": "x-api-key", "google": "x-goog-api-key", "azure": "api-key"}
USER = {"username": "admin", "password": "a-long-enough-word"}


class Provider(BaseHTTPRequestHandler):
    """`/<provider>/...`: answers nothing useful, and notes the key of each call for an answer."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str]]

    def do_GET(self) -> None:
        self._send(404, {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        provider = self.path.split("/")[1]
        key = self.headers.get(HEADERS.get(provider, "authorization"), "").removeprefix("Bearer ")
        self.seen.append((provider, key))
        self._send(400, {"error": {"message": "noted", "type": "invalid_request_error"}})

    def _send(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture(scope="module")
def seen() -> list[tuple[str, str]]:
    return []


@pytest.fixture(scope="module")
def product(seen: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("keys")
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Noting", (Provider,), {"seen": seen}))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    (folder / ".env").write_text(f"ANTHROPIC_API_KEY={DOTENV}\nOPENAI_API_KEY=sk-loses-against-the-environment\n")
    (folder / "production.yaml").write_text(
        "circuit_breaker:\n  providers:\n"
        f'    google: {{api_keys: ["{YAML}"], base_url: "{url}/google/v1beta"}}\n'
        '    anthropic: {api_key: "sk-loses-against-dotenv"}\n'
    )
    environment = {
        "ENV_FILE": str(folder / ".env"),
        "CONFIG_FILE": str(folder / "production.yaml"),
        "OPENAI_API_KEY": FIRST,
        "OPENAI_API_KEYS": f"{SECOND},{THIRD}",
        "OPENAI_BASE_URL": f"{url}/openai/v1",
        "ANTHROPIC_BASE_URL": f"{url}/anthropic/v1",
        "GROQ_BASE_URL": f"{url}/groq/v1",
        "HEALTH_CHECK_SECONDS": "0",
    }
    with Running(storage="sqlite", env=environment, data_dir=folder / "data") as running:
        for name in ("openai", "anthropic", "google"):
            configure(running, {"providerType": name, "name": name})
        configure(
            running, {"providerType": "azure", "name": "azure", "baseUrl": f"{url}/azure/openai/v1", "apiKey": MUTATION}
        )
        configure(running, {"providerType": "groq", "name": "groq"})
        type_in_the_admin(running, "groq", ADMIN)
        wanted = {f"m-{name}" for name in ("openai", "anthropic", "google", "azure", "groq")}
        models = f"{running.gateway_url}/v1/models"
        wait_for(lambda: {row["id"] for row in httpx.get(models).json()["data"]}, lambda there: wanted <= there)
        yield running
    server.shutdown()
    server.server_close()


def configure(product: Running, given: dict[str, Any]) -> None:
    model = {"id": f"m-{given['name']}", "costPerInputToken": 0.000001, "costPerOutputToken": 0.000001}
    graphql(product.control_url, CONFIGURE, input={**given, "models": [model]})


def type_in_the_admin(product: Running, slug: str, key: str) -> None:
    """As a person does: log in, open the provider's page, fill in the one new row of keys, save."""
    make = ["createsuperuser", "--noinput", "--username", USER["username"], "--email", "a@example.com"]
    environment = product.environment | {"DJANGO_SUPERUSER_PASSWORD": USER["password"]}
    subprocess.run([sys.executable, "manage.py", *make], cwd=ROOT, env=environment, check=True, capture_output=True)
    with httpx.Client(base_url=product.control_url, follow_redirects=True, timeout=30) as browser:
        browser.get("/admin/login/")
        browser.post("/admin/login/", data={**USER, "csrfmiddlewaretoken": browser.cookies["csrftoken"]})
        listing = browser.get("/admin/llm/provider/", params={"q": slug}).text
        page = next(part.split('"')[0] for part in listing.split('href="') if "/change/" in part.split('"')[0])
        form = {
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            "name": slug,
            "provider_type": "custom",
            "base_url": product.environment["GROQ_BASE_URL"],
            "auth": "bearer",
            "dialect": "openai",
            "on_hang_up": "cancel",
            "members": "{}",
            "enabled": "on",
            "keys-TOTAL_FORMS": "1",
            "keys-INITIAL_FORMS": "0",
            "keys-0-secret": key,
            "keys-0-label": "mine",
            "keys-0-weight": "1",
            "keys-0-enabled": "on",
        }
        saved = browser.post(page, data=form)
        assert saved.status_code == 200
        assert key not in saved.text
        assert "was changed successfully" in saved.text, saved.text[-3000:]


def ask(product: Running, name: str) -> None:
    body = {"model": f"m-{name}", "messages": [{"role": "user", "content": "Hi"}]}
    answer = httpx.post(f"{product.gateway_url}/v1/chat/completions", json=body, timeout=30)
    assert (answer.status_code, "noted" in answer.text) == (400, True), answer.text


@pytest.mark.parametrize(
    ("name", "key"),
    [("anthropic", DOTENV), ("google", YAML), ("groq", ADMIN), ("azure", MUTATION)],
    ids=["dotenv", "production.yaml", "admin", "mutation"],
)
def test_a_key_from_anywhere_reaches_its_provider(
    product: Running, seen: list[tuple[str, str]], name: str, key: str
) -> None:
    seen.clear()
    ask(product, name)
    assert seen == [(name, key)]


def test_several_keys_of_one_provider_share_its_calls(product: Running, seen: list[tuple[str, str]]) -> None:
    """Both variables of the environment together, three keys, each with its share."""
    seen.clear()
    for _ in range(60):
        ask(product, "openai")
    shares = Counter(key for _, key in seen)
    assert set(shares) == {FIRST, SECOND, THIRD}
    assert min(shares.values()) >= 8, shares
