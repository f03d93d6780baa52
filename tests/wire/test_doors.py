"""Recorded exchanges of clients of OpenAI's responses and of Gemini's generateContent, with providers of other wires.

A folder for each door, in it one for each case; `note.txt` says what it shows and its source. `target.json` names the
provider's wire (chat when it is not there), the model's limits, and whose recorded `answers` are given. `request.json`
becomes `sent.json` or the refusal in it; `back.json` (a whole answer) becomes `reply.json`; `back.txt` (a stream, also
cut at every byte) becomes the events of `streamed.json`; `errors.json` holds bodies by status and what the client sees.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.wire.doors import DOORS, answer_of, read, refusal, sent, streamed, target_of, whole

CASES = [case for door in DOORS.values() for case in door.cases]
KNOWN = {"note.txt", "request.json", "sent.json", "target.json", "back.json", "reply.json", "back.txt"}
KNOWN |= {"streamed.json", "errors.json"}


def having(name: str) -> list[Any]:
    return [pytest.param(case, id=f"{case.parent.name}/{case.name}") for case in CASES if (case / name).exists()]


def test_every_case_has_a_source_and_only_files_that_are_read() -> None:
    for case in CASES:
        assert "Source: " in (case / "note.txt").read_text(), case
        files = {file.name for file in case.iterdir()}
        assert files <= KNOWN, case
        assert files & {"sent.json", "reply.json", "streamed.json", "errors.json"}, case
        assert ("request.json" in files) == ("sent.json" in files), case
        for answer, shown in (("back.json", "reply.json"), ("back.txt", "streamed.json")):
            recorded = answer in files or ("answers" in target_of(case) and answer_of(case, answer).exists())
            assert recorded == (shown in files), case


@pytest.mark.parametrize("case", having("request.json"))
def test_what_the_provider_is_sent(case: Path) -> None:
    assert sent(case) == read(case / "sent.json")


@pytest.mark.parametrize("case", having("reply.json"))
def test_what_the_client_gets(case: Path) -> None:
    assert whole(case) == read(case / "reply.json")


@pytest.mark.parametrize("case", having("streamed.json"))
def test_what_a_streaming_client_gets(case: Path) -> None:
    stream = answer_of(case, "back.txt").read_bytes()
    at_once, events = streamed(case, [stream])
    assert events == read(case / "streamed.json")
    for cut in range(len(stream) + 1):
        assert streamed(case, [stream[:cut], stream[cut:]])[0] == at_once, f"cut at byte {cut}"


@pytest.mark.parametrize("case", having("errors.json"))
def test_errors_by_status(case: Path) -> None:
    for error in read(case / "errors.json"):
        assert refusal(case, error["status"], error["body"]) == error["shown"]
