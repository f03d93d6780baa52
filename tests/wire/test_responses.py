"""Recorded exchanges of clients of OpenAI's responses with providers that have none: one folder a case.

`note.txt` says what it shows and its source; `target.json` names the provider's wire (chat when it is not there) and the
model's limits. `request.json` becomes `sent.json` or the refusal in it; `back.json` (a whole answer) becomes
`reply.json`; `back.txt` (a stream, also cut at every byte) becomes the events of `streamed.json`.
"""

import itertools
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from llm.core import sse
from llm.core.dialects import anthropic, google, ollama, openai_responses
from llm.core.dialects.openai_chat import translator as openai_chat
from llm.core.dialects.translation import Target
from llm.core.errors import InvalidRequest
from tests.wire.exchanges import SECRET, shown

HERE = Path(__file__).parent / "openai_responses"
CASES = sorted(folder for folder in HERE.iterdir() if folder.is_dir())
KNOWN = {"note.txt", "request.json", "sent.json", "target.json", "back.json", "reply.json", "back.txt", "streamed.json"}
WIRES: dict[str, ModuleType] = {
    "anthropic": anthropic,
    "google": google,
    "ollama": ollama,
    "openai_chat": openai_chat,
}
HEAD = openai_responses.Head("resp_1", 1700000000, "m")


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def wire_of(case: Path) -> tuple[ModuleType, dict[str, Any]]:
    target = read(case / "target.json") if (case / "target.json").exists() else {}
    return WIRES[target.pop("dialect", "openai_chat")], target


def having(name: str) -> list[Any]:
    return [pytest.param(case, id=case.name) for case in CASES if (case / name).exists()]


def sent(case: Path) -> dict[str, Any]:
    """The request as the provider gets it, or the refusal the client gets."""
    wire, target = wire_of(case)
    try:
        conversation = openai_responses.read((case / "request.json").read_bytes())
        outgoing = wire.encode(conversation, Target(**{"model": conversation.model, **target}))
    except InvalidRequest as error:
        return {"refused": shown(error)}
    found = {"path": outgoing.path, "body": json.loads(outgoing.body)}
    return {**found, "dropped": list(outgoing.dropped)} if outgoing.dropped else found


def whole(case: Path) -> dict[str, Any]:
    body, dropped = openai_responses.write(wire_of(case)[0].decode((case / "back.json").read_bytes(), "seed"), HEAD)
    reply: dict[str, Any] = json.loads(body)
    return {**reply, "dropped": list(dropped)} if dropped else reply


def streamed(case: Path, pieces: list[bytes]) -> tuple[bytes, list[Any]]:
    """The bytes of the events, and these with what ended them, as a list."""
    decoder = wire_of(case)[0].stream("seed", "provider", SECRET)
    writer = openai_responses.EventWriter(HEAD)
    out = b"".join([writer.write(decoder.feed(piece)) for piece in pieces]) + writer.write(decoder.finish())
    if decoder.error is not None:
        out += writer.failure(decoder.error)
    elif decoder.done:
        out += writer.finish()
    events: list[Any] = [json.loads(data) for data in sse.data_in(out)]
    return out, [*events, {"dropped": list(writer.dropped)}] if writer.dropped else events


def test_every_case_has_a_source_and_only_files_that_are_read() -> None:
    for case in CASES:
        assert "Source: " in (case / "note.txt").read_text(), case
        files = {file.name for file in case.iterdir()}
        assert files <= KNOWN, case
        for left, right in (("request.json", "sent.json"), ("back.json", "reply.json"), ("back.txt", "streamed.json")):
            assert (left in files) == (right in files), case


@pytest.mark.parametrize("case", having("request.json"))
def test_what_the_provider_is_sent(case: Path) -> None:
    assert sent(case) == read(case / "sent.json")


@pytest.mark.parametrize("case", having("back.json"))
def test_what_the_client_gets(case: Path) -> None:
    assert whole(case) == read(case / "reply.json")


@pytest.mark.parametrize("case", having("back.txt"))
def test_what_a_streaming_client_gets(case: Path) -> None:
    stream = (case / "back.txt").read_bytes()
    at_once, events = streamed(case, [stream])
    assert events == read(case / "streamed.json")
    if (case / "reply.json").exists():
        last = next(event for event in reversed(events) if "response" in event)
        assert last["response"] == {
            name: value for name, value in read(case / "reply.json").items() if name != "dropped"
        }
    for cut in range(len(stream) + 1):
        assert streamed(case, [stream[:cut], stream[cut:]])[0] == at_once, f"cut at byte {cut}"


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
