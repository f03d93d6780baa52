"""The official Python SDK's helpers: streams with events, parsing, raw replies, retries, time-outs, many at once."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import openai
import pytest
from openai.lib.responses_tool_runner import RegisteredFunction, ResponsesToolRunner
from pydantic import BaseModel

from tests.acceptance.sdk.conftest import FAULT, Matrix, Tee
from tests.acceptance.sdk.matrix import ALWAYS, EMBEDDER, MESSAGES, MODEL, RESPONSES_TOOL

SAID = "This is the Circuit Breaker sandbox, not a language model. You said: How is the weather in Oslo?"


class Place(BaseModel):
    city: str


def no_change(matrix: Matrix, tee: Tee) -> None:
    """Nothing had to change, so the provider got what the SDK sent."""
    assert matrix.bodies() == tee.sent
    assert tee.sent


# --- chat ------------------------------------------------------------------------------------------------------------


def test_chat_stream_helper(client: openai.OpenAI, matrix: Matrix, tee: Tee) -> None:
    with client.chat.completions.stream(
        model=MODEL,
        messages=MESSAGES,
        stream_options={"include_usage": True},
    ) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    assert "".join(event.delta for event in events if event.type == "content.delta") == SAID
    assert [event.content for event in events if event.type == "content.done"] == [SAID]
    assert final.choices[0].message.content == SAID
    assert final.usage is not None
    no_change(matrix, tee)


@pytest.mark.parametrize("fault", ["", "split=9"])
def test_chat_stream_helper_with_tools(client: openai.OpenAI, fault: str) -> None:
    tools: Any = [openai.pydantic_function_tool(Place, name=name) for name in ("get_weather", "find_oslo")]
    with client.chat.completions.stream(
        model=MODEL,
        messages=MESSAGES,
        tools=tools,
        extra_headers={FAULT: fault} if fault else {},
    ) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        calls = stream.get_final_completion().choices[0].message.tool_calls or []
    assert sorted(event.name for event in done) == ["find_oslo", "get_weather"]
    assert [call.function.name for call in calls] == ["get_weather", "find_oslo"]
    assert all(isinstance(call.function.parsed_arguments, Place) for call in calls)


def test_interleaved_arguments_keep_their_call(client: openai.OpenAI) -> None:
    """Read by index, as the wire means it; the SDK's own `stream` helper takes calls only one after the other."""
    tools: Any = [openai.pydantic_function_tool(Place, name=name) for name in ("get_weather", "find_oslo")]
    said = ["", ""]
    order: list[int] = []
    for chunk in client.chat.completions.create(
        **ALWAYS["chat"], tools=tools, stream=True, extra_headers={FAULT: "interleave=1"}
    ):
        for call in chunk.choices[0].delta.tool_calls or []:
            assert call.function is not None
            said[call.index] += call.function.arguments or ""
            order.append(call.index)
    assert [Place.model_validate_json(text) for text in said] == [Place(city=MESSAGES[0]["content"])] * 2
    assert order[:4] == [0, 1, 0, 1]


def test_chat_parse(client: openai.OpenAI, matrix: Matrix, tee: Tee) -> None:
    parsed = client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=Place)
    assert parsed.choices[0].message.parsed == Place(city=SAID)
    no_change(matrix, tee)


def test_chat_parse_tools(client: openai.OpenAI, matrix: Matrix, tee: Tee) -> None:
    tool = openai.pydantic_function_tool(Place, name="get_weather")
    parsed = client.chat.completions.parse(model=MODEL, messages=MESSAGES, tools=[tool])
    calls = parsed.choices[0].message.tool_calls or []
    assert [call.function.parsed_arguments for call in calls] == [Place(city=MESSAGES[0]["content"])]
    no_change(matrix, tee)


# --- responses -------------------------------------------------------------------------------------------------------


def test_responses_stream_helper(client: openai.OpenAI, matrix: Matrix, tee: Tee) -> None:
    with client.responses.stream(model=MODEL, input=MESSAGES[0]["content"]) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == SAID
    assert (final.status, final.output_text) == ("completed", SAID)
    no_change(matrix, tee)


def test_responses_parse(client: openai.OpenAI, matrix: Matrix, tee: Tee) -> None:
    assert client.responses.parse(model=MODEL, input="Oslo", text_format=Place).output_parsed is not None
    with client.responses.stream(model=MODEL, input="Oslo", text_format=Place) as stream:
        assert isinstance(stream.get_final_response().output_parsed, Place)
    no_change(matrix, tee)


def test_responses_go_on(client: openai.OpenAI, matrix: Matrix, tee: Tee) -> None:
    """A tool called, run and answered, the conversation kept by the provider."""
    tools: Any = [RESPONSES_TOOL]
    first = client.responses.create(model=MODEL, input=MESSAGES[0]["content"], tools=tools)
    (call,) = first.output
    assert call.type == "function_call"
    result: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "rain"}]
    then = client.responses.create(model=MODEL, input=result, previous_response_id=first.id, tools=tools)
    assert then.output_text.endswith("The tool get_weather returned: rain")
    no_change(matrix, tee)


def test_responses_tool_runner(client: openai.OpenAI, matrix: Matrix, tee: Tee) -> None:
    asked: list[dict[str, object]] = []

    def run(arguments: dict[str, object]) -> str:
        asked.append(arguments)
        return "rain"

    tool: Any = RESPONSES_TOOL
    runner = ResponsesToolRunner(functions=[RegisteredFunction(tool, run)])
    final = runner.run(client, {"model": MODEL, "input": MESSAGES[0]["content"]}, max_steps=3)
    assert asked == [{"city": MESSAGES[0]["content"]}]
    assert final.output_text.endswith("The tool get_weather returned: rain")
    no_change(matrix, tee)


# --- replies as they came --------------------------------------------------------------------------------------------


def test_raw_response(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(**ALWAYS["chat"])
    assert raw.headers["x-request-id"]
    assert raw.headers["x-circuit-breaker-provider"] == "sandbox"
    assert raw.parse().choices[0].message.content == SAID
    assert raw.parse()._request_id == raw.headers["x-request-id"]


def test_streaming_response(client: openai.OpenAI) -> None:
    with client.chat.completions.with_streaming_response.create(**ALWAYS["chat"], stream=True) as raw:
        assert raw.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in raw.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    with client.embeddings.with_streaming_response.create(model=EMBEDDER, input="a") as whole:
        assert whole.parse().data[0].embedding


def test_models(client: openai.OpenAI) -> None:
    page = client.models.list()
    assert not page.has_next_page()
    names = [model.id for model in page]
    assert MODEL in names
    assert client.models.retrieve(MODEL).id == MODEL
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("absent/model")


# --- when it fails ---------------------------------------------------------------------------------------------------


def errors() -> Iterator[tuple[str, type[openai.APIStatusError]]]:
    yield "status=400", openai.BadRequestError
    yield "status=404", openai.NotFoundError
    yield "status=409", openai.ConflictError
    yield "status=422", openai.UnprocessableEntityError
    yield "status=429", openai.RateLimitError
    yield "status=500", openai.InternalServerError
    yield "status=401", openai.InternalServerError
    yield "cut=before", openai.InternalServerError


@pytest.mark.parametrize(("fault", "kind"), list(errors()))
def test_errors(client: openai.OpenAI, fault: str, kind: type[openai.APIStatusError]) -> None:
    with pytest.raises(kind) as caught:
        client.chat.completions.create(**ALWAYS["chat"], extra_headers={FAULT: fault})
    assert caught.value.code in ("sandbox_fault", "provider_authentication_failed", "provider_broken")
    assert caught.value.request_id


def test_an_error_in_the_stream_is_seen(client: openai.OpenAI) -> None:
    """The SDK raises it for chat; for responses it is an event like the others."""
    cut = {FAULT: "cut=4"}
    with pytest.raises(openai.APIError, match="broke"):
        list(client.chat.completions.create(**ALWAYS["chat"], stream=True, extra_headers=cut))
    events = list(client.responses.create(**ALWAYS["responses"], stream=True, extra_headers=cut))
    assert (events[-1].type, events[-1].code) == ("error", "provider_broken")


def test_timeout_is_booked(client: openai.OpenAI, matrix: Matrix) -> None:
    def cancelled() -> int:
        lines = httpx.get(f"{matrix.product.gateway_url}/metrics").text.splitlines()
        found = [line for line in lines if line.startswith("circuit_breaker_requests_total") and 'status="499"' in line]
        return sum(int(line.split()[-1]) for line in found)

    before = cancelled()
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(**ALWAYS["chat"], timeout=0.3, extra_headers={FAULT: "hang=before"})
    with pytest.raises(openai.APITimeoutError):
        list(
            client.responses.create(**ALWAYS["responses"], stream=True, timeout=0.3, extra_headers={FAULT: "delay=60"})
        )
    deadline = time.monotonic() + 20
    while cancelled() < before + 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)


# --- async -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def asynchronous(matrix: Matrix, tee: Tee, retries: int = 0) -> AsyncIterator[openai.AsyncOpenAI]:
    matrix.forget()
    http_client = openai.DefaultAsyncHttpxClient(event_hooks={"request": [tee.hook]})
    url = f"{matrix.product.gateway_url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=retries, http_client=http_client) as client:
        yield client


async def test_retries(matrix: Matrix, tee: Tee) -> None:
    async with asynchronous(matrix, tee, retries=1) as client:
        faults = ["status=429&retry-after=1", "status=500", "status=503", "cut=before"]
        begun = time.monotonic()
        replies = await asyncio.gather(
            *(client.chat.completions.create(**ALWAYS["chat"], extra_headers={FAULT: fault}) for fault in faults)
        )
    assert [reply.choices[0].message.content for reply in replies] == [SAID] * 4
    assert len(matrix.arrived()) == 8
    assert time.monotonic() - begun >= 1, "Retry-After is passed on and kept"


async def test_async_concurrency(matrix: Matrix, tee: Tee) -> None:
    async with asynchronous(matrix, tee) as client:
        replies = await asyncio.gather(
            *(
                client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": f"number {number}"}])
                for number in range(60)
            )
        )
    said = [reply.choices[0].message.content or "" for reply in replies]
    assert all(text.endswith(f"number {number}") for number, text in enumerate(said))
    assert sorted(matrix.bodies()) == sorted(tee.sent)


async def test_async_streams(matrix: Matrix, tee: Tee) -> None:
    async def one(client: openai.AsyncOpenAI, number: int) -> str:
        text = ""
        async with client.chat.completions.stream(
            model=MODEL, messages=[{"role": "user", "content": f"number {number}"}], tools=[]
        ) as stream:
            async for event in stream:
                text += event.delta if event.type == "content.delta" else ""
        return text

    async with asynchronous(matrix, tee) as client:
        said = await asyncio.gather(*(one(client, number) for number in range(20)))
        parsed = await client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=Place)
        embedded = await client.embeddings.create(model=EMBEDDER, input=["a", "b"])
        listed = [model.id async for model in client.models.list()]
    assert all(text.endswith(f"number {number}") for number, text in enumerate(said))
    assert (parsed.choices[0].message.parsed is not None, len(embedded.data), MODEL in listed) == (True, 2, True)
