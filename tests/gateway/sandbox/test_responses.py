"""The responses API of the sandbox: one object, the same told as events, gone on with by id, failing on request."""

import base64
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.gateway.exchange import Exchange
from llm.sandbox import memory
from llm.sandbox.conversation import Conversation, Turn
from llm.sandbox.memory import Memory
from llm.sandbox.playing import Reply
from llm.sandbox.server import Sandbox
from tests.gateway.sandbox.asking import CHAT, ask, body
from tests.gateway.sandbox.test_chat import HELLO
from tests.gateway.sandbox.test_record import Sink

RESPONSES = "/v1/responses"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TIME = {"type": "function", "name": "tell_time", "parameters": {"type": "object", "properties": {"zone": {}}}}


def respond(model: str = "sandbox", asked: object = "Hello!", **fields: Any) -> Reply:
    return ask(RESPONSES, **{"model": model, "input": asked, **fields})


def events(given: Reply) -> list[dict[str, Any]]:
    """The events, each checked: named twice alike, numbered without gaps."""
    assert given.streamed
    found = []
    for number, part in enumerate(given.parts):
        name, data = part.decode().removesuffix("\n\n").split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert (name, event["sequence_number"]) == (f"event: {event['type']}", number)
        found.append(event)
    return found


def test_a_whole_response() -> None:
    answer = body(respond(metadata={"a": "b"}, instructions="Be short."))
    assert (answer["object"], answer["status"], answer["model"]) == ("response", "completed", "sandbox")
    assert answer["output"][0]["content"] == [{"type": "output_text", "text": HELLO, "annotations": [], "logprobs": []}]
    assert answer["usage"] == {
        "input_tokens": 3 + 3 + 3 + 2,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": (len(HELLO) + 3) // 4,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 11 + (len(HELLO) + 3) // 4,
    }
    assert (answer["metadata"], answer["instructions"]) == ({"a": "b"}, "Be short.")


def test_a_stream_tells_the_same_response_step_by_step() -> None:
    told = events(respond(stream=True))
    kinds = [kind for kind, _ in itertools.groupby(event["type"] for event in told)]
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert "".join(event["delta"] for event in told if event["type"] == "response.output_text.delta") == HELLO
    whole = body(respond())
    last = told[-1]["response"]
    assert (last["usage"], last["status"]) == (whole["usage"], "completed")
    assert last["output"][0]["content"] == whole["output"][0]["content"]


@pytest.mark.parametrize("interleave", [False, True])
def test_parallel_calls_stream_their_arguments_apart_or_in_turns(interleave: bool) -> None:
    model = "sandbox?interleave=1" if interleave else "sandbox"
    told = events(respond(model, "What weather, what time?", tools=[WEATHER, TIME], stream=True))
    deltas = [event for event in told if event["type"] == "response.function_call_arguments.delta"]
    said = {0: "", 1: ""}
    for event in deltas:
        said[event["output_index"]] += event["delta"]
    output = told[-1]["response"]["output"]
    assert [item["name"] for item in output] == ["get_weather", "tell_time"]
    assert [said[0], said[1]] == [item["arguments"] for item in output]
    order = [event["output_index"] for event in deltas]
    assert (order == sorted(order)) is not interleave


def test_json_schemas_custom_tools_and_tool_choice() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    formed = body(respond(text={"format": {"type": "json_schema", "name": "x", "schema": schema}}))
    assert json.loads(formed["output"][0]["content"][0]["text"]) == {"n": 1}
    named = body(respond(tools=[WEATHER, TIME], tool_choice={"type": "function", "name": "tell_time"}))
    assert [item["name"] for item in named["output"]] == ["tell_time"]
    custom = body(respond(tools=[{"type": "custom", "name": "shell"}], tool_choice="required"))
    assert (custom["output"][0]["type"], custom["output"][0]["input"]) == ("custom_tool_call", "Hello!")
    absent = respond(tools=[WEATHER], tool_choice={"type": "function", "name": "absent"})
    assert (absent.status, body(absent)["error"]["param"]) == (400, "tool_choice")


def test_images_and_sounds_are_counted() -> None:
    parts = [{"type": "input_text", "text": "Look"}, {"type": "input_image"}, {"type": "input_file"}]
    assert body(respond(asked=[{"role": "user", "content": parts}]))["usage"]["input_tokens"] > 3 + 2 * 85
    sound = [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]
    assert body(ask(messages=sound))["usage"]["prompt_tokens_details"]["audio_tokens"] == 85


def test_results_of_tools_are_answered() -> None:
    asked = [
        {"role": "user", "content": "What weather?"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
    ]
    text = body(respond(asked=asked, tools=[WEATHER]))["output"][0]["content"][0]["text"]
    assert text.endswith("The tool get_weather returned: rain")


@pytest.mark.parametrize(
    ("fault", "status", "last"),
    [
        ("failed=3", "failed", "response.failed"),
        ("finish=length", "incomplete", "response.incomplete"),
        ("finish=content_filter", "incomplete", "response.incomplete"),
    ],
)
def test_it_fails_and_stops_short_on_request(fault: str, status: str, last: str) -> None:
    assert body(respond(f"sandbox?{fault}"))["status"] == status
    told = events(respond(f"sandbox?{fault}", stream=True))
    assert (told[-1]["type"], told[-1]["response"]["status"]) == (last, status)


def test_an_error_in_band_is_a_numbered_event() -> None:
    told = events(respond("sandbox?error=3", stream=True))
    assert (len(told), told[-1]["type"], told[-1]["code"]) == (4, "error", "server_error")


def test_a_limit_makes_it_incomplete_and_done_can_be_left_out() -> None:
    short = body(respond(max_output_tokens=2))
    assert (short["status"], short["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert events(respond("sandbox?done=0", stream=True))[-1]["type"] == "response.output_item.done"


@pytest.mark.parametrize("path", [RESPONSES, "/v1/embeddings", "/v1/completions", "/v1/chat/completions"])
def test_usage_is_left_out_or_tenfold_everywhere(path: str) -> None:
    fields: dict[str, Any] = {RESPONSES: {"input": "a"}, "/v1/embeddings": {"input": "a"}}.get(path, {})
    right = body(ask(path, **{"model": "sandbox", **fields}))["usage"]["total_tokens"]
    assert body(ask(path, **{"model": "sandbox?usage=wrong", **fields}))["usage"]["total_tokens"] == 10 * right
    assert body(ask(path, **{"model": "sandbox?usage=none", **fields})).get("usage") is None


@pytest.mark.parametrize("path", [RESPONSES, "/v1/embeddings", "/v1/completions"])
def test_every_operation_is_huge_or_broken_on_request(path: str) -> None:
    fields = {"input": "a"} if path != "/v1/completions" else {"prompt": "a"}
    assert ask(path, model="sandbox?huge=100000", **fields).length >= 100_000
    assert ask(path, model="sandbox?status=503", **fields).status == 503
    with pytest.raises(json.JSONDecodeError):
        body(ask(path, model="sandbox?malformed=0", **fields))


def test_legacy_log_probabilities_cover_the_text() -> None:
    choice = body(ask("/v1/completions", model="sandbox", prompt="one two", logprobs=1))["choices"][0]
    said = choice["logprobs"]
    assert "".join(said["tokens"]) == choice["text"]
    assert [
        choice["text"][at:].startswith(token) for at, token in zip(said["text_offset"], said["tokens"], strict=True)
    ] == [True] * len(said["tokens"])


def test_a_response_is_gone_on_with_by_its_id_and_never_from_the_cache() -> None:
    sandbox, sink = Sandbox(), Sink()

    def one(fields: dict[str, Any]) -> dict[str, Any]:
        raw = json.dumps({"model": "sandbox", **fields}).encode()
        sandbox.handle(Exchange(sink, "POST", RESPONSES.encode(), b"", [], raw))
        found: dict[str, Any] = json.loads(sink.bodies[-1])
        return found

    called = one({"input": "What weather?", "tools": [WEATHER]})
    result = {"type": "function_call_output", "call_id": called["output"][0]["call_id"], "output": "rain"}
    then = {"previous_response_id": called["id"], "input": [result]}
    answer = one(then)
    assert answer["output"][0]["content"][0]["text"].endswith("The tool get_weather returned: rain")
    sandbox.memory = Memory()
    assert one(then)["error"]["code"] == "previous_response_not_found"
    kept_out = one({"input": "x", "store": False})
    assert "error" in one({"input": "y", "previous_response_id": kept_out["id"]})


def test_the_memory_stays_within_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_CONVERSATIONS", 2)
    kept = Memory()
    for number in range(3):
        kept.keep(str(number), Conversation((Turn("user", "x"),)))
    assert [kept.recall(str(number)) is not None for number in range(3)] == [False, True, True]
    monkeypatch.setattr(memory, "MAX_CHARACTERS", 1000)
    kept.keep("huge", Conversation((Turn("user", "x" * 250),)))
    assert (kept.recall("2") is not None, kept.recall("huge")) == (True, None)
    monkeypatch.setattr(memory, "MAX_CONVERSATIONS", 100)
    for number in range(3, 10):
        kept.keep(str(number), Conversation((Turn("user", "x" * 150),)))
    assert [kept.recall(str(number)) is not None for number in range(3, 10)] == [False] * 3 + [True] * 4


def test_interleaved_calls_of_a_chat_keep_their_indices() -> None:
    tools = [
        {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}} for tool in (WEATHER, TIME)
    ]
    asked: dict[str, Any] = {
        "messages": [{"role": "user", "content": "What weather, what time?"}],
        "tools": tools,
        "stream": True,
    }
    order = []
    for part in ask(model="sandbox?interleave=1", **asked).parts[:-1]:
        choices = json.loads(part[6:])["choices"]
        order += [call["index"] for call in choices[0]["delta"].get("tool_calls", [])]
    assert order[:4] == [0, 1, 0, 1]


def test_base64_is_what_the_sdk_reads() -> None:
    packed = body(ask("/v1/embeddings", model="sandbox", input="a", dimensions=3, encoding_format="base64"))
    assert len(base64.b64decode(packed["data"][0]["embedding"])) == 12


@pytest.mark.parametrize(
    "choice", [{}, {"type": "function"}, {"allowed_tools": 7}, {"allowed_tools": {"tools": 7}}, {"function": 7}, "odd"]
)
@pytest.mark.parametrize("path", [RESPONSES, CHAT])
def test_an_odd_tool_choice_is_an_answer_or_a_clear_refusal(path: str, choice: object) -> None:
    tool = WEATHER if path == RESPONSES else {"type": "function", "function": {"name": "get_weather"}}
    answer = ask(
        path, model="sandbox", tools=[tool], tool_choice=choice, **({"input": "a"} if path == RESPONSES else {})
    )
    assert answer.status == 200 or body(answer)["error"]["param"] == "tool_choice"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "tools", "name", "input"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["input", "tools", "tool_choice", "text", "instructions", "stream"]), VALUES))
def test_any_request_gets_an_answer(fields: dict[str, Any]) -> None:
    assert ask(RESPONSES, **{"model": "sandbox", "input": "a", **fields}).status in (200, 400)
