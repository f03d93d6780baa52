"""`manage.py serve` as its user meets it: what it says, what it refuses, what it survives, and that it leaves nothing."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from llm.gateway import compiled
from tests.acceptance.running import ROOT, Running, alive, clean_environment, free_port, wait_until_gone
from tests.services import need_postgres

NAMES = {"control", "gateway", "sandbox", "worker"}
PLANTED_KEY = "sk-planted-secret-0123456789"


@pytest.fixture(scope="module")
def memory() -> Iterator[Running]:
    """One product for the tests that only look, or kill what comes back."""
    with Running() as running:
        yield running


def manage(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_help_explains_itself() -> None:
    told = manage(clean_environment(), "serve", "--help").stdout
    for word in (
        "gateway",
        "control",
        "worker",
        "sandbox",
        "OPENAI_PORT",
        "STORAGE_BACKEND",
        "createsuperuser",
        "Ctrl-C",
    ):
        assert word in told
    assert "--settings" not in told


def test_the_banner_says_what_there_is_and_what_to_try(memory: Running) -> None:
    told = memory.logs()
    for line in (
        f"OpenAI API  {memory.gateway_url}/v1",
        f"GraphQL     {memory.control_url}/graphql   in a browser: GraphiQL at {memory.control_url}/",
        f"Live        {memory.control_url.replace('http', 'ws')}/graphql",
        f"Admin       {memory.control_url}/admin/",
        "manage.py createsuperuser",
        "Storage     memory: thrown away at the next start",
        "Gateway     its busiest modules run as machine code" if compiled.is_current() else "Gateway     plain Python",
        "Worker      8 threads",
        "Providers   none found, so the built-in sandbox answers",
        f"curl -X POST {memory.gateway_url}/v1/chat/completions",
    ):
        assert line in told
    assert "Traceback" not in told and "Warning" not in told


def test_the_call_in_the_banner_works(memory: Running) -> None:
    lines = memory.logs().splitlines()
    first = next(number for number, line in enumerate(lines) if "curl -X POST" in line)
    command = "\n".join(lines[first : first + 3])
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30)
    assert json.loads(done.stdout)["choices"][0]["message"]["role"] == "assistant"


def test_the_first_login_can_be_made_while_it_runs(memory: Running) -> None:
    environment = memory.environment | {"DJANGO_SUPERUSER_PASSWORD": "correct horse battery"}
    account = ["--noinput", "--username", "first", "--email", "a@example.com"]
    assert manage(environment, "createsuperuser", *account).returncode == 0
    with httpx.Client(base_url=memory.control_url, follow_redirects=True) as browser:
        page = browser.get("/admin/login/")
        form = {"username": "first", "password": "correct horse battery", "next": "/admin/"}
        token = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        home = browser.post("/admin/login/", data=form | token, headers={"referer": str(page.url)})
    assert (home.status_code, home.url.path) == (200, "/admin/")
    assert "Log out" in home.text


def test_a_command_with_another_storage_is_told_that_serve_uses_another_database(memory: Running) -> None:
    own = manage(memory.environment, "apikey", "list")
    assert (own.returncode, own.stderr) == (0, "")
    other = manage(memory.environment | {"STORAGE_BACKEND": "sqlite"}, "showmigrations", "--plan", "billing")
    assert other.returncode == 0
    (line,) = other.stderr.strip().splitlines()
    assert line.startswith("Warning: The `serve` that runs on ")
    assert "(STORAGE_BACKEND=memory, " in line
    assert "(STORAGE_BACKEND=sqlite, " in line


def test_the_database_is_for_its_owner_only(memory: Running) -> None:
    files = list(memory.data_dir.glob("*.sqlite3*"))
    assert "memory.sqlite3" in {path.name for path in files}
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in files} == {path.name: "0o600" for path in files}


def test_health_is_ok_on_both_ports(memory: Running) -> None:
    until(lambda: httpx.get(f"{memory.control_url}/health").json()["status"] == "ok")
    health = httpx.get(f"{memory.control_url}/health").json()
    assert health["service"] == "circuit-breaker-control"
    assert health["parts"]["gateways"] == {"status": "ok", "detail": "live: gateway-0"}
    assert httpx.get(f"{memory.gateway_url}/health").status_code == 200
    assert ready(memory.control_url) and ready(memory.gateway_url)
    metrics = httpx.get(f"{memory.control_url}/metrics").text
    assert "\ncircuit_breaker_control_gateways_live 1\n" in metrics


def test_only_loopback_is_bound(memory: Running) -> None:
    port = int(memory.control_url.rpartition(":")[2])
    for number in (port, int(memory.gateway_url.rpartition(":")[2])):
        listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line]
        bound = {address.split(":")[0] for address in listening if int(address.split(":")[1], 16) == number}
        assert bound == {"0100007F"}


def test_the_gateway_is_told_no_secret_but_the_uplinks(memory: Running) -> None:
    environment = Path(f"/proc/{memory.pid('gateway')}/environ").read_bytes().decode()
    names = {entry.partition("=")[0] for entry in environment.split("\0") if entry}
    assert not {"SECRET_KEY", "DATABASE_URL", "DATA_DIR"} & names
    assert "UPLINK_SECRET" in names


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_crashed_child_comes_back(memory: Running, name: str) -> None:
    before = memory.pid(name)
    os.kill(before, signal.SIGKILL)
    until(lambda: memory.pid(name) != before)
    until(lambda: ready(memory.gateway_url) and ready(memory.control_url), 20)
    assert f"{name} ended (signal SIGKILL); starting it again in 0." in memory.logs()
    assert memory.pids().keys() == NAMES and all(map(alive, memory.pids().values()))


def test_a_second_serve_on_the_same_data_is_refused(memory: Running) -> None:
    ports = {"OPENAI_PORT": str(free_port()), "GRAPHQL_PORT": str(free_port())}
    done = manage(memory.environment | ports, "serve")
    line = f"Circuit Breaker did not start: another `serve` is running on {memory.data_dir}:"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(line) and done.stderr.count("\n") == 1
    assert ready(memory.gateway_url), "the first one is not touched"


@pytest.mark.parametrize("name", ["OPENAI_PORT", "GRAPHQL_PORT", "SANDBOX_PORT"])
def test_a_taken_port_is_one_line_that_names_it(tmp_path: Path, name: str) -> None:
    environment = clean_environment() | {"DATA_DIR": str(tmp_path)}
    environment |= {"OPENAI_PORT": str(free_port()), "GRAPHQL_PORT": str(free_port())}
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = manage(environment | {name: str(port)}, "serve")
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        f"Circuit Breaker did not start: port {port} on 127.0.0.1 is taken by another program:"
        f" stop that one, or set {name} to a free port.\n",
    )


def test_postgres_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    url = f"postgres://someone:{PLANTED_KEY}@127.0.0.1:{free_port()}/nothing"
    environment = clean_environment() | {"DATA_DIR": str(tmp_path), "STORAGE_BACKEND": "postgres", "DATABASE_URL": url}
    environment |= {"OPENAI_PORT": str(free_port()), "GRAPHQL_PORT": str(free_port())}
    done = manage(environment, "serve")
    assert done.returncode == 1
    told = (done.stdout + done.stderr).strip()
    assert told.startswith("Circuit Breaker did not start: Postgres at 127.0.0.1:") and "\n" not in told
    assert "Connection refused" in told and PLANTED_KEY not in told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_everything(number: signal.Signals) -> None:
    with Running() as running:
        pids = list(running.pids().values())
        assert len(pids) == len(NAMES) and all(map(alive, pids))
        assert running.stop(number) == 0
        assert running.logs().rstrip().endswith("Stopped."), "the last line"
        assert wait_until_gone(pids, 1) == []
        assert not (running.data_dir / "serve.json").exists()


def test_a_signal_before_it_is_ready_ends_everything() -> None:
    running = Running(wait=False)
    with running:
        until(lambda: (running.data_dir / "serve.json").exists())
        pids = list(running.pids().values())
        assert running.stop() == 0
        assert wait_until_gone(pids, 1) == []


def test_a_second_signal_ends_it_at_once() -> None:
    with Running() as running:
        pids = list(running.pids().values())
        os.kill(running.pid("worker"), signal.SIGSTOP)  # will not drain
        with httpx.stream(
            "POST",
            f"{running.gateway_url}/v1/chat/completions",
            json={"model": "sandbox/delay-5000", "messages": [{"role": "user", "content": "slow"}], "stream": True},
            timeout=30,
        ):
            running.process.send_signal(signal.SIGINT)
            running.wait_for_line("again to end at once")
            began = time.monotonic()
            running.process.send_signal(signal.SIGINT)
            running.process.wait(10)
        assert time.monotonic() - began < 3
        assert running.process.returncode in (0, 130)
        assert wait_until_gone(pids, 1) == []


def test_kill_9_of_the_supervisor_leaves_no_orphan_and_the_next_start_works() -> None:
    with Running(storage="sqlite") as running:
        pids = list(running.pids().values())
        assert {parent_of(pid) for pid in pids} == {running.process.pid}
        running.kill()
        assert wait_until_gone(pids, 5) == []
        running.start()
        assert ready(running.gateway_url)


def test_kill_9_of_the_worker_leaves_no_child_of_its_own() -> None:
    with Running() as running:
        worker = running.pid("worker")
        everyone = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        assert not [pid for pid in everyone if alive(pid) and parent_of(pid) == worker]


def test_memory_forgets_and_sqlite_remembers() -> None:
    for storage, kept in (("memory", 0), ("sqlite", 1)):
        with Running(storage=storage) as running:
            query = 'mutation { createToken(input: {workflowId: "document_review"}) { id } }'
            made = httpx.post(f"{running.control_url}/graphql", json={"query": query}).json()
            assert made["data"]["createToken"]["id"]
            assert running.stop() == 0
            running.start()
            tokens = httpx.post(f"{running.control_url}/graphql", json={"query": "{ tokens { id } }"}).json()
            assert len(tokens["data"]["tokens"]) == kept


def test_keys_of_the_environment_are_found_and_never_shown() -> None:
    with Running(storage="sqlite", env={"OPENAI_API_KEY": PLANTED_KEY}) as running:
        told = running.logs()
        assert "Providers   openai (OPENAI_API_KEY)" in told
        assert "sandbox" not in running.pids()
        assert running.stop() == 0
        running.environment.pop("OPENAI_API_KEY")
        (running.data_dir / "env").write_text(f"GROQ_API_KEYS={PLANTED_KEY},{PLANTED_KEY}2\n")
        running.environment["ENV_FILE"] = str(running.data_dir / "env")
        running.start()
        assert "Providers   groq (GROQ_API_KEYS in .env)" in running.logs()
        assert PLANTED_KEY not in told + running.logs()
        stored = b"".join(file.read_bytes() for file in running.data_dir.rglob("*sqlite3*") if file.is_file())
        assert PLANTED_KEY.encode() not in stored


def test_it_runs_on_postgres() -> None:
    need_postgres()
    with Running(storage="postgres") as running:
        assert "Storage     postgres: cb_running_" in running.logs()
        assert ready(running.gateway_url)


def test_several_gateways_share_the_port() -> None:
    with Running(env={"OPENAI_WORKERS": "2"}) as running:
        assert {"gateway-0", "gateway-1"} <= running.pids().keys()
        os.kill(running.pid("gateway-0"), signal.SIGKILL)
        until(lambda: ready(running.gateway_url))


@pytest.mark.parametrize("seconds", [3.0])
def test_it_is_ready_in_time(memory: Running, seconds: float) -> None:
    """The second start, so that the migrated copy is there; the figure itself is in benchmarks/startup.py."""
    with Running() as running:
        assert running.stop() == 0
        running.start()
        assert running.seconds_to_ready < 4 * seconds, "far beyond what a busy machine explains"
