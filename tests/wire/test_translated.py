"""Recorded exchanges with providers of other wires: one folder a case, `note.txt` says what it shows and its source.

`request.json` (OpenAI's shape) becomes `sent.json` or the refusal in it; `back.json` (a whole answer) becomes
`reply.json`; `back.txt` (a stream, also cut at every byte) becomes `streamed.json`, equal to `reply.json` where both
are given; `errors.json` holds bodies by status with what the client is shown. `target.json` may name the model's limits.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from llm.core.dialects import openai_chat
from tests.wire.exchanges import SECRET, TRANSLATORS, sent, shown, streamed, told, whole

HERE = Path(__file__).parent
CASES = sorted(folder for name in TRANSLATORS for folder in (HERE / name).iterdir() if folder.is_dir())
INDIRECT = {"note.txt", "request.json", "sent.json", "target.json", "back.json", "reply.json", "back.txt"}
KNOWN = INDIRECT | {"streamed.json", "errors.json"}


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def having(name: str) -> list[Any]:
    return [pytest.param(case, id=f"{case.parent.name}/{case.name}") for case in CASES if (case / name).exists()]


def test_every_case_has_a_source_and_only_files_that_are_read() -> None:
    for case in CASES:
        assert "Source: " in (case / "note.txt").read_text(), case
        files = {file.name for file in case.iterdir()}
        assert files <= KNOWN, case
        pairs = [("request.json", "sent.json"), ("back.json", "reply.json"), ("back.txt", "streamed.json")]
        for left, right in pairs:
            assert (left in files) == (right in files), case


@pytest.mark.parametrize("case", having("request.json"))
def test_what_the_provider_is_sent(case: Path) -> None:
    target = read(case / "target.json") if (case / "target.json").exists() else {}
    conversation = openai_chat.read((case / "request.json").read_bytes())
    assert sent(case.parent.name, conversation, target) == read(case / "sent.json")


@pytest.mark.parametrize("case", having("back.json"))
def test_what_the_client_gets(case: Path) -> None:
    assert whole(case.parent.name, (case / "back.json").read_bytes()) == read(case / "reply.json")


@pytest.mark.parametrize("case", having("back.txt"))
def test_what_a_streaming_client_gets(case: Path) -> None:
    dialect, stream = case.parent.name, (case / "back.txt").read_bytes()
    found = told(dialect, stream)
    assert found == read(case / "streamed.json")
    if (case / "reply.json").exists():
        assert found == {**read(case / "reply.json"), "done": True}
    at_once, _ = streamed(dialect, [stream])
    for cut in range(len(stream) + 1):
        assert streamed(dialect, [stream[:cut], stream[cut:]])[0] == at_once, f"cut at byte {cut}"
    assert streamed(dialect, [stream[at : at + 1] for at in range(len(stream))])[0] == at_once


@pytest.mark.parametrize("case", having("errors.json"))
def test_errors_by_status(case: Path) -> None:
    for error in read(case / "errors.json"):
        found = TRANSLATORS[case.parent.name].decode_error(
            error["status"], json.dumps(error["body"]).encode(), case.parent.name, SECRET
        )
        assert shown(found) == error["shown"]
        assert SECRET not in found.message
