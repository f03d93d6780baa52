"""Workers on the real RabbitMQ, killed with SIGKILL in the middle of effects, and every message sent several times.

What a killed worker held without having begun comes again from the broker, what it was in the middle of by the sweep;
both may come twice. Nothing happens twice for that, and nothing is lost. The queue is the test's own.
"""

import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import kombu
import psycopg
import pytest

from tests.acceptance.rabbit_worker import ROUNDS, TOKENS
from tests.acceptance.running import clean_environment, database_url, drop_database, make_database
from tests.services import RABBITMQ, need_postgres, need_rabbitmq

pytestmark = pytest.mark.timeout(300)

WORKERS, KILLS = 2, 4
CHECK = """
import django
django.setup()
from workflows import selectors
from workflows.models import Case
for case in Case.objects.all():
    assert selectors.fold_log(case.pk) == selectors.stored_marking(case.pk), case.pk
"""


class Setting:
    """A database and a queue of the test's own, and the processes that use them."""

    def __init__(self, database: str, queue: str, folder: Path) -> None:
        self.url, self.queue, self.folder = database_url(database), queue, folder
        self.environment = clean_environment() | {
            "DATA_DIR": str(folder),
            "STORAGE_BACKEND": "postgres",
            "DATABASE_URL": self.url,
            "CELERY_BROKER_URL": RABBITMQ,
            "EFFECT_LEASE_SECONDS": "1",
            "HEALTH_CHECK_SECONDS": "0",
            "DJANGO_SETTINGS_MODULE": "circuit_breaker.settings",
            "PYTHONWARNINGS": "ignore:You're running the worker",
        }

    def run(self, *arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], env=self.environment, check=True, timeout=120)

    def start(self, what: str) -> subprocess.Popen[bytes]:
        arguments = ["-m", "tests.acceptance.rabbit_worker", self.queue, str(self.folder), what]
        return subprocess.Popen([sys.executable, *arguments], env=self.environment)

    def notes(self) -> list[tuple[str, str, int]]:
        """(what, effect, attempt) as the workers wrote it down."""
        lines = [line for file in self.folder.glob("notes.*") for line in file.read_text().splitlines()]
        return [(what, effect, int(attempt)) for what, effect, attempt in map(str.split, lines)]

    def count(self, query: str) -> int:
        with psycopg.connect(self.url) as database:
            (found,) = database.execute(query).fetchone() or (0,)
        return int(found)

    def waiting(self) -> int:
        """Messages in the queue that no worker has taken."""
        with kombu.Connection(RABBITMQ) as broker:
            return int(broker.default_channel.queue_declare(self.queue, passive=True).message_count)


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    need_postgres()
    need_rabbitmq()
    database, queue = make_database(), f"cb-test-{uuid.uuid4().hex[:12]}"
    try:
        yield Setting(database, queue, tmp_path)
    finally:
        with kombu.Connection(RABBITMQ) as broker:
            broker.default_channel.queue_delete(queue)
        drop_database(database)


def test_workers_killed_on_rabbitmq_and_messages_that_come_again_change_nothing_twice(setting: Setting) -> None:
    setting.run("manage.py", "migrate", "--verbosity", "0")
    processes = [setting.start("worker") for _ in range(WORKERS)]
    try:
        setting.run("-m", "tests.acceptance.rabbit_worker", setting.queue, str(setting.folder), "begin")
        repeater = setting.start("repeat")
        processes.append(repeater)
        kills = 0
        while (over := ended(setting)) < TOKENS * ROUNDS:
            if kills < KILLS and over >= (kills + 0.5) / KILLS * TOKENS * ROUNDS * 0.8:
                victim = busy_worker(setting, processes[:WORKERS])
                processes[victim].send_signal(signal.SIGKILL)
                processes[victim].wait()
                processes[victim] = setting.start("worker")
                kills += 1
            assert repeater.poll() is None
            time.sleep(0.02)
        repeater.terminate()
        repeater.wait(20)
        wait_until(lambda: setting.waiting() == 0)
        for worker in processes[:WORKERS]:
            worker.terminate()
        assert [worker.wait(60) for worker in processes[:WORKERS]] == [0] * WORKERS
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()
    assert kills == KILLS
    check_what_was_delivered(setting)
    check_what_became_of_it(setting)


def check_what_was_delivered(setting: Setting) -> None:
    """That the test has seen what it is about: work cut off, work begun again, and messages that came again."""
    notes = setting.notes()
    began = Counter((effect, attempt) for what, effect, attempt in notes if what == "began")
    ends = {(effect, attempt) for what, effect, attempt in notes if what == "ended"}
    assert began.keys() - ends, "no worker was killed in the middle of an effect"
    assert any(attempt > 1 for _, attempt in ends), "nothing that was cut off was done again"
    assert any(what == "redelivered" for what, _, _ in notes), "the broker delivered nothing again"
    assert set(began.values()) == {1}, "an attempt was begun twice"


def check_what_became_of_it(setting: Setting) -> None:
    with psycopg.connect(setting.url) as database:
        data = database.execute("SELECT place, (data->>'done')::int FROM workflows_token").fetchall()
        assert data == [("over", ROUNDS)] * TOKENS
        fired = dict(database.execute("SELECT transition, count(*) FROM workflows_firing GROUP BY 1").fetchall())
        assert fired == {"": TOKENS, "go": TOKENS * ROUNDS, "go.ok": TOKENS * ROUNDS, "end": TOKENS}
        states = database.execute("SELECT state, count(*) FROM workflows_outboxeffect GROUP BY 1").fetchall()
        assert states == [("done", TOKENS * ROUNDS)]
        gaps = database.execute(
            "SELECT c.id FROM workflows_case c JOIN workflows_firing f ON f.case_id = c.id GROUP BY c.id, c.last_seq"
            " HAVING count(*) <> c.last_seq OR max(f.seq) <> c.last_seq OR min(f.seq) <> 1"
        ).fetchall()
        assert gaps == []
        unfinished = database.execute("SELECT count(*) FROM workflows_case WHERE state <> 'finished'").fetchone()
        assert unfinished == (0,)
    setting.run("-c", CHECK)


def ended(setting: Setting) -> int:
    return setting.count("SELECT count(*) FROM workflows_firing WHERE transition = 'go.ok'")


def busy_worker(setting: Setting, workers: list[subprocess.Popen[bytes]]) -> int:
    """The number of one that is in the middle of an effect, as soon as there is one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for number in random.sample(range(WORKERS), WORKERS):
            file = setting.folder / f"notes.{workers[number].pid}"
            lines = file.read_text().splitlines() if file.exists() else []
            if sum(line.startswith("began") for line in lines) > sum(line.startswith("ended") for line in lines):
                return number
        time.sleep(0.005)
    raise AssertionError("no worker works")


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
