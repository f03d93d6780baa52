"""Chat completions at providers of other wires: what they are asked, what the client gets, what is booked, how it fails.

The official SDK gets equal answers for one conversation with a tool, whichever provider gives them.
"""

import json
from typing import Any

import openai
import pytest

from billing.core.pricing import Usage
from tests.gateway.client import Answer, post
from tests.gateway.conftest import Running, until
from tests.gateway.control import PROVIDER_KEY
from tests.gateway.provider import whole
from tests.gateway.wires import (
    ALL,
    ANTHROPIC,
    CACHED,
    GOOGLE,
    OLLAMA,
    PARAMETERS,
    READ,
    TEXT,
    TRANSLATED,
    WRITTEN,
    Wire,
    in_parts,
    line,
    said,
    told,
)

each = pytest.mark.parametrize("wire", TRANSLATED, ids=lambda wire: wire.name)
BUCKETS = {
    "anthropic": Usage(input=READ - CACHED, cached_input=CACHED, output=WRITTEN),
    "google": Usage(input=READ - CACHED, cached_input=CACHED, output=WRITTEN),
    "ollama": Usage(input=READ, output=WRITTEN),
    "openai_responses": Usage(input=READ - CACHED, cached_input=CACHED, output=WRITTEN),
}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": PARAMETERS,
    },
}


def chat(wire: Wire, **more: Any) -> dict[str, Any]:
    return {"model": f"m-{wire.name}", "messages": [{"role": "user", "content": "Hi"}], **more}


async def ask(gateway: Running, wire: Wire, **more: Any) -> Answer:
    return await gateway.ask(post(chat(wire, **more)))


def events(body: bytes) -> list[dict[str, Any]]:
    lines = [one.removeprefix(b"data: ") for one in body.splitlines() if one.startswith(b"data: ")]
    return [json.loads(one) for one in lines if one != b"[DONE]"]


@each
async def test_a_whole_answer(bridged: Running, wire: Wire) -> None:
    bridged.provider.answers = [wire.says()]
    answer = await ask(bridged, wire)
    assert answer.status == 200, answer.body
    (asked,) = bridged.provider.requests
    assert asked.line == f"POST {wire.path} HTTP/1.1"
    assert asked.head.lower().count(b"content-type:") == 1
    name, value = wire.key_header
    assert asked.headers[name] == value
    reply, buckets = answer.json, BUCKETS[wire.name]
    assert reply["choices"][0]["message"]["content"] == TEXT
    assert (reply["object"], reply["model"], reply["choices"][0]["finish_reason"]) == ("chat.completion", "up", "stop")
    assert (reply["usage"]["prompt_tokens"], reply["usage"]["completion_tokens"]) == (READ, WRITTEN)
    (record,) = await bridged.control.wait_for_records(1)
    assert (record.usage, record.estimated, record.outcome, record.streamed) == (buckets, False, "ok", False)
    assert (record.provider, record.model) == (wire.name, f"m-{wire.name}")
    assert "x-circuit-breaker-dropped" not in answer.headers
    assert answer.headers["x-circuit-breaker-provider"] == wire.name


@each
@pytest.mark.parametrize("wanted", [True, False])
async def test_a_streamed_answer(bridged: Running, wire: Wire, wanted: bool) -> None:
    bridged.provider.answers = [wire.says(streamed=True)]
    answer = await ask(bridged, wire, stream=True, **({"stream_options": {"include_usage": True}} if wanted else {}))
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert bridged.provider.requests[0].line == f"POST {wire.streamed_path} HTTP/1.1"
    assert answer.body.endswith(b"data: [DONE]\n\n")
    found = events(answer.body)
    chosen = [one["choices"][0] for one in found if one["choices"]]
    assert "".join([choice["delta"].get("content") or "" for choice in chosen]) == TEXT
    assert [choice["finish_reason"] for choice in chosen if choice["finish_reason"]] == ["stop"]
    told_usage = [one["usage"] for one in found if one.get("usage")]
    assert [(one["prompt_tokens"], one["completion_tokens"]) for one in told_usage] == [(READ, WRITTEN)] * wanted
    (record,) = await bridged.control.wait_for_records(1)
    assert (record.usage, record.estimated, record.outcome, record.streamed) == (BUCKETS[wire.name], False, "ok", True)


@each
async def test_a_refusal_keeps_its_reason_and_no_key(bridged: Running, wire: Wire) -> None:
    bridged.provider.answers = [wire.refuses(429)]
    answer = await ask(bridged, wire)
    assert answer.status == 429
    assert answer.error["message"] == f"Provider {wire.name}: Slow down ***"
    assert answer.error["type"] == "rate_limit_error"
    assert answer.headers.get("retry-after") == ("12" if wire is GOOGLE else None)
    assert PROVIDER_KEY.encode() not in answer.body
    (record,) = await bridged.control.wait_for_records(1)
    assert (record.outcome, record.status) == ("upstream_error", 429)


@each
async def test_the_providers_header_says_how_long_to_wait(bridged: Running, wire: Wire) -> None:
    bridged.provider.answers = [wire.refuses(429, "retry-after: 7\r\n")]
    assert (await ask(bridged, wire)).headers["retry-after"] == "7"


@each
async def test_a_key_refused_is_our_fault_not_the_clients(bridged: Running, wire: Wire) -> None:
    bridged.provider.answers = [wire.refuses(401)]
    answer = await ask(bridged, wire)
    assert (answer.status, answer.error["code"]) == (502, "provider_authentication_failed")


@each
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"\xff\xfe", b"[" * 50_000])
async def test_a_200_that_is_no_answer(bridged: Running, wire: Wire, body: bytes) -> None:
    bridged.provider.answers = [whole(body)]
    answer = await ask(bridged, wire)
    assert (answer.status, answer.error["code"]) == (502, "provider_broken")


@each
async def test_an_error_sent_with_status_200_shows_no_key(bridged: Running, wire: Wire) -> None:
    bridged.provider.answers = [whole(wire.error)]
    answer = await ask(bridged, wire)
    assert answer.status >= 400
    assert "Slow down ***" in answer.error["message"]


@each
async def test_a_stream_that_is_cut_ends_in_band_and_what_came_is_booked(bridged: Running, wire: Wire) -> None:
    parts = 5 if wire is ANTHROPIC else wire.begun
    bridged.provider.answers = [wire.says(streamed=True, end=b"", parts=parts)]
    answer = await ask(bridged, wire, stream=True)
    assert answer.status == 200
    assert events(answer.body)[-1]["error"]["code"] == "provider_broken"
    assert b"[DONE]" not in answer.body
    (record,) = await bridged.control.wait_for_records(1)
    assert record.outcome == "cut"
    assert 0 < record.usage.output < WRITTEN
    if wire is ANTHROPIC:  # it counts the prompt at the start
        assert (record.usage.input, record.usage.cached_input) == (READ - CACHED, CACHED)
        assert record.usage.output == len(TEXT) // 4, "two pieces by their letters, not the 1 it counted at the start"
    assert record.estimated


@each
async def test_a_stream_that_ends_too_early_is_no_whole_answer(bridged: Running, wire: Wire) -> None:
    bridged.provider.answers = [wire.says(streamed=True, parts=wire.begun)]
    answer = await ask(bridged, wire, stream=True)
    assert events(answer.body)[-1]["error"]["code"] == "provider_broken"


@each
async def test_an_error_before_the_first_event_is_an_answer_of_its_own(bridged: Running, wire: Wire) -> None:
    error = told("error", **{"error": wire.error["error"]}) if wire is ANTHROPIC else b"data: " + line(wire.error)
    bridged.provider.answers = [in_parts([line(wire.error) if wire is OLLAMA else error + b"\n"], wire.media_type)]
    answer = await ask(bridged, wire, stream=True)
    assert answer.status >= 400
    assert "Slow down ***" in answer.error["message"]


@each
async def test_an_error_in_a_stream_goes_in_band(bridged: Running, wire: Wire) -> None:
    error = told("error", **{"error": wire.error["error"]}) if wire is ANTHROPIC else b"data: " + line(wire.error)
    last = line(wire.error) if wire is OLLAMA else error + b"\n"
    begun = wire.text_parts[: wire.begun]
    bridged.provider.answers = [in_parts([*begun, last], wire.media_type)]
    answer = await ask(bridged, wire, stream=True)
    assert answer.status == 200
    assert "Slow down ***" in events(answer.body)[-1]["error"]["message"]
    assert PROVIDER_KEY.encode() not in answer.body
    (record,) = await bridged.control.wait_for_records(1)
    assert record.outcome == "cut"


@each
async def test_a_client_that_hangs_up_cancels_the_provider(bridged: Running, wire: Wire) -> None:
    begun = list(wire.text_parts[: wire.begun])
    bridged.provider.answers = [in_parts([*begun, *begun[-1:] * 2_000], wire.media_type, pause=0.01)]
    client = await bridged.connect()
    client.send(post(chat(wire, stream=True)))
    status, _ = await client.head()
    assert status == 200
    async for part in client.chunks():
        if TEXT[:2] in part.decode():
            break
    client.close()
    await until(bridged.provider.disconnected.is_set)
    (record,) = await bridged.control.wait_for_records(1)
    assert (record.outcome, record.status) == ("cancelled", 499)


@each
async def test_another_candidate_answers_when_one_fails_before_its_first_event(bridged: Running, wire: Wire) -> None:
    other = OLLAMA if wire is not OLLAMA else GOOGLE
    bridged.provider.answers = [wire.refuses(503), other.says(streamed=True)]
    options = {"fallback_models": [f"m-{other.name}"]}
    answer = await ask(bridged, wire, stream=True, circuit_breaker=options)
    assert answer.headers["x-circuit-breaker-provider"] == other.name
    assert [one.line.split()[1] for one in bridged.provider.requests] == [wire.path, other.streamed_path] or (
        wire.streamed_path == bridged.provider.requests[0].line.split()[1]
    )


@each
async def test_what_a_wire_has_no_place_for_is_named(bridged: Running, wire: Wire) -> None:
    bridged.provider.answers = [wire.says()]
    answer = await ask(bridged, wire, logit_bias={"1": 1}, **{"strange\r\nx-evil: 1": 1, "z" * 5_000: 1})
    assert answer.status == 200
    dropped = answer.headers["x-circuit-breaker-dropped"]
    assert "logit_bias" in dropped or "..." in dropped or len(dropped) == 1_000
    assert "x-evil" not in answer.headers
    assert len(dropped) <= 1_000


@pytest.mark.parametrize("wire", [ANTHROPIC, OLLAMA], ids=lambda wire: wire.name)
async def test_several_choices_are_refused_naming_the_field(bridged: Running, wire: Wire) -> None:
    answer = await ask(bridged, wire, n=2)
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, "n", "unsupported_by_provider")
    assert bridged.provider.requests == []


async def test_what_one_wire_cannot_say_another_candidate_may(bridged: Running) -> None:
    bridged.provider.answers = [GOOGLE.says()]
    answer = await ask(bridged, ANTHROPIC, n=2, circuit_breaker={"fallback_models": ["m-google"]})
    assert (answer.status, answer.headers["x-circuit-breaker-provider"]) == (200, "google")
    assert bridged.provider.requests[0].json["generationConfig"]["candidateCount"] == 2


async def test_the_cost_is_told_where_it_was_asked_for(bridged: Running) -> None:
    bridged.provider.answers = [ANTHROPIC.says(), ANTHROPIC.says(streamed=True)]
    answer = await ask(bridged, ANTHROPIC, usage={"include": True})
    streamed = await ask(bridged, ANTHROPIC, usage={"include": True}, stream=True)
    assert answer.json["usage"]["cost"] == events(streamed.body)[-1]["usage"]["cost"] > 0


async def test_an_answer_without_content_is_an_answer(bridged: Running) -> None:
    bridged.provider.answers = [in_parts([line(said({"content": ""}, last=True))], OLLAMA.media_type)]
    answer = await ask(bridged, OLLAMA, stream=True)
    assert events(answer.body)[-1]["choices"][0]["finish_reason"] == "stop"
    assert answer.body.endswith(b"data: [DONE]\n\n")


async def test_a_gemini_stream_may_be_an_array(bridged: Running) -> None:
    whole_array = b"[" + b",\n".join([part[6:].strip() for part in GOOGLE.text_parts]) + b"]"
    bridged.provider.answers = [in_parts([whole_array[:50], whole_array[50:]], "application/json; charset=UTF-8")]
    found = events((await ask(bridged, GOOGLE, stream=True)).body)
    assert "".join([one["choices"][0]["delta"].get("content", "") for one in found]) == TEXT


async def test_a_streams_events_are_numbered_and_can_be_read_again(bridged: Running) -> None:
    bridged.provider.answers = [OLLAMA.says(streamed=True)]
    request = post(chat(OLLAMA, stream=True), x_circuit_breaker_event_ids="1", x_request_id="again-1")
    first = (await bridged.ask(request)).body
    assert first.startswith(b"id: 1\ndata: ")
    again = await bridged.ask(b"GET /v1/streams/again-1?after=0 HTTP/1.1\r\nHost: x\r\n\r\n", "GET")
    assert again.body == first


async def converse(gateway: Running, wire: Wire, streamed: bool) -> list[Any]:
    """One conversation by the official SDK: a question, the tool's call, its result, the answer."""
    answers: list[Any] = []
    gateway.provider.answers = [wire.says("call", streamed), wire.says("text", streamed)]
    async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key="none") as client:
        messages: list[Any] = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How is the weather in Köln?"},
        ]
        for _ in range(2):
            common: dict[str, Any] = {"model": f"m-{wire.name}", "messages": messages, "tools": [TOOL]}
            if streamed:
                async with client.chat.completions.stream(**common, stream_options={"include_usage": True}) as stream:
                    reply = await stream.get_final_completion()
            else:
                reply = await client.chat.completions.create(**common)
            (choice,) = reply.choices
            assert reply.usage is not None
            calls = [
                (one.id, one.function.name, json.loads(one.function.arguments))
                for one in choice.message.tool_calls or []
            ]
            counted = (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens)
            answers.append((choice.message.role, choice.message.content or "", calls, choice.finish_reason, counted))
            messages.append(choice.message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"}))
            messages.append({"role": "tool", "tool_call_id": "call_1", "content": "21 °C"})
    return answers


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_one_conversation_with_a_tool_is_the_same_at_every_provider(bridged: Running, streamed: bool) -> None:
    found = {wire.name: await converse(bridged, wire, streamed) for wire in ALL}
    assert len({repr(answers) for answers in found.values()}) == 1, found
    (asked, answered) = found["openai"]
    assert asked[2:4] == ([("call_1", "weather", {"city": "Köln"})], "tool_calls")
    assert answered[1:4] == (TEXT, [], "stop")
    for request in bridged.provider.requests:
        assert PROVIDER_KEY not in request.body.decode()
