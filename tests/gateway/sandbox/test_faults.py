"""Directives: read strictly, and carried out in the right place."""

import json

import pytest

from llm.sandbox.faults import HEALTHY, Behaviour, read_directives
from llm.sandbox.playing import Cut, Hang, Step, Wait
from tests.gateway.sandbox.asking import ask, body, chunks, said


def sent(steps: list[Step]) -> bytes:
    return b"".join(step for step in steps if isinstance(step, bytes))


def test_no_directive_is_a_healthy_provider() -> None:
    assert read_directives("", "") is HEALTHY
    answer = ask()
    assert answer.plain
    assert list(answer.before()) == []
    assert list(answer.steps()) == list(answer.parts)


@pytest.mark.parametrize(
    "wrong",
    [
        "bogus=1",
        "status",
        "status=200",
        "status=x",
        "cut=-1",
        "cut=after",
        "rate=0",
        "usage=maybe",
        "huge=0",
        "cut=1&cut=2",
    ],
)
def test_a_directive_it_does_not_know_is_refused_and_the_known_are_listed(wrong: str) -> None:
    answer = ask(model=f"sandbox?{wrong}")
    assert answer.status == 400
    assert body(answer)["error"]["param"] == "model"
    assert ask(fault=wrong).status == 400


def test_the_header_wins_over_the_name_and_the_name_over_what_stands() -> None:
    answer = ask(model="sandbox?delay=2&rate=5", fault="delay=3", standing="delay=1&rate=1&drip=1")
    assert answer.behaviour == Behaviour(delay=3, rate=5, drip=1)


def test_a_status_comes_as_an_error_with_or_without_retry_after() -> None:
    assert ask(model="sandbox?status=503").headers == (
        ("content-type", "application/json"),
        ("x-sandbox", "not a language model"),
    )
    limited = ask(model="sandbox?status=429&retry-after=1.5", stream=True)
    assert limited.status == 429
    assert ("retry-after", "1.5") in limited.headers
    assert body(limited)["error"]["type"] == "rate_limit_error"


def test_an_error_page_may_be_html() -> None:
    page = ask(model="sandbox?status=502&html=1")
    assert page.headers[0] == ("content-type", "text/html")
    assert b"<h1>" in page.parts[0]


def test_a_delay_comes_before_the_head() -> None:
    assert list(ask(model="sandbox?delay=0.5").before()) == [Wait(0.5)]


@pytest.mark.parametrize(("word", "end"), [("cut", Cut()), ("hang", Hang())])
def test_it_breaks_off_before_the_first_byte(word: str, end: Step) -> None:
    assert list(ask(model=f"sandbox?{word}=before").before()) == [end]


@pytest.mark.parametrize(("word", "end"), [("cut", Cut()), ("hang", Hang())])
def test_it_breaks_off_after_so_many_bytes_of_a_whole_reply(word: str, end: Step) -> None:
    answer = ask(model=f"sandbox?{word}=10")
    assert list(answer.steps()) == [answer.parts[0][:10], end]


@pytest.mark.parametrize(("word", "end"), [("cut", Cut()), ("hang", Hang())])
def test_it_breaks_off_after_so_many_events_of_a_stream(word: str, end: Step) -> None:
    answer = ask(model=f"sandbox?{word}=2", stream=True)
    assert list(answer.steps()) == [*answer.parts[:2], end]


def test_a_malformed_event_stands_at_its_place_and_the_rest_goes_on() -> None:
    answer = ask(model="sandbox?malformed=1", stream=True)
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.parts[1][6:])
    json.loads(answer.parts[2][6:])
    assert answer.parts[-1] == b"data: [DONE]\n\n"


def test_a_malformed_whole_reply_is_not_json() -> None:
    with pytest.raises(json.JSONDecodeError):
        body(ask(model="sandbox?malformed=0"))


def test_an_error_in_band_ends_the_stream_without_done() -> None:
    answer = ask(model="sandbox?error=2", stream=True)
    assert len(answer.parts) == 3
    assert json.loads(answer.parts[2][6:])["error"]["type"] == "server_error"


def test_done_can_be_left_out() -> None:
    assert b"[DONE]" not in b"".join(ask(model="sandbox?done=0", stream=True).parts)


def test_split_and_drip_cut_writes_but_change_no_byte() -> None:
    whole = ask(model="sandbox?words=3", stream=True)
    split = list(ask(model="sandbox?words=3", fault="split=7", stream=True).steps())
    assert max(len(step) for step in split if isinstance(step, bytes)) == 7
    assert sent(split) == sent(list(whole.steps()))
    drip = list(ask(model="sandbox?words=3", fault="drip=0.01", stream=True).steps())
    assert drip[:2] == [Wait(0.01), b"d"]
    assert sent(drip) == sent(list(whole.steps()))


def test_a_rate_pauses_between_events() -> None:
    steps = list(ask(model="sandbox?rate=4", stream=True).steps())
    assert steps.count(Wait(0.25)) == len(ask(model="sandbox?rate=4", stream=True).parts) - 1
    assert not isinstance(steps[0], Wait)


def test_usage_can_be_missing_or_wrong() -> None:
    right = body(ask())["usage"]
    assert "usage" not in body(ask(fault="usage=none"))
    stream = chunks(ask(fault="usage=none", stream=True, stream_options={"include_usage": True}))
    assert all(chunk["usage"] is None for chunk in stream)
    wrong = body(ask(fault="usage=wrong"))["usage"]
    assert wrong["completion_tokens"] == 10 * right["completion_tokens"]


def test_cached_and_reasoning_tokens_can_be_dictated() -> None:
    right = body(ask())["usage"]
    told = body(ask(fault="cached=2&reasoning=7"))["usage"]
    assert told["prompt_tokens_details"] == {"cached_tokens": 2, "audio_tokens": 0}
    assert told["prompt_tokens"] == right["prompt_tokens"]
    assert told["completion_tokens_details"] == {"reasoning_tokens": 7, "audio_tokens": 0}
    assert told["completion_tokens"] == right["completion_tokens"] + 7


def test_length_size_and_finish_reason_can_be_dictated() -> None:
    assert said(ask(model="sandbox?words=3")) == "word1 word2 word3"
    assert len(said(ask(model="sandbox?huge=3000000"))) == 3_000_000
    assert len(ask(model="sandbox?huge=3000000", stream=True).parts) < 60  # few events, each huge
    assert body(ask(model="sandbox?finish=content_filter"))["choices"][0]["finish_reason"] == "content_filter"


def test_embeddings_and_models_fail_on_request_too() -> None:
    assert ask("/v1/embeddings", model="sandbox?status=500", input="a").status == 500
    assert ask("/v1/embeddings", model="sandbox?cut=4", input="a", dimensions=2).plain is False
