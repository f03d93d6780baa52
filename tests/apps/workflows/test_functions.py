"""Programs and images really run: only those listed, in a clean environment, checked on both sides; secrets stay secret."""

import json
import logging
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.apps.workflows.allowing import PYTHON, SECRET, Allow, failure, run
from tests.services import need
from workflows.actions.functions import TimedOut


def test_without_a_list_nothing_runs(settings: Any) -> None:
    settings.FUNCTIONS_FILE = ""
    assert "Function 'sh' is not allowed: FUNCTIONS_FILE names none." in str(failure("sh"))


def test_only_what_is_listed_runs_and_a_changed_list_counts_at_once(allow: Allow, settings: Any) -> None:
    allow(resize={"python": "print('{}')"})
    assert str(failure("resise")) == (
        "Function 'resise' is not allowed: FUNCTIONS_FILE does not name it; did you mean \"resize\"?"
    )
    assert run("resize") == {}
    Path(settings.FUNCTIONS_FILE).write_text("functions: {resize: {command: [sh]}}")
    assert "functions.resize.command: is a list that begins" in str(failure("resize"))
    Path(settings.FUNCTIONS_FILE).write_text("functions: [")
    assert "is not YAML (line 1)" in str(failure("resize"))
    Path(settings.FUNCTIONS_FILE).unlink()
    assert "cannot be read: No such file or directory" in str(failure("resize"))


def test_json_goes_in_and_comes_out_in_a_clean_environment(allow: Allow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://u:p@h/d")
    monkeypatch.setenv("THE_TOKEN", SECRET)
    program = (
        "import json, os, sys; given = json.load(sys.stdin); open('scratch', 'w').write('x'); "
        "print(json.dumps({'given': given, 'env': sorted(os.environ), 'mode': os.environ['MODE'], "
        "'secret': len(os.environ['TOKEN']), 'cwd': os.getcwd(), 'effect': os.environ['CIRCUIT_BREAKER_EFFECT_ID']}))"
    )
    allow(echo={"python": program, "environment": {"MODE": "fast"}, "secrets": {"TOKEN": "env:THE_TOKEN"}})
    output = run("echo", {"title": "Ä\u2028"})
    assert output["given"] == {"title": "Ä\u2028"}
    assert [name for name in output["env"] if name != "LC_CTYPE"] == [
        "CIRCUIT_BREAKER_ATTEMPT",
        "CIRCUIT_BREAKER_EFFECT_ID",
        "HOME",
        "LANG",
        "MODE",
        "PATH",
        "TMPDIR",
        "TOKEN",
    ]
    assert (output["mode"], output["secret"], output["effect"]) == ("fast", len(SECRET), "e-1")
    assert not Path(output["cwd"]).exists()


def test_no_shell_reads_the_arguments(allow: Allow) -> None:
    allow(echo={"command": [PYTHON, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", "$HOME; ls *", "`id`"]})
    assert run("echo") == ["$HOME; ls *", "`id`"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can change to another user")
def test_a_worker_that_is_root_does_not_hand_that_on(allow: Allow) -> None:
    who = "import os; print(os.getuid(), file=open('/dev/stdout', 'w'))"
    allow(who={"python": who}, boss={"python": who, "user": "root"}, ghost={"python": who, "user": "no-such-user"})
    assert run("who") == 65534
    assert run("boss") == 0
    assert "There is no user 'no-such-user'" in str(failure("ghost"))


def test_both_schemas_are_checked_and_the_program_is_not_started_for_bad_input(allow: Allow) -> None:
    allow(
        add={
            "python": "import json, sys; json.load(sys.stdin)['b']; print('{\"sum\": \"three\"}')",
            "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a", "b"]},
            "output_schema": {"type": "object", "properties": {"sum": {"type": "integer"}}},
        }
    )
    error = failure("add", {"a": "private text"})
    assert str(error) == ("add: the input does not fit its schema: the value lacks 'b'; a must be of type \"integer\".")
    assert error.retryable is False
    assert str(failure("add", {"a": 1, "b": 2})) == (
        'add: the output does not fit its schema: sum must be of type "integer".'
    )


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("print('{oops')", "f: the output is no JSON (line 1, column 2)."),
        ("print('NaN')", "f: the output is no JSON."),
        ("print('[' * 100000)", "f: the output is no JSON."),
        ("import sys; sys.stdout.buffer.write(bytes([0xff]))", "f: the output is no JSON."),
        ("import sys; sys.exit('no luck')", "f ended with exit code 1. It said: no luck"),
        ("import os; os.abort()", "f was ended by SIGABRT."),
        ("import os; os.kill(os.getpid(), 9)", "f was ended by SIGKILL."),
    ],
)
def test_every_way_to_fail_says_what_happened(allow: Allow, program: str, said: str) -> None:
    allow(f={"python": program})
    error = failure("f")
    assert (str(error), error.retryable) == (said, False)


def test_exit_code_75_asks_to_be_tried_again_and_a_missing_program_does_not(allow: Allow) -> None:
    allow(later={"python": "raise SystemExit(75)"}, missing={"command": ["/no/such/program"]})
    assert failure("later").retryable is True
    error = failure("missing")
    assert str(error) == (
        "The function could not be started: starting /no/such/program failed: No such file or directory."
    )
    assert error.retryable is False


def test_nothing_is_an_empty_object(allow: Allow) -> None:
    allow(quiet={"python": ""})
    assert run("quiet") == {}


def test_a_secret_is_in_no_error_no_output_and_no_log(
    allow: Allow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("THE_TOKEN", SECRET)
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}-of-a-file\n")
    where = {"TOKEN": "env:THE_TOKEN", "FILE": f"file:{file}"}
    allow(
        leak={
            "python": "import os, sys; sys.exit(os.environ['TOKEN'] + os.environ['FILE'] + 'z' * 990)",
            "secrets": where,
        },
        tell={
            "python": "import os, json; print(json.dumps({os.environ['FILE']: [os.environ['TOKEN']]}))",
            "secrets": where,
        },
        lost={"python": "", "secrets": {"TOKEN": "env:NO_SUCH_VARIABLE"}},
        away={"python": "", "secrets": {"TOKEN": "file:/no/such/file"}},
    )
    said = str(failure("leak"))
    assert SECRET not in said
    assert SECRET[-6:] not in said
    assert run("tell") == {"[redacted]": ["[redacted]"]}
    assert str(failure("lost")) == "The secret TOKEN (env:NO_SUCH_VARIABLE) is not set where the worker runs."
    assert "The secret TOKEN (file:/no/such/file) cannot be read" in str(failure("away"))
    assert SECRET not in caplog.text


def test_an_image_is_run(allow: Allow) -> None:
    runtime = shutil.which("docker") or shutil.which("podman")
    answers = runtime is not None and subprocess.run([runtime, "info"], capture_output=True).returncode == 0
    if answers:
        found = subprocess.run([str(runtime), "image", "inspect", "busybox"], capture_output=True).returncode == 0
        answers = found or subprocess.run([str(runtime), "pull", "busybox"], capture_output=True).returncode == 0
    if os.environ.get("CI") != "true":
        need(answers, "no docker or podman with the image busybox answers here")
    elif not answers:
        pytest.skip("no container runtime in this CI job")
    allow(
        cat={"image": "busybox", "arguments": ["cat"]},
        hang={"image": "busybox", "arguments": ["sleep", "60"], "limits": {"seconds": 3}},
    )
    assert run("cat", {"a": 1}) == {"a": 1}
    assert isinstance(failure("hang"), TimedOut)


def test_a_missing_runtime_is_said(allow: Allow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    allow(cat={"image": "busybox"})
    assert str(failure("cat")) == "To run an image the worker needs docker or podman; none is installed here."


def test_the_command_lists_and_tries(
    allow: Allow, settings: Any, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    from django.core.management import CommandError, call_command

    allow(
        double={"python": "import json, sys; print(json.dumps({'n': json.load(sys.stdin)['n'] * 2}))"},
        bad={"python": "1/0"},
    )
    call_command("function", "list")
    assert "double" in capsys.readouterr().out
    given = tmp_path / "given.json"
    given.write_text('{"n": 21}')
    call_command("function", "run", "double", "--input", str(given))
    assert json.loads(capsys.readouterr().out) == {"n": 42}
    with pytest.raises(SystemExit) as ended:
        call_command("function", "run", "bad", "--input", str(given))
    assert ended.value.code == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    given.write_text("[")
    with pytest.raises(CommandError, match="is no JSON"):
        call_command("function", "run", "double", "--input", str(given))
