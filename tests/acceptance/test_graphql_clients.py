"""GraphQL clients others wrote, against the running product: Apollo, graphql-ws, graphql-sse and the older
subscriptions-transport-ws from npm, and gql from PyPI. Each asks, changes, follows, is cut and goes on."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from gql import Client, gql
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport

from tests.acceptance.running import Running

WORKFLOWS = ["document_review", "software_deployment"]
CREATE = 'mutation { createToken(input: {workflowId: "document_review"}) { id } }'
FOLLOW = """subscription ($after: String) {
  workflowEvents(workflowId: "document_review", after: $after) { position tokenId } }"""


@pytest.fixture(scope="module")
def seen(product: Running, javascript: Path) -> dict[str, Any]:
    """What the clients from npm saw; more in the script."""
    done = subprocess.run(
        ["node", "graphql_clients.mjs", product.control_url], capture_output=True, text=True, timeout=90, cwd=javascript
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("client", ["apollo", "socket", "events", "legacy"])
def test_a_client_from_npm_asks_changes_follows_and_goes_on_after_a_cut(seen: dict[str, Any], client: str) -> None:
    assert set(WORKFLOWS) <= set(seen[f"{client}Query"])
    assert len(seen[client]["made"]) == 3
    assert seen[client]["told"] == seen[client]["made"]


def test_the_older_client_is_told_what_is_wrong(seen: dict[str, Any]) -> None:
    assert "Cannot query field 'nonsense'" in seen["legacyError"]


@pytest.mark.parametrize("subprotocol", ["graphql-transport-ws", "graphql-ws"])
async def test_gql_asks_changes_follows_and_goes_on_after_a_cut(product: Running, subprotocol: str) -> None:
    over_http = HTTPXAsyncTransport(f"{product.control_url}/graphql")
    async with Client(transport=over_http, fetch_schema_from_transport=True) as http:
        assert set(WORKFLOWS) <= {each["id"] for each in (await http.execute(gql("{ workflows { id } }")))["workflows"]}

        async def made() -> str:
            return str((await http.execute(gql(CREATE)))["createToken"]["id"])

        first = await made()
        position = await followed(product, subprotocol, "0", first)
        missed, next_one = await made(), await made()
        told = await followed(product, subprotocol, position, missed, at_once=True)
        assert await followed(product, subprotocol, told, next_one, at_once=True)


async def followed(product: Running, subprotocol: str, after: str, wanted: str, *, at_once: bool = False) -> str:
    """The position of the event of the wanted token, `at_once`: which is the first one after that position."""
    url = product.control_url.replace("http", "ws", 1) + "/graphql"
    transport = WebsocketsTransport(url=url, subprotocols=[subprotocol])  # type: ignore[list-item]
    asked = gql(FOLLOW)
    asked.variable_values = {"after": after}
    async with asyncio.timeout(20), Client(transport=transport) as socket:
        async for told in socket.subscribe(asked):
            event = told["workflowEvents"]
            if event["tokenId"] == wanted:
                return str(event["position"])
            assert not at_once, f"{event} came before the token that was wanted"
    raise AssertionError("the subscription ended")
