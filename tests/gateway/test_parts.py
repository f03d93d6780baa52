"""More texts than Gemini embeds at once: several requests, one call, one record."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from billing.core.pricing import Usage
from llm.core.dialects.google.rules import MAX_TEXTS
from llm.core.dialects.vectors import MOST_TEXTS
from llm.gateway.http_limits import Bounds
from llm.gateway.parts import AT_ONCE
from tests.gateway.client import Answer, Client, post
from tests.gateway.conftest import Running, until
from tests.gateway.control import PRICE
from tests.gateway.provider import Request, http
from tests.gateway.wires import GOOGLE, OLLAMA, configuration

COUNT = 5 * MAX_TEXTS + 1
TEXTS = [str(number) for number in range(COUNT)]


@pytest.fixture
async def google(gateway: Running) -> AsyncIterator[Running]:
    await gateway.configure(configuration(gateway.provider.url.removesuffix("/v1"), [GOOGLE]))
    yield gateway


class Embedder:
    """Embeds a text, which is a number, as that number. Counts who is being answered at once."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.silent: set[int] = set()
        """Parts that do not say what they used, by their first text."""
        self.answers: dict[int, bytes | None] = {}
        """What to say instead of vectors, by the first text; None: nothing, the connection breaks."""
        self.hold: asyncio.Event | None = None
        self.in_order = False

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        texts = [one["content"]["parts"][0]["text"] for one in request.json["requests"]]
        first = int(texts[0])
        # Unless told, the later a part the sooner it is answered: their order is not that of the answers.
        await asyncio.sleep(0.05 * (1 + first / MAX_TEXTS if self.in_order else 5 - first / MAX_TEXTS))
        if self.hold is not None:
            await self.hold.wait()
        self.now -= 1
        if first in self.answers:
            told = self.answers[first]
            if told is None:
                writer.transport.abort()
            else:
                writer.write(told)
            return
        reply: dict[str, Any] = {"embeddings": [{"values": [float(text), 1]} for text in texts]}
        if first not in self.silent:
            reply["usageMetadata"] = {"promptTokenCount": len(texts)}
        writer.write(http(json.dumps(reply).encode()))


class Either:
    """Google's wire, or Ollama's."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if "requests" in request.json:
            await self.embedder(request, writer)
            return
        reply = {"model": "up", "embeddings": [[1.0] for _ in request.json["input"]], "prompt_eval_count": 7}
        writer.write(http(json.dumps(reply).encode()))


@pytest.fixture
def embedder(google: Running) -> Embedder:
    made = Embedder()
    google.provider.answers = [made]
    return made


async def ask(gateway: Running, texts: list[str] = TEXTS, **more: Any) -> Answer:
    return await gateway.ask(post({"model": "m-google", "input": texts, **more}, "/v1/embeddings"))


def estimate(gateway: Running, first: int) -> int:
    """Of the request whose first text is this: four of its bytes to a token."""
    (sent,) = [
        one.body
        for one in gateway.provider.requests
        if one.json["requests"][0]["content"]["parts"][0]["text"] == str(first)
    ]
    return len(sent) // 4 + 1


async def test_the_vectors_come_in_the_order_of_the_texts_and_the_usage_is_the_sum(
    google: Running, embedder: Embedder
) -> None:
    answer = await ask(google, usage={"include": True})
    assert answer.status == 200, answer.body
    data = answer.json["data"]
    assert [(one["index"], one["embedding"]) for one in data] == [(n, [n, 1]) for n in range(COUNT)]
    assert sorted(len(one.json["requests"]) for one in google.provider.requests) == [1, *[MAX_TEXTS] * 5]
    assert embedder.most == AT_ONCE
    (record,) = await google.control.wait_for_records(1)
    assert (record.usage, record.estimated, record.attempts) == (Usage(COUNT), False, 1)
    cost = COUNT * PRICE.input // 10**6
    assert record.cost_nano == cost
    assert answer.json["usage"] == {"prompt_tokens": COUNT, "total_tokens": COUNT, "cost": cost / 10**9}
    assert record.overhead_us < (record.finished_at - record.started_at) // 1000


async def test_a_part_that_does_not_count_makes_the_whole_an_estimate(google: Running, embedder: Embedder) -> None:
    embedder.silent = {200}
    answer = await ask(google)
    (record,) = await google.control.wait_for_records(1)
    assert record.estimated
    assert answer.json["usage"]["prompt_tokens"] == record.usage.input > COUNT


@pytest.mark.parametrize(
    ("told", "status", "code"),
    [
        (http(json.dumps(GOOGLE.error).encode(), 429), 429, "RESOURCE_EXHAUSTED"),
        (http(b"<html>"), 502, "provider_broken"),
        (http(json.dumps({"embeddings": [{"values": [1.0]}] * MAX_TEXTS}).encode()[:-9]), 502, "provider_broken"),
        (None, 502, "provider_broken"),
    ],
    ids=["refused", "no-json", "cut", "broken-off"],
)
async def test_one_part_that_fails_fails_the_call_and_what_was_sent_is_booked(
    google: Running, embedder: Embedder, told: bytes | None, status: int, code: str
) -> None:
    embedder.answers, embedder.in_order = {200: told}, True
    answer = await ask(google)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.error["message"].endswith("(part 3 of 6)")
    assert "data" not in answer.json
    (record,) = await google.control.wait_for_records(1)
    asked = {one.json["requests"][0]["content"]["parts"][0]["text"] for one in google.provider.requests}
    assert asked == {"0", "100", "200", "300", "400", "500"}, "a window of four goes on with each answer"
    under_way = sum(estimate(google, first) for first in (300, 400, 500))
    spent = 2 * MAX_TEXTS + under_way + (0 if status == 429 else estimate(google, 200))
    assert (record.usage, record.outcome, record.estimated) == (Usage(spent), "upstream_error", True)
    assert record.cost_nano == spent * PRICE.input // 10**6
    await until(lambda: all(one.reply is None for one in google.worker.gateway.upstream.connections))
    await until(lambda: google.worker.journal.register._fresh == len(google.worker.journal.register._free))


@pytest.mark.parametrize("refused", [True, False])
async def test_parts_that_were_answered_before_their_turn_are_booked_as_reported(
    google: Running, embedder: Embedder, refused: bool
) -> None:
    embedder.answers = {0: http(json.dumps(GOOGLE.error).encode(), 400) if refused else http(b"{}")}
    answer = await ask(google)
    assert answer.error["message"].endswith("(part 1 of 6)")
    (record,) = await google.control.wait_for_records(1)
    spent = 3 * MAX_TEXTS + (0 if refused else estimate(google, 0))
    assert (record.usage, record.estimated) == (Usage(spent), not refused)
    assert record.cost_nano == spent * PRICE.input // 10**6


async def test_another_provider_is_asked_for_all_of_it_and_both_are_booked(google: Running, embedder: Embedder) -> None:
    two = configuration(google.provider.url.removesuffix("/v1"), [GOOGLE, OLLAMA], 3, id="same")
    await google.configure(two)
    embedder.answers = {200: http(json.dumps(GOOGLE.error).encode(), 503)}
    google.provider.answers = [Either(embedder)]
    answer = await google.ask(post({"model": "same", "input": TEXTS, "usage": {"include": True}}, "/v1/embeddings"))
    assert (answer.status, len(answer.json["data"])) == (200, COUNT)
    first, last = sorted(await google.control.wait_for_records(2), key=lambda record: record.attempts)
    assert (first.provider, first.call, last.provider, last.usage) == ("google", last.id, "ollama", Usage(7))
    assert first.cost_nano > 2 * MAX_TEXTS * PRICE.input // 10**6
    assert answer.json["usage"]["cost"] == (first.cost_nano + last.cost_nano) / 10**9


async def test_parts_under_way_are_given_up_and_estimated(google: Running, embedder: Embedder) -> None:
    google.set_timeout(0.6)
    embedder.hold = asyncio.Event()
    answer = await ask(google)
    assert (answer.status, answer.error["code"]) == (504, "provider_timeout")
    (record,) = await google.control.wait_for_records(1)
    assert len(google.provider.requests) == AT_ONCE
    assert record.usage == Usage(sum(estimate(google, first) for first in (0, 100, 200, 300)))
    assert record.estimated
    embedder.hold.set()


async def test_a_client_that_leaves_ends_all_parts(google: Running, embedder: Embedder) -> None:
    embedder.hold = asyncio.Event()
    client = await Client.connect(google.port)
    client.send(post({"model": "m-google", "input": TEXTS}, "/v1/embeddings"))
    await until(lambda: embedder.now == AT_ONCE)
    client.close()
    (record,) = await google.control.wait_for_records(1)
    assert (record.outcome, record.status, record.estimated) == ("cancelled", 499, True)
    await until(lambda: not google.worker.gateway.upstream.connections)
    assert len(google.provider.requests) == AT_ONCE, "no more parts were begun"
    embedder.hold.set()


async def test_missing_vectors_are_no_answer(google: Running, embedder: Embedder) -> None:
    """Which text a vector belongs to is known by its place only."""
    few = {"embeddings": [{"values": [1.0]}] * (MAX_TEXTS - 1), "usageMetadata": {"promptTokenCount": 9}}
    embedder.answers = {0: http(json.dumps(few).encode())}
    answer = await ask(google)
    assert (answer.status, answer.error["code"]) == (502, "provider_broken")
    assert answer.error["message"] == f"Provider google answered {COUNT} texts with {COUNT - 1} vectors."


async def test_together_the_answers_are_as_bounded_as_one(google: Running, embedder: Embedder) -> None:
    google.worker.gateway.upstream.bounds = Bounds(reply_bytes=6_000)
    answer = await ask(google)
    assert (answer.status, answer.error["code"]) == (502, "provider_broken")
    assert "together larger" in answer.error["message"]


async def test_as_many_texts_as_openai_takes_and_no_more(google: Running, embedder: Embedder) -> None:
    answer = await ask(google, ["1"] * MOST_TEXTS)
    assert len(answer.json["data"]) == MOST_TEXTS
    refused = await ask(google, ["1"] * (MOST_TEXTS + 1))
    assert (refused.status, refused.error["param"]) == (400, "input")
    assert f"{MOST_TEXTS + 1} were sent" in refused.error["message"]
