"""GraphQL as server-sent events: results as `next`, then `complete`, in the way of graphql-sse's distinct connections."""

import asyncio
import json
from typing import Any

import pytest
from django.test import AsyncClient

from circuit_breaker.graphql import sse
from tests.apps.wiring.conftest import Watched

pytestmark = pytest.mark.usefixtures("small_schema")


@pytest.fixture(autouse=True)
def known_host(settings: Any) -> None:
    """The asynchronous test client has a host of its own, and keeps another one beside it."""
    settings.ALLOWED_HOSTS = ["testserver"]


async def opened(query: str, accept: str = "text/event-stream", get: bool = False, **variables: Any) -> Any:
    client, headers = AsyncClient(), {"accept": accept}
    if get:
        asked = {"query": query, "variables": json.dumps(variables)}
        return await client.get("/graphql", asked, headers=headers)
    asked = {"query": query, "variables": variables}
    return await client.post("/graphql", asked, content_type="application/json", headers=headers)


async def told(query: str, **more: Any) -> list[tuple[str, Any]]:
    """The events of the whole stream, without comments."""
    answer = await opened(query, **more)
    assert (answer.status_code, answer["content-type"]) == (200, "text/event-stream")
    text = b"".join([part async for part in answer.streaming_content]).decode()
    events = [block.split("\n") for block in text.split("\n\n") if block and not block.startswith(":")]
    return [(name.removeprefix("event: "), json.loads(data[6:] or "null")) for name, data in events]


@pytest.mark.parametrize("get", [False, True])
async def test_a_subscription_from_first_to_last_event(get: bool) -> None:
    events = await told("subscription($to: Int!) { count(to: $to) }", get=get, to=2)
    assert events == [("next", {"data": {"count": 1}}), ("next", {"data": {"count": 2}}), ("complete", None)]


async def test_queries_and_mutations_may_be_asked_for_this_way() -> None:
    assert await told("{ hello }", get=True) == [("next", {"data": {"hello": "Hello, world"}}), ("complete", None)]
    assert await told('mutation { note(text: "done") }') == [("next", {"data": {"note": "DONE"}}), ("complete", None)]


@pytest.mark.parametrize(
    ("query", "get", "code"),
    [
        ("{ nonsense }", False, "GRAPHQL_VALIDATION_FAILED"),
        ("{ hello", False, "GRAPHQL_PARSE_FAILED"),
        ("subscription { refuses }", False, "NOT_ENABLED"),
        ('mutation { note(text: "no") }', True, "BAD_REQUEST"),
    ],
)
async def test_an_operation_that_is_refused_is_told_and_over(query: str, get: bool, code: str) -> None:
    (name, result), end = await told(query, get=get)
    assert (name, end) == ("next", ("complete", None))
    assert result["errors"][0]["extensions"]["code"] == code


async def test_a_source_that_breaks_says_so_without_saying_why() -> None:
    first, (_, broken), end = await told("subscription { breaks }")
    assert (first, end) == (("next", {"data": {"breaks": 1}}), ("complete", None))
    assert broken["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert "hunter2" not in json.dumps(broken)


@pytest.mark.parametrize("variables", ["not json", "[1]"])
async def test_a_malformed_envelope_is_400(variables: str) -> None:
    asked = {"query": "{ hello }", "variables": variables}
    answer = await AsyncClient().get("/graphql", asked, headers={"accept": "text/event-stream"})
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_REQUEST")


async def test_who_prefers_json_gets_json() -> None:
    answer = await opened("{ hello }", accept="application/json, text/event-stream")
    assert answer.json() == {"data": {"hello": "Hello, world"}}


async def test_a_quiet_stream_is_kept_alive_and_going_away_closes_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "KEEP_ALIVE_SECONDS", 0.05)
    answer = await opened("subscription { endless }")
    parts = aiter(answer.streaming_content)
    assert [await anext(parts) for _ in range(4)] == [
        b":\n\n", b'event: next\ndata: {"data":{"endless":0}}\n\n', b":\n\n", b":\n\n",
    ]  # fmt: skip
    waiting = asyncio.ensure_future(anext(parts))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert (Watched.opened, Watched.closed) == (1, 1)
