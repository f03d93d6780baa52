"""`POST /v1beta/models/{model}:generateContent`: Google's own SDK pointed at us, whichever provider is behind."""

import json
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from billing.core.pricing import Usage
from tests.gateway.client import Answer, post
from tests.gateway.conftest import Running
from tests.gateway.control import PROVIDER_KEY
from tests.gateway.provider import whole
from tests.gateway.wires import (
    ALL,
    ANTHROPIC,
    CACHED,
    GOOGLE,
    OLLAMA,
    OPENAI,
    READ,
    TEXT,
    WRITTEN,
    Wire,
    all_booked,
    content,
    event,
    in_parts,
)

each = pytest.mark.parametrize("wire", ALL, ids=lambda wire: wire.name)
WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="weather",
            description="The weather in a city.",
            parameters=types.Schema(
                type=types.Type.OBJECT,
                properties={"city": types.Schema(type=types.Type.STRING, nullable=True, min_length=1)},
                required=["city"],
            ),
        )
    ]
)


def sdk(gateway: Running) -> Any:
    options = types.HttpOptions(base_url=f"http://127.0.0.1:{gateway.port}")
    return genai.Client(api_key="none", http_options=options, vertexai=False).aio


def asked(**more: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], **more}


async def ask(gateway: Running, wire: Wire, streamed: bool = False, **more: Any) -> Answer:
    method = "streamGenerateContent?alt=sse" if streamed else "generateContent"
    return await gateway.ask(post(asked(**more), f"/v1beta/models/m-{wire.name}:{method}"))


async def converse(gateway: Running, wire: Wire, streamed: bool) -> list[Any]:
    """One conversation by the official SDK: a question, the tool's call, its result, the answer."""
    answers: list[Any] = []
    gateway.provider.answers = [wire.says("call", streamed), wire.says("text", streamed)]
    models = sdk(gateway).models
    contents: list[Any] = [types.UserContent("How is the weather in Köln?")]
    config = types.GenerateContentConfig(system_instruction="Be brief.", tools=[WEATHER], max_output_tokens=50)
    for _ in range(2):
        request: Any = {"model": f"m-{wire.name}", "contents": contents, "config": config}
        if streamed:
            chunks = [chunk async for chunk in await models.generate_content_stream(**request)]
        else:
            chunks = [await models.generate_content(**request)]
        parts = [part for one in chunks for part in (one.candidates[0].content.parts or [])]
        calls = [part.function_call for part in parts if part.function_call]
        last = chunks[-1]
        usage = last.usage_metadata
        answers.append(
            (
                "".join([part.text for part in parts if part.text]),
                [(call.name, call.args) for call in calls],
                last.candidates[0].finish_reason.value,
                usage.prompt_token_count,
                usage.candidates_token_count,
            )
        )
        contents.append(types.ModelContent(parts=[part for part in parts if part.function_call or part.text]))
        response = (
            types.FunctionResponse(id=calls[0].id, name="weather", response={"result": "21 °C"}) if calls else None
        )
        contents.append(types.UserContent(parts=[types.Part(function_response=response)]))
    return answers


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_one_conversation_with_a_tool_is_the_same_at_every_provider(bridged: Running, streamed: bool) -> None:
    found = {wire.name: await converse(bridged, wire, streamed) for wire in ALL}
    expected = [
        ("", [("weather", {"city": "Köln"})], "STOP", READ, WRITTEN),
        (TEXT, [], "STOP", READ, WRITTEN),
    ]
    assert found == {wire.name: expected for wire in ALL}
    await all_booked(bridged.control, 2 * len(ALL))


async def test_at_google_the_bytes_pass_as_they_came(bridged: Running) -> None:
    body = json.dumps(asked(future={"x": [1, 2]}), indent=1).encode()
    back = json.dumps({**GOOGLE.text, "future": 1}, indent=2).encode()
    bridged.provider.answers = [whole(back)]
    answer = await bridged.ask(post(body, "/v1beta/models/m-google:generateContent"))
    assert (answer.status, answer.body) == (200, back)
    (sent,) = bridged.provider.requests
    assert (sent.line, json.loads(sent.body)) == (f"POST {GOOGLE.path} HTTP/1.1", json.loads(body))
    assert sent.headers["x-goog-api-key"] == PROVIDER_KEY
    (record,) = await bridged.control.wait_for_records(1)
    assert record.usage == Usage(input=READ - CACHED, cached_input=CACHED, output=WRITTEN)


@each
async def test_a_refusal_has_googles_shape(bridged: Running, wire: Wire) -> None:
    bridged.provider.answers = [wire.refuses(429)]
    with pytest.raises(errors.ClientError) as caught:
        await sdk(bridged).models.generate_content(model=f"m-{wire.name}", contents="Hi")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    assert caught.value.message == f"Provider {wire.name}: Slow down ***"


@each
async def test_a_stream_that_is_cut_ends_with_an_error(bridged: Running, wire: Wire) -> None:
    parts = 3 if wire in (OPENAI,) or wire.name == "azure" else wire.begun
    bridged.provider.answers = [wire.says(streamed=True, end=b"", parts=parts)]
    answer = await ask(bridged, wire, streamed=True)
    last = json.loads(answer.body.strip().split(b"\n\n")[-1].removeprefix(b"data: "))
    assert (answer.status, last["error"]["code"], last["error"]["status"]) == (200, 502, "INTERNAL")
    assert b"finishReason" not in answer.body


async def test_googles_error_in_a_stream_is_said_by_us(bridged: Running) -> None:
    bridged.provider.answers = [in_parts([GOOGLE.text_parts[0], event(GOOGLE.error)], "text/event-stream")]
    answer = await ask(bridged, GOOGLE, streamed=True)
    assert "Slow down ***" in answer.body.decode()
    (record,) = await bridged.control.wait_for_records(1)
    assert (record.outcome, record.estimated) == ("cut", True)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1beta/models/m-openai:countTokens", asked(), 404),
        ("/v1beta/models/m-openai", asked(), 404),
        ("/v1beta/models/nobody:generateContent", asked(), 404),
        ("/v1beta/models/m-openai:streamGenerateContent", asked(), 400),
        ("/v1beta/models/m-openai:generateContent", {"contents": []}, 400),
        ("/v1beta/models/m-openai:generateContent", b"[", 400),
        ("/v1beta/models/m-openai:generateContent", {}, 400),
        ("/v1beta/models/m-openai:generateContent", asked(cachedContent="cachedContents/1"), 400),
        ("/v1beta/models/m-openai:generateContent", asked(tools=[{"codeExecution": {}}]), 400),
    ],
)
async def test_bad_requests_are_refused_in_googles_shape(bridged: Running, path: str, body: Any, status: int) -> None:
    answer = await bridged.ask(post(body, path))
    assert (answer.status, answer.json["error"]["code"]) == (status, status)
    assert answer.json["error"]["status"] in ("NOT_FOUND", "INVALID_ARGUMENT")
    assert bridged.provider.requests == []


async def test_everything_a_request_may_say_reaches_another_wire(bridged: Running) -> None:
    bridged.provider.answers = [OPENAI.says()]
    contents = [
        {"parts": [{"text": "Look"}, {"inline_data": {"mime_type": "image/png", "data": "aWk="}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"city": "Köln"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"degrees": 21}}}]},
    ]
    schema = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER", "nullable": True}}, "propertyOrdering": ["n"]}
    answer = await bridged.ask(
        post(
            {
                "contents": contents,
                "system_instruction": {"parts": [{"text": "S"}]},
                "tools": [{"function_declarations": [{"name": "weather", "parameters": schema}]}],
                "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
                "generationConfig": {
                    "temperature": 0.5,
                    "topK": 3,
                    "maxOutputTokens": 9,
                    "stopSequences": ["X"],
                    "responseMimeType": "application/json",
                    "responseSchema": schema,
                    "thinkingConfig": {"thinkingLevel": "low"},
                    "mediaResolution": "LOW",
                },
                "safetySettings": [],
            },
            "/v1beta/models/m-openai:generateContent",
        )
    )
    assert answer.status == 200, answer.body
    assert answer.headers["x-circuit-breaker-dropped"] == "safetySettings, generationConfig.mediaResolution"
    shaped = {"type": "object", "properties": {"n": {"type": ["integer", "null"]}}}
    called = {"id": "call_0", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Köln"}'}}
    (sent,) = bridged.provider.requests
    assert sent.json == {
        "model": "up",
        "messages": [
            {"role": "system", "content": "S"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aWk="}},
                ],
            },
            {"role": "assistant", "content": None, "tool_calls": [called]},
            {"role": "tool", "tool_call_id": "call_0", "content": '{"degrees":21}'},
        ],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": shaped}}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": shaped}},
        "temperature": 0.5,
        "top_k": 3,
        "max_tokens": 9,
        "stop": ["X"],
        "reasoning_effort": "low",
    }


async def test_what_ollama_cannot_take_is_named_in_googles_words(bridged: Running) -> None:
    answer = await ask(bridged, OLLAMA, tools=[{"googleSearch": {}}])
    assert answer.status == 400
    assert answer.json["error"]["message"].startswith("`tools`:")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_reasoning_goes_back_to_the_provider_that_sealed_it(bridged: Running, streamed: bool) -> None:
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "sig-1"}
    said = {**ANTHROPIC.text, "content": [thinking, *ANTHROPIC.text["content"]]}
    bridged.provider.answers = [whole(json.dumps(said).encode()), ANTHROPIC.says()]
    first = (await sdk(bridged).models.generate_content(model="m-anthropic", contents="Hi")).candidates[0].content
    assert (first.parts[0].thought, first.parts[0].text) == (True, "Hm.")
    await sdk(bridged).models.generate_content(
        model="m-anthropic", contents=[types.UserContent("Hi"), first, types.UserContent("And?")]
    )
    assert bridged.provider.requests[1].json["messages"][1]["content"][0] == thinking


async def test_an_image_that_gemini_made_passes_whole(bridged: Running) -> None:
    made = content({"inlineData": {"mimeType": "image/png", "data": "aWk="}}, "STOP")
    bridged.provider.answers = [whole(made)]
    assert (await ask(bridged, GOOGLE)).json == made
