"""`manage.py analyze`: verdicts, prices and proofs for people and for scripts; bad input ends with one clear line."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

REVIEW: dict[str, Any] = {
    "name": "Review",
    "places": ["draft", "review", "approved"],
    "initialPlace": "draft",
    "transitions": [
        {"id": "submit", "fromPlaces": ["draft"], "toPlace": "review"},
        {"id": "approve", "fromPlaces": ["review"], "toPlace": "approved"},
    ],
}
LOOP = {
    **REVIEW,
    "transitions": [*REVIEW["transitions"], {"id": "revise", "fromPlaces": ["review"], "toPlace": "draft"}],
}
TRAPPED = {**REVIEW, "places": [*REVIEW["places"], "limbo"]}
TRAPPED["transitions"] = [
    *REVIEW["transitions"],
    {"id": "lose", "fromPlaces": ["review"], "toPlace": "limbo"},
    {"id": "circle", "fromPlaces": ["limbo"], "toPlace": "limbo"},
]


def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], definition: Any, *arguments: str) -> tuple[int, str]:
    file = tmp_path / "workflow.json"
    file.write_text(definition if isinstance(definition, str) else json.dumps(definition))
    try:
        call_command("analyze", str(file), *arguments)
    except SystemExit as ended:
        return int(ended.code or 0), capsys.readouterr().out
    return 0, capsys.readouterr().out


def test_a_sound_workflow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output = run(tmp_path, capsys, REVIEW, "--price", "approve=0.02", "--needs", "approve:submit")
    assert code == 0
    assert output.splitlines()[0].split()[:2] == ["sound", "TRUE"]
    assert "approve needs submit        TRUE" in output
    assert "at most 0.020000000 USD" in output


def test_a_paying_loop_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output = run(tmp_path, capsys, LOOP, "--price", "submit=0.01")
    assert code == 0
    assert "unbounded: submit, revise can be paid for ever" in output


def test_an_unsound_workflow_ends_with_1_and_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output = run(tmp_path, capsys, TRAPPED, "--json")
    verdict = json.loads(output)["report"]["sound"]
    assert code == 1
    assert (verdict["answer"], verdict["trace"], verdict["witness"]) == ("FALSE", ["submit", "lose"], ["limbo: 1"])


def test_a_failed_proof_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output = run(tmp_path, capsys, LOOP, "--needs", "approve:revise")
    assert code == 1
    assert "the action fires without sign-off" in output
    assert "after firing submit, approve" in output


@pytest.mark.parametrize(
    ("definition", "arguments", "said"),
    [
        ("{", (), "is not JSON"),
        ({**REVIEW, "initialPlace": "darft"}, (), "initialPlace"),
        (REVIEW, ("--price", "aprove=1"), "no transition or place 'aprove'"),
        (REVIEW, ("--price", "approve=cheap"), "write NAME=USD"),
        (REVIEW, ("--price", "approve=-1"), "zero or more"),
        (REVIEW, ("--states", "0"), "1 or more"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path: Path, definition: Any, arguments: tuple[str, ...], said: str) -> None:
    file = tmp_path / "workflow.json"
    file.write_text(definition if isinstance(definition, str) else json.dumps(definition))
    with pytest.raises(CommandError) as caught:
        call_command("analyze", str(file), *arguments)
    assert said in str(caught.value)
    assert caught.value.returncode == 2


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="Cannot read"):
        call_command("analyze", str(tmp_path / "none.json"))
