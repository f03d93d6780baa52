"""One conversation with tools, held by the official SDKs through the gateway with each provider, whole and streamed.

Equal must be, turn by turn: the text, the calls (names, arguments as JSON values, order), why the answer ended, and the
tokens of prompt and answer as the client is told them. Ids may differ: who has none gets made-up ones. The sandbox says
the same on every wire (`five.py`), and each turn is shown to have reached it by the provider's own wire.
"""

import json
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pydantic
import pytest

from tests.acceptance.sdk.five import BASES, PATHS, Five

SYSTEM = "You help travellers."
CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOLS = {"get_weather": "The weather of the next days", "get_sunrise": "When the sun comes up"}
BOTH = 'Tell me weather and sunrise in {"city": "Köln", "days": 2}.'
ONE = 'And the weather in {"city": "Oslo", "days": 1}?'
TURNS: list[tuple[str | None, int]] = [(BOTH, 500), (None, 500), (ONE, 500), (None, 500), ("Grüße, 漢字!", 5)]
"""What the user says and the most tokens of the answer; None: the results of the calls instead."""
FINISHES = {"tool_use": "tool_calls", "end_turn": "stop", "max_tokens": "length"}
"""Anthropic's reasons in OpenAI's words."""


@dataclass(frozen=True)
class Heard:
    """One turn's answer, as far as it must be equal."""

    text: str
    calls: tuple[tuple[str, Any], ...]
    finish: str | None
    prompt: int
    answer: int


def result_of(name: str, arguments: Any) -> str:
    """The tools' side: an object from one (without blanks: Gemini gets its value, not its text), a text from the other."""
    compact = json.dumps({"degrees": 21, **arguments}, ensure_ascii=False, separators=(",", ":"))
    return compact if name == "get_weather" else f"06:31 in {arguments['city']}"


class ByOpenai:
    """The conversation as OpenAI's SDK holds it."""

    def __init__(self, five: Five) -> None:
        self.client = openai.OpenAI(base_url=f"{five.product.gateway_url}/v1", api_key="none", max_retries=0)
        self.messages: list[Any] = [{"role": "system", "content": SYSTEM}]

    def say(self, said: str) -> None:
        self.messages.append({"role": "user", "content": said})

    def answer_calls(self) -> None:
        for call in self.messages[-1]["tool_calls"]:
            content = result_of(call["function"]["name"], json.loads(call["function"]["arguments"]))
            self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})

    def ask(self, model: str, limit: int, streamed: bool) -> Heard:
        tools = [
            {"type": "function", "function": {"name": name, "description": about, "parameters": CITY}}
            for name, about in TOOLS.items()
        ]
        asked: Any = {"model": model, "messages": self.messages, "tools": tools, "max_tokens": limit}
        if streamed:
            asked["stream_options"] = {"include_usage": True}
            with self.client.chat.completions.stream(**asked) as stream:
                for _ in stream:
                    pass
                completion: Any = stream.current_completion_snapshot
        else:
            completion = self.client.chat.completions.create(**asked)
        (choice,) = completion.choices
        self.messages.append(choice.message.model_dump(include={"role", "content", "tool_calls"}, exclude_none=True))
        calls = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or []]
        usage = completion.usage
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        return Heard(
            choice.message.content or "",
            tuple(calls),
            choice.finish_reason,
            usage.prompt_tokens,
            usage.completion_tokens,
        )


class ByAnthropic:
    """The same conversation as Anthropic's SDK holds it."""

    def __init__(self, five: Five) -> None:
        self.client = anthropic.Anthropic(base_url=five.product.gateway_url, api_key="none", max_retries=0)
        self.messages: list[Any] = []

    def say(self, said: str) -> None:
        self.messages.append({"role": "user", "content": said})

    def answer_calls(self) -> None:
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": result_of(block["name"], block["input"])}
            for block in self.messages[-1]["content"]
        ]
        self.messages.append({"role": "user", "content": results})

    def ask(self, model: str, limit: int, streamed: bool) -> Heard:
        tools = [{"name": name, "description": about, "input_schema": CITY} for name, about in TOOLS.items()]
        asked: Any = {"model": model, "system": SYSTEM, "messages": self.messages, "tools": tools, "max_tokens": limit}
        if streamed:
            with self.client.messages.stream(**asked) as stream:
                message: Any = stream.get_final_message()
        else:
            message = self.client.messages.create(**asked)
        kept = {"type", "text", "id", "name", "input"}
        self.messages.append(
            {"role": "assistant", "content": [block.model_dump(include=kept) for block in message.content]}
        )
        calls = tuple((block.name, block.input) for block in message.content if block.type == "tool_use")
        text = "".join(block.text for block in message.content if block.type == "text")
        usage = message.usage
        return Heard(text, calls, FINISHES[message.stop_reason], usage.input_tokens, usage.output_tokens)


class ByResponses:
    """The same conversation as OpenAI's SDK holds it with responses, sending back what it got, item by item."""

    def __init__(self, five: Five) -> None:
        self.client = openai.OpenAI(base_url=f"{five.product.gateway_url}/v1", api_key="none", max_retries=0)
        self.items: list[Any] = []

    def say(self, said: str) -> None:
        self.items.append({"role": "user", "content": said})

    def answer_calls(self) -> None:
        for item in [item for item in self.items if getattr(item, "type", None) == "function_call"]:
            done = {"type": "function_call_output", "call_id": item.call_id}
            if not any(isinstance(one, dict) and done.items() <= one.items() for one in self.items):
                self.items.append({**done, "output": result_of(item.name, json.loads(item.arguments))})

    def ask(self, model: str, limit: int, streamed: bool) -> Heard:
        tools: Any = [
            {"type": "function", "name": name, "description": about, "parameters": CITY, "strict": None}
            for name, about in TOOLS.items()
        ]
        asked: Any = {"model": model, "input": self.items, "tools": tools, "instructions": SYSTEM}
        asked["max_output_tokens"] = limit
        if streamed:
            with self.client.responses.stream(**asked) as stream:
                response: Any = list(stream)[-1].response  # SDK's own final response knows none that is incomplete
        else:
            response = self.client.responses.create(**asked)
        self.items += response.output
        calls = [(i.name, json.loads(i.arguments)) for i in response.output if i.type == "function_call"]
        finish = "length" if response.status == "incomplete" else "tool_calls" if calls else "stop"
        usage = response.usage
        return Heard(response.output_text, tuple(calls), finish, usage.input_tokens, usage.output_tokens)


Speaker = ByOpenai | ByAnthropic | ByResponses


def converse(speaker: Speaker, model: str, streamed: bool) -> list[Heard]:
    heard = []
    for said, limit in TURNS:
        if said is None:
            speaker.answer_calls()
        else:
            speaker.say(said)
        heard.append(speaker.ask(model, limit, streamed))
    speaker.client.close()
    return heard


@pytest.fixture(scope="module")
def expected(five: Five) -> list[Heard]:
    """What OpenAI's SDK hears of OpenAI's own wire, whole: bytes that nobody translated."""
    return converse(ByOpenai(five), "m-openai", streamed=False)


def test_what_is_compared_is_a_conversation(expected: list[Heard]) -> None:
    koeln, oslo = {"city": "Köln", "days": 2}, {"city": "Oslo", "days": 1}
    assert [turn.calls for turn in expected] == [
        (("get_weather", koeln), ("get_sunrise", koeln)),
        (),
        (("get_weather", oslo),),
        (),
        (),
    ]
    assert [turn.finish for turn in expected] == ["tool_calls", "stop", "tool_calls", "stop", "length"]
    assert f"The tool get_weather returned: {result_of('get_weather', koeln)}" in expected[1].text
    assert "The tool get_sunrise returned: 06:31 in Köln" in expected[1].text
    assert expected[4].answer == 5
    prompts = [turn.prompt for turn in expected]
    assert prompts == sorted(set(prompts)), "every turn has all before it in its prompt"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", BASES)
@pytest.mark.parametrize("sdk", [ByOpenai, ByAnthropic], ids=["openai", "anthropic"])
def test_one_conversation(five: Five, expected: list[Heard], sdk: type[Speaker], provider: str, streamed: bool) -> None:
    five.forget()
    heard = converse(sdk(five), f"m-{provider}", streamed)
    assert heard == expected
    assert five.asked() == [PATHS[provider][streamed]] * len(TURNS), "by the provider's own wire"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", ["anthropic", "google", "ollama", "azure-dated"])
def test_one_conversation_by_responses(five: Five, expected: list[Heard], provider: str, streamed: bool) -> None:
    """Where the provider has no responses of its own."""
    five.forget()
    assert converse(ByResponses(five), f"m-{provider}", streamed) == expected
    assert five.asked() == [PATHS[provider][streamed]] * len(TURNS), "by the provider's own wire"


class Point(pydantic.BaseModel):
    x: int
    y: int


@pytest.mark.parametrize("provider", ["anthropic", "google", "ollama", "azure-dated"])
def test_responses_are_parsed_into_a_model(five: Five, provider: str) -> None:
    client = openai.OpenAI(base_url=f"{five.product.gateway_url}/v1", api_key="none", max_retries=0)
    reply = client.responses.parse(model=f"m-{provider}", input="Where?", text_format=Point)
    assert isinstance(reply.output_parsed, Point)
    with client.responses.stream(model=f"m-{provider}", input="Where?", text_format=Point) as stream:
        assert stream.get_final_response().output_parsed == reply.output_parsed
