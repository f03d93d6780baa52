"""Functions really run: programs under limits that hold, calls that go where they may, secrets that stay secret."""

import json
import logging
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.apps.workflows.web import Web, web_server
from tests.services import need
from workflows import services, tasks
from workflows.actions import functions
from workflows.actions.functions import TimedOut, execute, known
from workflows.core.effects import EffectResult, EffectRun
from workflows.core.errors import EffectFailed
from workflows.models import Firing, OutboxEffect, Token, Workflow

PYTHON = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
"""One every user may start: tests run as root start functions as nobody."""
SECRET = "s3cr3t-Pa55phrase"

Allow = Callable[..., None]


@pytest.fixture
def allow(tmp_path: Path, settings: Any) -> Allow:
    """Allows functions by these names; `python` is short for a command."""

    def write(**functions: dict[str, Any]) -> None:
        for each in functions.values():
            if "python" in each:
                each["command"] = [PYTHON, "-c", each.pop("python")]
        file = tmp_path / f"{uuid.uuid4()}.yaml"
        file.write_text(yaml.safe_dump({"functions": functions}))
        settings.FUNCTIONS_FILE = str(file)

    return write


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


def run(name: str, given: Any = None) -> Any:
    return execute(known(name), {} if given is None else given, {"EFFECT_ID": "e-1", "ATTEMPT": "1"})


def failure(name: str, given: Any = None) -> EffectFailed:
    with pytest.raises(EffectFailed) as caught:
        run(name, given)
    return caught.value


def processes_with(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in line and b"launcher.py" not in line and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def gone(mark: str, seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while processes_with(mark):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


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


def test_a_program_that_hangs_is_stopped_with_all_it_started(allow: Allow) -> None:
    mark = f"mark-{uuid.uuid4()}"
    program = (
        "import os, subprocess, sys, time\n"
        "for _ in range(3):\n"
        f"    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', '{mark}'], start_new_session=True)\n"
        "print('waiting', file=sys.stderr, flush=True)\n"
        "time.sleep(60)"
    )
    allow(hang={"python": program, "limits": {"seconds": 1.5}})
    began = time.monotonic()
    error = failure("hang")
    assert isinstance(error, TimedOut)
    assert str(error) == "hang was stopped after 1.5 s. It said: waiting"
    assert time.monotonic() - began < 10
    assert gone(mark, 0.5), "a process that made a session of its own got away"


def test_what_a_finished_program_left_running_is_ended(allow: Allow) -> None:
    mark = f"mark-{uuid.uuid4()}"
    program = (
        "import subprocess, sys; "
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', '{mark}'], start_new_session=True)"
    )
    allow(litter={"python": program})
    assert run("litter") == {}
    assert gone(mark, 0.5)


def test_a_fork_bomb_stays_small_and_is_ended(allow: Allow) -> None:
    mark = f"mark-{uuid.uuid4()}"
    program = (
        f"import os, time; '{mark}'\n"
        "refused = False\n"
        "while True:\n"
        "    try:\n"
        "        os.fork()\n"
        "    except OSError:\n"
        "        refused = True\n"
        "        time.sleep(0.01)\n"
    )
    allow(bomb={"python": program, "limits": {"seconds": 2, "processes": 20}})
    import threading

    most = 0
    ended = threading.Event()

    def count() -> None:
        nonlocal most
        while not ended.wait(0.1):
            most = max(most, len(processes_with(mark)))

    counter = threading.Thread(target=count)
    counter.start()
    try:
        error = failure("bomb")
    finally:
        ended.set()
        counter.join()
    assert isinstance(error, TimedOut)
    assert 2 < most <= 20
    assert gone(mark, 0.5)


def test_too_much_output_too_much_talk(allow: Allow) -> None:
    allow(
        loud={"python": "while True: print('x' * 10000)", "limits": {"output_bytes": 50_000}},
        talker={
            "python": "import sys; [print('y' * 1000, file=sys.stderr) for _ in range(5000)]; sys.exit('the end')",
        },
    )
    assert str(failure("loud")) == "loud wrote more than 50000 bytes and was stopped."
    said = str(failure("talker"))
    assert said.endswith("the end")
    assert len(said) < 1_200


@pytest.mark.parametrize(
    ("program", "limits", "said"),
    [
        ("x = bytearray(300 * 2**20)", {"memory_mb": 100}, "MemoryError"),
        ("while True: pass", {"cpu_seconds": 1}, "SIGXCPU: it used 1 s of processor time"),
        ("open('f', 'wb').write(bytes(3 * 2**20))", {"file_mb": 1}, "File too large"),
        ("x = [open('/dev/null') for _ in range(100)]", {"open_files": 20}, "Too many open files"),
    ],
)
def test_limits_hold(allow: Allow, program: str, limits: dict[str, Any], said: str) -> None:
    allow(f={"python": program, "limits": limits})
    assert said in str(failure("f"))


def test_a_worker_that_is_killed_takes_its_programs_with_it(tmp_path: Path) -> None:
    mark = f"mark-{uuid.uuid4()}"
    file = tmp_path / "worker.py"
    file.write_text(
        "from workflows.actions.processes import Program, run_program\n"
        "from workflows.core.functions import Limits\n"
        f"run_program(Program([{PYTHON!r}, '-c', 'import time; time.sleep(60)', {mark!r}], {{}}), b'', Limits())\n"
    )
    root = Path(__file__).resolve().parents[3]
    folder = tmp_path / "temporary"
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(folder)}
    worker = subprocess.Popen([sys.executable, str(file)], cwd=root, env=environment)
    try:
        until = time.monotonic() + 20
        while not processes_with(mark):
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    assert gone(mark)
    until = time.monotonic() + 5
    while any(folder.iterdir()):
        assert time.monotonic() < until, "its directory is still there"
        time.sleep(0.05)


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


def test_a_call_sends_input_secret_and_idempotency_key(
    allow: Allow, web: Web, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("THE_TOKEN", SECRET)
    web.answer = lambda request: (200, {}, json.dumps({"got": json.loads(request["body"])}).encode())
    allow(
        order={
            "url": web.url("/orders/{id}?by={who}"),
            "method": "PUT",
            "headers": {"Authorization": "Bearer ${TOKEN}"},
            "secrets": {"TOKEN": "env:THE_TOKEN"},
            "private_address": True,
        }
    )
    given = {"id": "a/../b?c", "who": "x&y=z"}
    assert run("order", given) == {"got": given}
    (request,) = web.seen
    assert (request["method"], request["path"]) == ("PUT", "/orders/a%2F..%2Fb%3Fc?by=x%26y%3Dz")
    headers = request["headers"]
    assert (headers["authorization"], headers["idempotency-key"]) == (f"Bearer {SECRET}", "e-1")
    assert headers["content-type"] == "application/json"
    assert SECRET not in caplog.text
    assert "needs a text or a number 'id'" in str(failure("order", {"who": "x"}))
    assert "needs a text or a number 'id'" in str(failure("order", {"id": "..", "who": "x"}))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{p}/", "http://localhost:{p}/", "http://[::1]:{p}/", "http://0.0.0.0:{p}/",
            "http://[::ffff:127.0.0.1]:{p}/", "http://169.254.169.254/latest", "http://10.0.0.1/", "http://2130706433:{p}/",
            "http://[64:ff9b::7f00:1]/", "http://[fe80::1]/", "http://100.64.0.1/"],
)  # fmt: skip
def test_private_addresses_are_not_called_unless_that_was_allowed(allow: Allow, web: Web, url: str) -> None:
    allow(inside={"url": url.format(p=web.port), "method": "GET", "limits": {"seconds": 5}})
    error = failure("inside")
    assert "which is not public" in str(error)
    assert error.retryable is False
    assert web.seen == []


@pytest.mark.parametrize(
    ("answer", "said", "retryable", "after"),
    [
        ((503, {"Retry-After": "7"}, b""), "order: 127.0.0.1 answered with status 503.", True, 7.0),
        ((429, {}, b""), "order: 127.0.0.1 answered with status 429.", True, None),
        ((404, {}, b"no"), "order: 127.0.0.1 answered with status 404.", False, None),
        ((302, {"Location": "http://169.254.169.254/"}, b""), "a redirect; redirects are not followed", False, None),
        ((200, {}, b"<html>"), "order: the output is no JSON (line 1, column 1).", False, None),
        ((200, {}, b'"' + b"x" * 2000 + b'"'), "answered with more than 1000 bytes", False, None),
        ((200, {"Content-Encoding": "gzip"}, b"x"), "in a compressed form", False, None),
    ],
)
def test_answers_that_do_not_help(
    allow: Allow, web: Web, answer: Any, said: str, retryable: bool, after: float | None
) -> None:
    web.answer = lambda request: answer
    allow(order={"url": web.url(), "private_address": True, "limits": {"output_bytes": 1000}})
    error = failure("order")
    assert said in str(error)
    assert (error.retryable, error.retry_after) == (retryable, after)


def test_an_answer_that_comes_byte_by_byte_is_given_up(allow: Allow) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        dripper = subprocess.Popen(
            [sys.executable, "-c", (
                "import socket, time, sys\n"
                "server = socket.socket(fileno=int(sys.argv[1])); peer, _ = server.accept()\n"
                "peer.sendall(b'HTTP/1.1 200 OK\\r\\n')\n"
                "try:\n"
                "    while True: peer.sendall(b'a: b\\r\\n'); time.sleep(0.05)\n"
                "except OSError: pass\n"), str(server.fileno())],
            pass_fds=(server.fileno(),),
        )  # fmt: skip
        allow(drip={"url": f"http://127.0.0.1:{port}/", "private_address": True, "limits": {"seconds": 1}})
        began = time.monotonic()
        error = failure("drip")
        assert isinstance(error, TimedOut)
        assert str(error) == "drip: 127.0.0.1 did not answer within 1 s."
        assert time.monotonic() - began < 3
        assert dripper.wait(10) == 0


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for a host's name that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


@pytest.mark.parametrize(("name", "trusted"), [("localhost", True), ("elsewhere.example", True), ("localhost", False)])
def test_over_tls_the_certificate_must_be_the_hosts_though_the_address_is_called(
    allow: Allow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, trusted: bool
) -> None:
    files = certificate(tmp_path, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    if trusted:
        monkeypatch.setattr("certifi.where", lambda: str(files[0]))
    with web_server(context) as web:
        allow(order={"url": f"https://localhost:{web.port}/", "private_address": True, "limits": {"seconds": 5}})
        if name == "localhost" and trusted:
            assert run("order", {"a": 1}) == {}
            assert web.seen[0]["headers"]["host"] == f"localhost:{web.port}"
        else:
            assert "order: The call to localhost failed: ConnectError." in str(failure("order", {"a": 1}))
            assert web.seen == []


def test_nobody_there_is_tried_again(allow: Allow) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    allow(order={"url": f"http://127.0.0.1:{port}/", "private_address": True})
    error = failure("order")
    assert (str(error), error.retryable) == ("order: The call to 127.0.0.1 failed: ConnectError.", True)


@pytest.mark.django_db(transaction=True)
def test_a_token_that_arrives_runs_the_function_and_goes_on(allow: Allow, papers: Workflow) -> None:
    program = "import json, sys; given = json.load(sys.stdin); print(json.dumps({'seen': given}))"
    allow(count={"python": program, "take": ["title"], "result": "count", "fire": "approve"})
    services.attach_action("review", "function", "count", workflow_id="papers")
    token = services.fire(str(services.create_token("papers", data={"title": "A", "text": "long"}).pk), "submit")
    effect = OutboxEffect.objects.get()
    assert tasks.run_effect(str(effect.pk)) == "completed"
    token = Token.objects.get(pk=token.pk)
    assert token.place == "approved"
    assert token.data == {"title": "A", "text": "long", "count": {"seen": {"title": "A"}}}


@pytest.mark.django_db(transaction=True)
def test_a_function_that_fails_is_told_in_the_log_and_moves_nothing(allow: Allow, papers: Workflow) -> None:
    allow(broken={"python": "import sys; sys.exit('no luck')"}, number={"python": "print(1)"})
    services.attach_action("draft", "function", "broken", workflow_id="papers")
    token = services.create_token("papers")
    assert tasks.run_effect(str(OutboxEffect.objects.get().pk)) == "failed"
    entry = Firing.objects.get(kind=Firing.EFFECT_FAILED)
    assert entry.data == {"error": "broken ended with exit code 1. It said: no luck", "kind": "function"}
    assert Token.objects.get(pk=token.pk).place == "draft"
    with pytest.raises(EffectFailed, match="the output is no JSON object"):
        functions.run(EffectRun("e", 1, "function", "number", {}, None))


def test_a_step_hands_in_its_input_and_its_time_limit_is_the_outcome_timeout(allow: Allow) -> None:
    echo = "import json, sys; print(json.dumps({'seen': json.load(sys.stdin)}))"
    hang = "import time; time.sleep(60)"
    allow(echo={"python": echo, "take": ["other"], "fire": "never"}, hang={"python": hang, "limits": {"seconds": 0.3}})
    run = EffectRun("e", 1, "function", "echo", {}, None, step="resize", input={"width": 3})
    assert functions.run(run) == EffectResult(data={"seen": {"width": 3}})
    ended = functions.run(replace(run, reference="hang"))
    error = {"step": "resize", "message": "hang was stopped after 0.3 s.", "attempts": 1}
    assert (ended.outcome, ended.metadata) == ("timeout", {"error": error})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("program", "place", "data", "error"),
    [
        (
            "import json, sys; print(json.dumps({'half': json.load(sys.stdin)['n'] / 2}))",
            "done",
            {"n": 8, "half": 4},
            None,
        ),
        ("import sys; sys.exit('no luck')", "broken", {"n": 8}, "shrink ended with exit code 1. It said: no luck"),
        ("import time; time.sleep(60)", "late", {"n": 8}, "shrink was stopped after 0.5 s."),
    ],
)
def test_a_function_is_a_step_with_an_outcome(
    allow: Allow, program: str, place: str, data: dict[str, Any], error: str | None
) -> None:
    allow(shrink={"python": program, "limits": {"seconds": 0.5}})
    step = {"id": "go", "kind": "function", "fromPlaces": ["new"], "toPlace": "done", "timeout": 30}
    step |= {"work": {"function": "shrink", "input": {"n": "data.n"}}}
    step |= {"outcomes": {"failed": ["broken"], "timeout": ["late"]}}
    places = ["new", "done", "broken", "late"]
    services.create_workflow({"id": "w", "name": "W", "places": places, "initialPlace": "new", "transitions": [step]})
    token = services.create_token("w", data={"n": 8})
    tasks.run_effect(str(OutboxEffect.objects.get(kind="function").pk))
    token.refresh_from_db()
    assert (token.place, token.data) == (place, data)
    assert token.metadata.get("error", {}).get("message") == error


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
