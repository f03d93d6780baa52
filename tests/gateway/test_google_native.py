"""Gemini's generateContent where bytes pass: what of an answer is looked into, and what is booked of it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from billing.core.pricing import Usage
from tests.gateway.conftest import Running
from tests.gateway.control import PROVIDER_KEY
from tests.gateway.provider import whole
from tests.gateway.test_contents import ask, asked
from tests.gateway.wires import CACHED, GOOGLE, READ, WRITTEN, configuration, content, event, in_parts


@pytest.fixture
async def google(gateway: Running) -> AsyncIterator[Running]:
    await gateway.configure(configuration(gateway.provider.url.removesuffix("/v1"), [GOOGLE]))
    yield gateway


async def test_an_answer_of_one_event_arrives(google: Running) -> None:
    """It ends the stream, too, so it leaves when it is on record."""
    only = event(content({"text": "Hi"}, "STOP"))
    google.provider.answers = [in_parts([only], "text/event-stream")]
    answer = await ask(google, GOOGLE, streamed=True)
    assert (answer.status, answer.body) == (200, only)
    assert answer.headers["content-type"].startswith("text/event-stream")
    (record,) = await google.control.wait_for_records(1)
    assert (record.outcome, record.usage.output, record.estimated) == ("ok", WRITTEN, False)
    assert record.first_byte_at is not None


async def test_of_googles_stream_only_what_ends_it_is_looked_into(google: Running) -> None:
    """What is no JSON passes as it came; the usage is that of the last event that counts."""
    counted = {**content({"text": "a"}), "usageMetadata": {"promptTokenCount": READ, "candidatesTokenCount": 1}}
    odd = b'data: {"candidates": [{"con\n\n'
    parts = [event(counted), odd, event(content({"text": '"finishReason": "x", "error": {'})), GOOGLE.text_parts[1]]
    google.provider.answers = [in_parts(parts, "text/event-stream")]
    answer = await ask(google, GOOGLE, streamed=True)
    assert answer.body == b"".join(parts)
    (record,) = await google.control.wait_for_records(1)
    assert record.usage == Usage(input=READ - CACHED, cached_input=CACHED, output=WRITTEN)


async def test_a_stream_of_googles_that_is_cut_counts_what_had_come(google: Running) -> None:
    counted = [
        {**content({"text": "word " * 20}), "usageMetadata": {"promptTokenCount": READ, "candidatesTokenCount": n}}
        for n in (2, 3)
    ]
    google.provider.answers = [in_parts([event(one) for one in counted], "text/event-stream", b"")]
    answer = await ask(google, GOOGLE, streamed=True)
    assert json.loads(answer.body.split(b"data: ")[-1])["error"]["code"] == 502
    (record,) = await google.control.wait_for_records(1)
    assert (record.outcome, record.estimated, record.usage) == ("cut", True, Usage(READ, output=50))


@pytest.mark.parametrize("candidates", [1, 2])
async def test_a_stream_of_googles_ends_with_its_last_candidate(google: Running, candidates: int) -> None:
    def said(index: int, text: str, finish: str | None = None) -> bytes:
        made = content({"text": text}, finish)
        made["candidates"][0]["index"] = index
        return event(made)

    parts = [said(0, "a"), said(1, "b"), said(0, "", "STOP"), said(1, "c"), said(1, "", "STOP")]
    parts = parts if candidates == 2 else parts[:1] + parts[2:3]
    google.provider.answers = [in_parts(parts, "text/event-stream")]
    answer = await ask(google, GOOGLE, streamed=True, generationConfig={"candidateCount": candidates})
    assert answer.body == b"".join(parts)
    google.provider.answers = [in_parts(parts[:-1], "text/event-stream", b"")]
    cut = await ask(google, GOOGLE, streamed=True, generationConfig={"candidateCount": candidates})
    assert b'"code":502' in cut.body


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_blocked_prompt_passes_and_is_booked(google: Running, streamed: bool) -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}}
    google.provider.answers = [in_parts([event(blocked)], "text/event-stream") if streamed else whole(blocked)]
    answer = await ask(google, GOOGLE, streamed=streamed)
    assert (answer.status, b"SAFETY" in answer.body) == (200, True)
    (record,) = await google.control.wait_for_records(1)
    assert (record.outcome, record.estimated, record.usage.output) == ("ok", True, 0)


@pytest.mark.parametrize(
    ("back", "status"),
    [({"candidates": []}, 502), ([], 502), (b"<html>", 502), (GOOGLE.error, 429), ({"modelVersion": "x"}, 502)],
)
async def test_what_is_no_answer_of_googles_is_refused(google: Running, back: Any, status: int) -> None:
    google.provider.answers = [whole(back)]
    answer = await ask(google, GOOGLE)
    assert (answer.status, PROVIDER_KEY in answer.body.decode()) == (status, False)


async def test_members_that_googles_row_refuses_are_left_out_by_name(google: Running) -> None:
    new = configuration(google.provider.url.removesuffix("/v1"), [GOOGLE], 3)
    row = msgspec.structs.replace(new.providers[0], members={"safetySettings": None, "toolConfig": "tool_config"})
    await google.configure(msgspec.structs.replace(new, providers=(row,)))
    google.provider.answers = [GOOGLE.says()]
    answer = await ask(google, GOOGLE, safetySettings=[], toolConfig={"x": 1}, future=2)
    assert answer.headers["x-circuit-breaker-dropped"] == "safetySettings"
    assert google.provider.requests[0].json == asked(future=2, tool_config={"x": 1})
