"""What a chat client puts together of a stream is what the whole answer says, in the rarer fields too."""

import json

from llm.core.assembly import assemble
from llm.core.conversation import Citation, SafetyRating, TokenLogprob
from llm.core.deltas import CitationDelta, Delta, Finished, LogprobsDelta, Started, TextDelta, ThinkingDelta
from llm.core.dialects import openai_chat
from llm.core.dialects.openai_chat import translator
from tests.wire.folding import Fields, folded


def both(*deltas: Delta) -> list[Fields]:
    """The choices as whole and as streamed, which must agree."""
    given: list[Delta] = [Started("i", "m"), *deltas]
    whole: list[Fields] = json.loads(openai_chat.write(assemble(given), "i", 0, "m")[0])["choices"]
    assert folded(given) == whole
    return whole


def test_ratings_of_filters_stand_in_the_last_chunk() -> None:
    rating = SafetyRating("hate", "high", blocked=True)
    choice = both(TextDelta(0, 0, "x"), Finished(0, "content_filter", safety=(rating,)))[0]
    assert choice["content_filter_results"] == [{"category": "hate", "level": "high", "blocked": True}]
    assert "content_filter_results" not in both(TextDelta(0, 0, "x"), Finished(0, "stop"))[0]


def test_places_of_citations_count_from_the_start_of_the_content_of_their_choice() -> None:
    cited = Citation("http://a.test", start=1, end=2)
    first, second = both(
        TextDelta(0, 0, "Gr\u00fc\u00df"),
        TextDelta(1, 0, "another choice"),
        CitationDelta(0, 0, cited),
        ThinkingDelta(0, 1, "hm"),
        CitationDelta(0, 2, cited),
        TextDelta(0, 2, "Gott"),
        CitationDelta(0, 2, cited),
        Finished(0, "stop"),
        CitationDelta(1, 0, cited),
        Finished(1, "stop"),
    )
    places = [
        [one["url_citation"]["start_index"] for one in choice["message"]["annotations"]] for choice in (first, second)
    ]
    assert places == [[1, 5, 5], [1]]


def test_blocks_of_thinking_are_counted_by_choice() -> None:
    thoughts = [ThinkingDelta(choice, part, "hm", f"s{part}") for part in (0, 1) for choice in (0, 1)]
    choices = both(*thoughts, Finished(0, "stop"), Finished(1, "stop"))
    assert [[one["index"] for one in choice["message"]["reasoning_details"]] for choice in choices] == [[0, 1], [0, 1]]


def test_bytes_of_half_a_letter_are_kept_for_rival_tokens_too() -> None:
    token = {"token": "\\xc3", "logprob": -1.0, "bytes": [195]}
    rivals = [token, {"token": "\ufffd", "logprob": -2.0, "bytes": [226, 130]}]
    said = {"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}
    logprobs = {"content": [{**token, "top_logprobs": rivals}]}
    body = json.dumps({"id": "i", "model": "m", "choices": [{**said, "logprobs": logprobs}]}).encode()
    again = json.loads(openai_chat.write(translator.decode(body, "s"), "i", 0, "m")[0])
    assert again["choices"][0]["logprobs"] == logprobs
    without = both(LogprobsDelta(0, (TokenLogprob("\u00fc", -1.0),)), Finished(0, "stop"))[0]["logprobs"]["content"][0]
    assert without["bytes"] == [195, 188]
