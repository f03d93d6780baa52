"""Workers killed with SIGKILL and a database stopped at once, in the middle of firing: nothing lost, nothing twice.

Each worker fires `go`, whose step is then delivered by any of them, more than once. DURABLE_FIRINGS is how many firings
there are (default 160; the full measure is 10,000). The server is the test's own, so that nobody else's is stopped.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.own_postgres import OwnPostgres, own_postgres

pytestmark = pytest.mark.timeout(1_800)

FIRINGS = int(os.environ.get("DURABLE_FIRINGS", "160"))
WORKERS, TOKENS = 4, 8
ROUNDS = FIRINGS // 2 // TOKENS
"""A round is two firings: the step's start and its end."""
KILLS = max(3, FIRINGS // 400)
SETUP = """
import django
django.setup()
from workflows import services
step = {"id": "go", "kind": "function", "start": "manual", "fromPlaces": ["idle"], "toPlace": "idle",
        "work": {"function": "count"}, "retries": {"maxAttempts": 100}}
services.create_workflow({"id": "w", "name": "W", "places": ["idle"], "initialPlace": "idle", "transitions": [step]})
first = services.create_token("w", data={"done": 0})
for number in range(TOKENS):
    case = str(first.case_id) if number % 2 else None
    token = services.create_token("w", data={"done": 0}, case_id=case)
    print(token.pk)
"""
CHECK = """
import django
django.setup()
from workflows import selectors
from workflows.models import Case
for case in Case.objects.all():
    assert selectors.fold_log(case.pk) == selectors.stored_marking(case.pk), case.pk
"""


@pytest.fixture
def server() -> Iterator[OwnPostgres]:
    with own_postgres() as found:
        yield found


def python(server: OwnPostgres, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment(server),
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        timeout=300,
    ).stdout


def environment(server: OwnPostgres) -> dict[str, str]:
    settings = {"STORAGE_BACKEND": "postgres", "DATABASE_URL": server.url, "EFFECT_LEASE_SECONDS": "1"}
    settings |= {"DJANGO_SETTINGS_MODULE": "circuit_breaker.settings", "REDIS_URL": ""}
    return {**os.environ, **settings}


def test_kills_and_a_crash_of_the_database_lose_nothing_and_repeat_nothing(server: OwnPostgres, tmp_path: Path) -> None:
    python(server, "manage.py", "migrate", "--verbosity", "0")
    (tmp_path / "tokens").write_text(python(server, "-c", SETUP.replace("TOKENS", str(TOKENS))))

    def start(number: int) -> subprocess.Popen[bytes]:
        arguments = [str(number), str(WORKERS), str(ROUNDS), str(tmp_path)]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.firing_worker", *arguments], env=environment(server)
        )

    workers = [start(number) for number in range(WORKERS)]
    try:
        kills = crashes = 0
        while any(worker.poll() is None for worker in workers):
            time.sleep(random.uniform(0.5, 1.5))
            share = answered(tmp_path) / (ROUNDS * TOKENS)
            if kills < KILLS and share > kills / KILLS:
                victim = random.randrange(WORKERS)
                workers[victim].send_signal(signal.SIGKILL)
                workers[victim].wait()
                workers[victim] = start(victim)
                kills += 1
            if not crashes and share > 0.4:
                server.crash()
                crashes += 1
        assert [worker.returncode for worker in workers] == [0] * WORKERS
        assert (kills, crashes) == (KILLS, 1)
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()
    check_log(server)
    python(server, "-c", CHECK)


def answered(folder: Path) -> int:
    return sum(len(acks.read_text().split()) for acks in folder.glob("acks.*"))


def check_log(server: OwnPostgres) -> None:
    wanted = {f"{number}-{turn}" for number in range(WORKERS) for turn in range(ROUNDS * TOKENS // WORKERS)}
    with psycopg.connect(server.url) as database:
        fired = database.execute("SELECT idempotency_key FROM workflows_firing WHERE transition = 'go'").fetchall()
        assert Counter(key for (key,) in fired) == Counter(wanted)
        (ends,) = database.execute("SELECT count(*) FROM workflows_firing WHERE transition = 'go.ok'").fetchone() or (
            0,
        )
        assert ends == ROUNDS * TOKENS
        gaps = database.execute(
            "SELECT c.id FROM workflows_case c JOIN workflows_firing f ON f.case_id = c.id GROUP BY c.id, c.last_seq"
            " HAVING count(*) <> c.last_seq OR max(f.seq) <> c.last_seq OR min(f.seq) <> 1"
        ).fetchall()
        assert gaps == []
        twice = database.execute(
            "SELECT token_id, consumed_version FROM workflows_tokenchange WHERE consumed_version IS NOT NULL"
            " GROUP BY 1, 2 HAVING count(*) > 1"
        ).fetchall()
        assert twice == []
        done = database.execute("SELECT (data->>'done')::int FROM workflows_token ORDER BY 1").fetchall()
        assert [count for (count,) in done] == [0] + [ROUNDS] * TOKENS
        states = database.execute("SELECT state, count(*) FROM workflows_outboxeffect GROUP BY 1").fetchall()
        assert states == [("done", ROUNDS * TOKENS)]
