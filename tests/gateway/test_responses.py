"""`POST /v1/responses` at providers that have none of their own: OpenAI's SDK gets equal answers from all of them."""

import json
from typing import Any

import openai
import pydantic
import pytest
from msgspec.structs import replace

from tests.gateway.client import Answer, post
from tests.gateway.conftest import Running
from tests.gateway.wires import (
    ANTHROPIC,
    CACHED,
    GOOGLE,
    OLLAMA,
    OPENAI,
    OPENAI_CHAT,
    PARAMETERS,
    READ,
    TEXT,
    WRITTEN,
    Wire,
    all_booked,
    configuration,
    content,
    event,
    in_parts,
    message_parts,
)

WIRES = (OPENAI_CHAT, ANTHROPIC, GOOGLE, OLLAMA)
each = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
TOOL: Any = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": PARAMETERS,
    "strict": None,
}


def sdk(gateway: Running) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key="none", max_retries=0)


def asked(wire: Wire, **more: Any) -> dict[str, Any]:
    return {"model": f"m-{wire.name}", "input": "Hi", **more}


async def ask(gateway: Running, wire: Wire, **more: Any) -> Answer:
    return await gateway.ask(post(asked(wire, **more), "/v1/responses"))


def events(body: bytes) -> list[dict[str, Any]]:
    """The events, each checked: named twice alike, numbered without gaps."""
    found = []
    for number, block in enumerate(body.removesuffix(b"\n\n").split(b"\n\n")):
        lines = [line for line in block.decode().split("\n") if not line.startswith(":")]
        told = json.loads(lines[1].removeprefix("data: "))
        assert (lines[0], told["sequence_number"]) == (f"event: {told['type']}", number)
        found.append(told)
    return found


async def converse(gateway: Running, wire: Wire, streamed: bool) -> list[Any]:
    """One conversation by the official SDK: a question, the tool's call, its result, the answer."""
    answers: list[Any] = []
    gateway.provider.answers = [wire.says("call", streamed), wire.says("text", streamed)]
    async with sdk(gateway) as client:
        items: list[Any] = [{"role": "user", "content": "How is the weather in Köln?"}]
        for _ in range(2):
            request: dict[str, Any] = {"model": f"m-{wire.name}", "input": items, "tools": [TOOL]}
            request["instructions"] = "Be brief."
            if streamed:
                async with client.responses.stream(**request) as stream:
                    reply: Any = await stream.get_final_response()
            else:
                reply = await client.responses.create(**request)
            said = [item.model_dump(include={"type", "name", "arguments", "call_id", "role"}) for item in reply.output]
            usage = reply.usage
            answers.append((said, reply.output_text, reply.status, usage.input_tokens, usage.output_tokens))
            items += reply.output
            items.append({"type": "function_call_output", "call_id": "call_1", "output": "21 °C"})
    return answers


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_one_conversation_with_a_tool_is_the_same_at_every_provider(bridged: Running, streamed: bool) -> None:
    found = {wire.name: await converse(bridged, wire, streamed) for wire in WIRES}
    asked, answered = found["openai_chat"]
    (call,), *rest = asked
    assert json.loads(call.pop("arguments")) == {"city": "Köln"}
    assert call == {"type": "function_call", "name": "weather", "call_id": "call_1"}
    assert rest == ["", "completed", READ, WRITTEN]
    assert answered == ([{"type": "message", "role": "assistant"}], TEXT, "completed", READ, WRITTEN)
    for conversation in found.values():
        ((other,), *rest_of_it), told = conversation
        assert json.loads(other.pop("arguments", '{"city":"Köln"}')) == {"city": "Köln"}
        assert (other, rest_of_it, told) == (call, rest, answered)
    await all_booked(bridged.control, 2 * len(WIRES))


@each
async def test_a_whole_response_and_its_stream_say_the_same(bridged: Running, wire: Wire) -> None:
    fields = {"metadata": {"a": "b"}, "max_output_tokens": 50, "temperature": 0.5, "usage": {"include": True}}
    bridged.provider.answers = [wire.says(), wire.says(streamed=True)]
    whole = (await ask(bridged, wire, **fields)).json
    told = events((await ask(bridged, wire, stream=True, **fields)).body)
    kinds = [one["type"].removeprefix("response.") for one in told]
    assert [kind for number, kind in enumerate(kinds) if kinds[number - 1] != kind] == [
        *("created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.done"),
        *("content_part.done", "output_item.done", "completed"),
    ]
    last = told[-1]["response"]
    assert "".join(one["delta"] for one in told if one["type"].endswith("delta")) == TEXT
    assert last["output"][0].pop("id").removesuffix("_0").endswith(last.pop("id").removeprefix("resp_"))
    whole["output"][0].pop("id")
    for one in (whole, last):
        one.pop("created_at")
        one.pop("id", None)
    assert last == whole
    assert (whole["metadata"], whole["max_output_tokens"], whole["temperature"]) == ({"a": "b"}, 50, 0.5)
    assert whole["usage"]["cost"] > 0
    assert whole["usage"]["input_tokens_details"]["cached_tokens"] == (0 if wire is OLLAMA else CACHED)


class Weather(pydantic.BaseModel):
    degrees: int


async def test_answers_are_parsed_into_a_model(bridged: Running) -> None:
    said = {**OPENAI_CHAT.text, "choices": [{"message": {"content": '{"degrees":21}'}, "finish_reason": "stop"}]}
    bridged.provider.answers = [replace(OPENAI_CHAT, text=said).says()]
    async with sdk(bridged) as client:
        reply = await client.responses.parse(model="m-openai_chat", input="How warm?", text_format=Weather)
    assert reply.output_parsed == Weather(degrees=21)
    (sent,) = bridged.provider.requests
    assert sent.json["response_format"]["type"] == "json_schema"


@each
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", "conv_1"),
        ("prompt", {"id": "pmpt_1"}),
        ("tools[0]", [{"type": "code_interpreter", "container": {"type": "auto"}}]),
        ("input[0]", [{"type": "item_reference", "id": "msg_1"}]),
    ],
)
async def test_what_only_openai_keeps_or_runs_is_refused_by_name(
    bridged: Running, wire: Wire, field: str, value: Any
) -> None:
    answer = await ask(bridged, wire, **{field.partition("[")[0]: value})
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, field, "unsupported_by_provider")
    assert bridged.provider.requests == []


async def test_a_provider_with_responses_of_its_own_takes_what_another_cannot(bridged: Running) -> None:
    url = bridged.provider.url.removesuffix("/v1")
    await bridged.configure(configuration(url, (ANTHROPIC, OPENAI), 3, id="m"))
    bridged.provider.answers = [in_parts([b'{"output":[],"usage":null}'], "application/json")]
    answer = await bridged.ask(post({"model": "m", "input": "Hi", "previous_response_id": "r"}, "/v1/responses"))
    assert (answer.status, answer.headers["x-circuit-breaker-provider"]) == (200, "openai")
    (sent,) = bridged.provider.requests
    assert (sent.line, sent.json["previous_response_id"]) == ("POST /v1/responses HTTP/1.1", "r")


async def test_hints_are_left_out_and_named_as_the_client_calls_them(bridged: Running) -> None:
    bridged.provider.answers = [ANTHROPIC.says()]
    answer = await ask(
        bridged,
        ANTHROPIC,
        store=True,
        truncation="auto",
        max_tool_calls=3,
        text={"verbosity": "low"},
        include=["file_search_call.results", "reasoning.encrypted_content"],
        prompt_cache_key="k",
    )
    assert answer.status == 200
    assert set(answer.headers["x-circuit-breaker-dropped"].split(", ")) == {
        *("store", "truncation", "max_tool_calls", "text.verbosity", "include: file_search_call.results"),
        "prompt_cache_key",
    }
    assert answer.json["store"] is False


async def test_a_refusal_by_the_provider_names_the_clients_field(bridged: Running) -> None:
    answer = await ask(bridged, OLLAMA, tools=[{"type": "web_search"}])
    assert (answer.status, answer.error["param"]) == (400, "tools")
    assert answer.error["message"].startswith("`tools`:")


@each
async def test_a_stream_that_is_cut_ends_with_a_numbered_error(bridged: Running, wire: Wire) -> None:
    bridged.provider.answers = [wire.says(streamed=True, end=b"", parts=1 if wire in (GOOGLE, OLLAMA) else 4)]
    answer = await ask(bridged, wire, stream=True)
    told = events(answer.body)
    assert (told[-1]["type"], told[-1]["code"]) == ("error", "provider_broken")
    assert told[-2]["type"] != "error"


@each
async def test_refusals_have_openais_shape(bridged: Running, wire: Wire) -> None:
    bridged.provider.answers = [wire.refuses(429), wire.refuses(429)]
    for stream in (False, True):
        answer = await ask(bridged, wire, stream=stream)
        assert (answer.status, answer.error["message"]) == (429, f"Provider {wire.name}: Slow down ***")


async def test_thinking_is_a_reasoning_item_that_goes_back_with_its_seal(bridged: Running) -> None:
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "sig-1"}
    said = {**ANTHROPIC.call, "content": [thinking, *ANTHROPIC.call["content"]]}
    bridged.provider.answers = [replace(ANTHROPIC, text=said).says(), ANTHROPIC.says()]
    async with sdk(bridged) as client:
        items: list[Any] = [{"role": "user", "content": "Weather?"}]
        reply = await client.responses.create(
            model="m-anthropic", input=items, tools=[TOOL], reasoning={"effort": "high", "summary": "auto"}
        )
        reasoning, call = reply.output
        assert reasoning.type == "reasoning"
        assert reasoning.summary[0].text == "Hm."
        items += [reasoning, call, {"type": "function_call_output", "call_id": "call_1", "output": "21"}]
        await client.responses.create(model="m-anthropic", input=items, tools=[TOOL])
    sent = bridged.provider.requests[1].json["messages"]
    assert sent[1]["content"] == [thinking, ANTHROPIC.call["content"][0]]


async def test_geminis_signature_of_a_call_goes_back(bridged: Running) -> None:
    part = {"functionCall": {"id": "call_1", "name": "weather", "args": {"city": "Köln"}}, "thoughtSignature": "c2ln"}
    bridged.provider.answers = [
        in_parts([event(content(part)), event(content({"text": ""}, "STOP"))], "text/event-stream"),
        GOOGLE.says(),
    ]
    async with sdk(bridged) as client:
        items: list[Any] = [{"role": "user", "content": "Weather?"}]
        async with client.responses.stream(model="m-google", input=items, tools=[TOOL]) as stream:
            reply = await stream.get_final_response()
        items += [*reply.output, {"type": "function_call_output", "call_id": "call_1", "output": "21"}]
        await client.responses.create(model="m-google", input=items, tools=[TOOL])
    assert bridged.provider.requests[1].json["contents"][1]["parts"] == [part]


async def test_an_answer_cut_by_its_limit_is_incomplete(bridged: Running) -> None:
    parts = message_parts({"type": "text", "text": ""}, [{"type": "text_delta", "text": "Gr"}], "max_tokens")
    bridged.provider.answers = [in_parts(parts, "text/event-stream")]
    told = events((await ask(bridged, ANTHROPIC, stream=True)).body)
    last = told[-1]["response"]
    assert (told[-1]["type"], last["status"]) == ("response.incomplete", "incomplete")
    assert last["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["output"][0]["status"] == "incomplete"


async def test_members_that_a_provider_refuses_are_left_out_and_named(bridged: Running) -> None:
    given = configuration(bridged.provider.url.removesuffix("/v1"), [OPENAI_CHAT], 3)
    provider = replace(given.providers[0], members={"store": None, "stream_options": None, "user": "end_user"})
    await bridged.configure(replace(given, providers=(provider,)))
    bridged.provider.answers = [OPENAI_CHAT.says(streamed=True)]
    answer = await ask(bridged, OPENAI_CHAT, stream=True, store=False, user="u")
    assert answer.headers["x-circuit-breaker-dropped"] == "store"
    messages = [{"role": "user", "content": "Hi"}]
    (sent,) = bridged.provider.requests
    assert sent.json == {"model": "up", "messages": messages, "stream": True, "end_user": "u"}
