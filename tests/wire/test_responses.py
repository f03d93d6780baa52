"""The events of the recorded answers to clients of OpenAI's responses: see `test_doors.py` for the exchanges.

Numbered and in OpenAI's order, amounting to what a whole answer says, and of every kind we write.
"""

import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.wire.doors import DOORS, read

CASES = DOORS["openai_responses"].cases


def having(*names: str) -> list[Any]:
    return [pytest.param(case, id=case.name) for case in CASES if all((case / name).exists() for name in names)]


@pytest.mark.parametrize("case", having("streamed.json", "reply.json"))
def test_the_last_event_holds_what_a_whole_answer_says(case: Path) -> None:
    last = next(event for event in reversed(read(case / "streamed.json")) if "response" in event)
    whole = read(case / "reply.json")
    whole.pop("dropped", None)
    assert last["response"] == whole


@pytest.mark.parametrize("case", having("streamed.json"))
def test_events_keep_openais_order(case: Path) -> None:
    """Numbers without gaps, each item added before it is told of and done once, its deltas amounting to what it is."""
    events = [event for event in read(case / "streamed.json") if "type" in event]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    opened: dict[int, list[Any]] = {}
    for event in events:
        index = event.get("output_index")
        if event["type"] == "response.output_item.added":
            assert index == len(opened)
            opened[index] = []
        elif index is not None:
            assert opened[index][-1:] != [None], "nothing comes after done"
            opened[index].append(None if event["type"] == "response.output_item.done" else event)
    if "response" not in events[-1]:
        return
    for index, item in enumerate(events[-1]["response"]["output"]):
        deltas = "".join(event["delta"] for event in opened[index] if event and event["type"].endswith(".delta"))
        assert said(item) == deltas
        assert opened[index][-1] is None


def said(item: dict[str, Any]) -> str:
    texts = [part.get("text", part.get("refusal")) for part in [*item.get("content", []), *item.get("summary", [])]]
    return "".join(texts) + item.get("arguments", "") + item.get("input", "")


def test_every_kind_of_event_we_write_is_shown() -> None:
    shown_kinds = {
        event["type"]
        for case in CASES
        for event in (read(case / "streamed.json") if (case / "streamed.json").exists() else [])
        if "type" in event
    }
    both = ("output_text", "refusal", "function_call_arguments", "custom_tool_call_input", "reasoning_summary_text")
    assert shown_kinds == {
        *(f"response.{kind}.{end}" for kind, end in itertools.product(both, ("delta", "done"))),
        *(f"response.{end}" for end in ("created", "in_progress", "completed", "incomplete")),
        *(f"response.output_item.{end}" for end in ("added", "done")),
        *(f"response.content_part.{end}" for end in ("added", "done")),
        *(f"response.reasoning_summary_part.{end}" for end in ("added", "done")),
        "response.output_text.annotation.added",
        "response.image_generation_call.completed",
        "error",
    }
