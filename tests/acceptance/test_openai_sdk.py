"""The official OpenAI SDK for Python, unchanged but for its base URL, against the running product."""

import openai
import pytest

from tests.acceptance.running import Running


@pytest.fixture
def client(product: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{product.gateway_url}/v1", api_key="not-needed", max_retries=0)


def test_lists_models(client: openai.OpenAI) -> None:
    models = {model.id: model for model in client.models.list()}
    assert {"gpt-4", "claude-3-haiku", "auto", "cb:cost-optimal"} <= models.keys()
    gpt4 = models["gpt-4"]
    assert gpt4.object == "model"
    assert gpt4.model_dump()["context_window"] == 8192
    assert gpt4.model_dump()["supports_streaming"] is True
    assert gpt4.model_dump()["cost_per_input_token"] == 0.00003
    assert gpt4.model_dump()["cost_per_output_token"] == 0.00006


def test_retrieves_one_model(client: openai.OpenAI) -> None:
    assert client.models.retrieve("claude-3-haiku").id == "claude-3-haiku"


def test_chats(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "Hello!"}])
    assert reply.object == "chat.completion"
    assert "Hello!" in (reply.choices[0].message.content or "")
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 0


def test_streams_the_same_answer(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "Write a poem"}]
    whole = client.chat.completions.create(model="claude-3-haiku", messages=messages)  # type: ignore[call-overload]
    chunks = list(client.chat.completions.create(model="claude-3-haiku", messages=messages, stream=True))  # type: ignore[call-overload]
    assert len(chunks) > 3
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks), "usage was not asked for"


def test_streams_usage_when_asked(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="auto",
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None and chunks[-1].usage.total_tokens > 0


def test_unknown_model_is_openais_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="no-such-model", messages=[{"role": "user", "content": "Hi"}])
    assert caught.value.code == "model_not_found"
    assert "no-such-model" in caught.value.message


def test_missing_messages_name_the_field(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/chat/completions", body={"model": "auto"}, cast_to=object)
    assert caught.value.param == "messages"


def test_says_who_answered_and_what_it_cost(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="gpt-4", messages=[{"role": "user", "content": "Hi"}])
    assert raw.headers["x-circuit-breaker-provider"] == "sandbox"
    assert raw.headers["x-circuit-breaker-model"] == "gpt-4"
    assert raw.parse().model == "sandbox/gpt-4", "nobody can mistake the sandbox for a model"
    usage = raw.parse().usage
    assert usage is not None
    cost = usage.prompt_tokens * 0.00003 + usage.completion_tokens * 0.00006
    assert float(raw.headers["x-circuit-breaker-cost"]) == pytest.approx(cost, abs=1e-9)


def test_the_clients_request_id_comes_back(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": "Hi"}], extra_headers={"X-Request-Id": "req-123"}
    )
    assert raw.headers["x-request-id"] == "req-123"


def test_completes_text_whole_and_streamed(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="gpt-3.5-turbo", prompt="Say this", max_tokens=20)
    parts = list(client.completions.create(model="gpt-3.5-turbo", prompt="Say this", max_tokens=20, stream=True))
    assert whole.object == "text_completion"
    assert whole.usage is not None and whole.usage.completion_tokens > 0
    assert "".join(part.choices[0].text for part in parts) == whole.choices[0].text != ""


def test_embeds(client: openai.OpenAI) -> None:
    reply = client.embeddings.create(model="text-embedding-3-small", input=["a cat", "a cat", "a dog"], dimensions=64)
    one, same, other = (item.embedding for item in reply.data)
    assert len(one) == 64
    assert one == same != other
    assert reply.usage.total_tokens == reply.usage.prompt_tokens > 0


def test_responds_whole_and_streamed(client: openai.OpenAI) -> None:
    whole = client.responses.create(model="gpt-4o", input="Hello!")
    assert whole.status == "completed"
    assert "Hello!" in whole.output_text
    assert whole.usage is not None and whole.usage.total_tokens > 0
    events = list(client.responses.create(model="gpt-4o", input="Hello!", stream=True))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert "".join(one.delta for one in events if one.type == "response.output_text.delta") == whole.output_text


def test_models_that_cannot_do_it_are_named(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="text-embedding-3-small"):
        client.chat.completions.create(model="text-embedding-3-small", messages=[{"role": "user", "content": "Hi"}])
    with pytest.raises(openai.BadRequestError, match="gpt-4"):
        client.embeddings.create(model="gpt-4", input="Hi")


def test_dated_names_are_known(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="gpt-4o-2024-08-06", messages=[{"role": "user", "content": "Hi"}])
    assert reply.model == "sandbox/gpt-4o"


def test_the_cost_stands_in_the_usage_when_asked_for(client: openai.OpenAI) -> None:
    reply = client.chat.completions.with_raw_response.create(
        model="gpt-4", messages=[{"role": "user", "content": "Hi"}], extra_body={"usage": {"include": True}}
    )
    usage = reply.parse().usage
    assert usage is not None
    assert usage.model_dump()["cost"] == float(reply.headers["x-circuit-breaker-cost"]) > 0
