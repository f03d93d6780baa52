"""The sandbox over a real socket: every fault as a client meets it, the record of what arrived, and the official SDK."""

import base64
import json
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
from pydantic import BaseModel

CHAT = "/v1/chat/completions"
HELLO = "This is the Circuit Breaker sandbox, not a language model. You said: Hello!"


def asked(model: str = "sandbox", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hello!"}], **fields}


@pytest.fixture
def client(sandbox_url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{sandbox_url}/v1", api_key="secret-of-a-test", max_retries=0, timeout=10)


# --- faults ----------------------------------------------------------------------------------------------------------


def test_a_whole_reply_has_a_length_and_keeps_the_connection(http: httpx.Client) -> None:
    for _ in range(2):
        answer = http.post(CHAT, json=asked())
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert answer.headers["x-sandbox"] == "not a language model"
        assert answer.json()["choices"][0]["message"]["content"] == HELLO


def test_a_status_arrives_with_its_retry_after(http: httpx.Client) -> None:
    answer = http.post(CHAT, json=asked("sandbox?status=503&retry-after=2"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["error"]["code"] == "sandbox_fault"
    assert "retry-after" not in http.post(CHAT, json=asked("sandbox?status=503")).headers


def test_the_header_tells_as_the_name_does(http: httpx.Client) -> None:
    assert http.post(CHAT, json=asked(), headers={"x-sandbox-fault": "status=418"}).status_code == 418
    assert http.post(CHAT, json=asked()).status_code == 200, "and only this once"


def test_a_delay_is_kept(http: httpx.Client) -> None:
    begun = time.monotonic()
    assert http.post(CHAT, json=asked("sandbox?delay=0.3")).json()["choices"]
    assert time.monotonic() - begun >= 0.3


@pytest.mark.parametrize("stream", [False, True])
def test_a_cut_before_the_first_byte(http: httpx.Client, stream: bool) -> None:
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        http.post(CHAT, json=asked("sandbox?cut=before", stream=stream))


def test_a_whole_reply_cut_short_is_seen_as_broken(http: httpx.Client) -> None:
    with http.stream("POST", CHAT, json=asked("sandbox?cut=20")) as answer:
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) > 20
        assert "transfer-encoding" not in answer.headers
        got = b""
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            for part in answer.iter_raw():
                got += part
        assert len(got) == 20


def test_a_stream_cut_short_gives_the_events_before(http: httpx.Client) -> None:
    with http.stream("POST", CHAT, json=asked("sandbox?cut=3", stream=True)) as answer:
        got = b""
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            for part in answer.iter_raw():
                got += part
    assert got.count(b"\n\n") == 3


@pytest.mark.parametrize(("place", "events"), [("before", None), ("2", 2)])
def test_a_hang_sends_nothing_more_and_keeps_the_connection(http: httpx.Client, place: str, events: int | None) -> None:
    got = b""
    told = asked(f"sandbox?hang={place}", stream=True)
    with pytest.raises(httpx.ReadTimeout), http.stream("POST", CHAT, json=told, timeout=0.4) as answer:
        for part in answer.iter_raw():
            got += part
    assert got.count(b"\n\n") == (events or 0)
    assert http.get("/health").status_code == 200, "others are served meanwhile"


def test_a_slow_drip_arrives_byte_for_byte(http: httpx.Client) -> None:
    fast = http.post(CHAT, json=asked("sandbox?words=2", stream=True), headers={"x-sandbox-fault": "split=5"})
    begun = time.monotonic()
    slow = http.post(
        CHAT, json=asked("sandbox?words=2", stream=True), headers={"x-sandbox-fault": "split=90&drip=0.02"}
    )
    assert slow.content == fast.content
    assert time.monotonic() - begun >= 0.02 * (len(slow.content) // 90)


def test_a_rate_spreads_the_events(http: httpx.Client) -> None:
    begun = time.monotonic()
    assert http.post(CHAT, json=asked("sandbox?words=8&rate=40", stream=True)).text.endswith("data: [DONE]\n\n")
    assert time.monotonic() - begun >= 10 / 40


def test_a_huge_reply_arrives_whole_even_if_read_slowly(http: httpx.Client) -> None:
    size = 20_000_000
    assert len(http.post(CHAT, json=asked(f"sandbox?huge={size}")).content) > size
    with http.stream("POST", CHAT, json=asked(f"sandbox?huge={size}", stream=True)) as answer:
        got = 0
        for part in answer.iter_raw():
            if got == 0:
                time.sleep(0.2)
            got += len(part)
    assert got > size


def test_many_at_once_each_get_their_own(sandbox_url: str) -> None:
    def one(number: int) -> str:
        told = "delay=0.05" if number % 2 else "drip=0.001&split=50"
        answer = httpx.post(
            sandbox_url + CHAT,
            json={"model": f"sandbox?{told}", "messages": [{"role": "user", "content": f"number {number}"}]},
        )
        text: str = answer.json()["choices"][0]["message"]["content"]
        return text

    with ThreadPoolExecutor(16) as pool:
        assert all(text.endswith(f"number {number}") for number, text in enumerate(pool.map(one, range(64))))


# --- the record ------------------------------------------------------------------------------------------------------


def test_what_arrived_is_kept_byte_for_byte_without_credentials(http: httpx.Client) -> None:
    raw = b'{ "model":"sandbox",\t"messages":[{"role":"user","content":"\xc3\xa9"}], "unknown": 1.0 }'
    http.post(
        CHAT, content=raw, headers={"authorization": "Bearer top-secret", "x-api-key": "hidden", "x-mine": "seen"}
    )
    listing = http.get("/sandbox/requests")
    assert "top-secret" not in listing.text
    assert "hidden" not in listing.text
    (request,) = listing.json()["requests"]
    assert base64.b64decode(request["body_base64"]) == raw
    assert request["body"] == raw.decode()
    assert (request["method"], request["path"]) == ("POST", CHAT)
    headers = dict(map(tuple, request["headers"]))
    assert headers["authorization"] == "Bearer ***"
    assert headers["x-api-key"] == "***"
    assert headers["x-mine"] == "seen"


def test_the_record_pages_and_forgets(http: httpx.Client) -> None:
    for number in range(5):
        http.post(CHAT, json=asked(user=str(number)))
    page = http.get("/sandbox/requests", params={"after": 2, "limit": 2}).json()
    assert page["count"] == 5
    assert [request["number"] for request in page["requests"]] == [3, 4]
    assert http.delete("/sandbox/requests").json() == {"count": 0, "requests": []}


# --- the official SDK ------------------------------------------------------------------------------------------------


def test_the_sdk_chats_and_streams(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": "Hello!"}])
    assert whole.choices[0].message.content == HELLO
    assert whole.usage is not None
    text = ""
    with client.chat.completions.stream(model="gpt-4", messages=[{"role": "user", "content": "Hello!"}]) as stream:
        for event in stream:
            if event.type == "content.delta":
                text += event.delta
    assert text == HELLO


class Review(BaseModel):
    approved: bool
    comments: list[str]


def test_the_sdk_parses_structured_output_and_tools(client: openai.OpenAI) -> None:
    parsed = client.chat.completions.parse(
        model="sandbox", messages=[{"role": "user", "content": "Review it"}], response_format=Review
    )
    review = parsed.choices[0].message.parsed
    assert review is not None
    assert review.comments == ["This is the Circuit Breaker sandbox, not a language model. You said: Review it"]

    tool = openai.pydantic_function_tool(Review, name="file_review")
    called = client.chat.completions.parse(
        model="sandbox",
        messages=[{"role": "user", "content": 'File the review: {"approved": false, "comments": []}'}],
        tools=[tool],
    )
    calls = called.choices[0].message.tool_calls
    assert calls is not None
    arguments = calls[0].function.parsed_arguments
    assert isinstance(arguments, Review)
    assert arguments.approved is False


def test_the_sdk_embeds_completes_and_lists(client: openai.OpenAI) -> None:
    vectors = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert [len(entry.embedding) for entry in vectors.data] == [1536, 1536]
    assert client.completions.create(model="sandbox", prompt="Hello!").choices[0].text == HELLO
    assert [model.id for model in client.models.list()] == ["sandbox"]


def test_the_sdk_sees_errors_as_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="sandbox?status=429", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.APIError):
        stream = client.chat.completions.create(
            model="sandbox?error=2", messages=[{"role": "user", "content": "x"}], stream=True
        )
        for _ in stream:
            pass


# --- the process -----------------------------------------------------------------------------------------------------


def test_a_taken_port_and_a_bad_directive_are_one_clear_line_each() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for arguments, words in ((["--port", port], "cannot listen"), (["--port", "0", "--behave", "x=1"], "--behave")):
            ended = subprocess.run(
                [sys.executable, "-m", "llm.sandbox", *arguments], capture_output=True, text=True, timeout=20
            )
            assert ended.returncode == 1
            assert words in ended.stderr
            assert len(ended.stderr.strip().splitlines()) == 1


def test_standing_directives_hold_for_all_and_sigterm_ends_a_hanging_request() -> None:
    command = [sys.executable, "-m", "llm.sandbox", "--port", "0", "--behave", "hang=2&words=3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with httpx.stream("POST", f"{url}/chat/completions", json=asked(stream=True), timeout=10) as answer:
            first = next(answer.iter_raw())
            assert json.loads(first.split(b"\n\n")[0][6:])["model"] == "sandbox"
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=5) == 0
