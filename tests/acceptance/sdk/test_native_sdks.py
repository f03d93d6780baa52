"""The official clients of Anthropic, Gemini, Ollama and Azure against one sandbox process.

Each asks whole and streamed and meets one fault. That the bytes are right in detail is for `tests/gateway/sandbox`.
"""

import subprocess
import sys
from collections.abc import Iterator

import anthropic
import ollama
import openai
import pytest
from google import genai
from google.genai import errors, types

SAID = "This is the Circuit Breaker sandbox, not a language model. You said: hello"
MODEL = "sandbox"
STOP_SECONDS = 20.0


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    """Where the process listens; it says so in its first line."""
    command = [sys.executable, "-m", "llm.sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1].removesuffix("/v1")
        process.terminate()
        process.wait(STOP_SECONDS)


def test_anthropic(sandbox: str) -> None:
    with anthropic.Anthropic(api_key="none", base_url=sandbox, max_retries=0) as client:
        whole = client.messages.create(model=MODEL, max_tokens=99, messages=[{"role": "user", "content": "hello"}])
        assert isinstance(whole.content[0], anthropic.types.TextBlock)
        assert whole.content[0].text == SAID
        with client.messages.stream(
            model=MODEL, max_tokens=99, messages=[{"role": "user", "content": "hello"}]
        ) as stream:
            assert stream.get_final_text() == SAID
        with pytest.raises(anthropic.RateLimitError):
            client.messages.create(
                model=f"{MODEL}?status=429", max_tokens=99, messages=[{"role": "user", "content": "hello"}]
            )


def test_gemini(sandbox: str) -> None:
    client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=sandbox))
    assert client.models.generate_content(model=MODEL, contents="hello").text == SAID
    chunks = client.models.generate_content_stream(model=MODEL, contents="hello")
    assert "".join(chunk.text or "" for chunk in chunks) == SAID
    assert [model.name for model in client.models.list()] == ["models/sandbox"]
    # This client refuses a `?` in a model's name: directives come by header.
    fault = types.HttpOptions(headers={"x-sandbox-fault": "status=429&retry-after=2"})
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(
            model=MODEL, contents="hello", config=types.GenerateContentConfig(http_options=fault)
        )
    assert caught.value.code == 429


def test_ollama(sandbox: str) -> None:
    client = ollama.Client(host=sandbox)
    messages = [{"role": "user", "content": "hello"}]
    assert client.chat(model=MODEL, messages=messages).message.content == SAID
    assert "".join(part.message.content or "" for part in client.chat(MODEL, messages, stream=True)) == SAID
    with pytest.raises(ollama.ResponseError) as caught:
        client.chat(model=f"{MODEL}?status=503", messages=messages)
    assert caught.value.status_code == 503


def test_azure(sandbox: str) -> None:
    with openai.AzureOpenAI(api_key="none", azure_endpoint=sandbox, api_version="2024-10-21", max_retries=0) as client:
        whole = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hello"}])
        assert whole.choices[0].message.content == SAID
        stream = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "hello"}], stream=True
        )
        said = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
        assert "".join(said) == SAID
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": "hello"}],
                extra_headers={"x-sandbox-fault": "status=429"},
            )
