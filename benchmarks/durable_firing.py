"""Row 9: durable firings of single tokens on Postgres, 8 connections, against pgbench. Reach: at least 0.40 times.

Both move a row of 100 bytes of data from one place to another, raise the number of its run's last log entry, append
to that run's log under this number, and write what is to be done next into an outbox, in one transaction with
synchronous_commit on. pgbench does it with prepared statements on four bare tables: begin, select for update, two
updates, two inserts, commit. We do it by `services.fire` with everything on (the firing rule, the token's version, the
log with its change rows, events), in 8 processes of one connection each, as a deployment would that wants more than
one process gives; each has tokens of its own, as each pgbench client has rows of its own. What the outbox asks for is
due in an hour, so no message to a broker is part of either. Row 10, the peers, is `durable_steps.py`.

Every firing is checked by what it returns; in the end each case's log must be gapless and as long as it says, each
token lie where its process last saw it, and the outbox hold one row for each firing, or the figures count as nothing.
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.crew import Crew, Pace, crew
from benchmarks.measuring import Missing, alternate, keep
from benchmarks.scratch_database import product_on, scratch_database

Turn = Callable[[], Pace]
GOAL = 0.40
CONNECTIONS, TOKENS = 8, 250
"""Processes, or pgbench clients, and how many rows each has."""
RING: dict[str, Any] = {
    "id": "ring",
    "name": "Ring",
    "places": ["here", "there"],
    "initialPlace": "here",
    "transitions": [
        {"id": "go", "fromPlaces": ["here"], "toPlace": "there"},
        {"id": "back", "fromPlaces": ["there"], "toPlace": "here"},
    ],
}
PREPARE = """
import django, json, sys
django.setup()
from django.core.management import call_command
from workflows import services
call_command("migrate", verbosity=0)
services.create_workflow(json.loads(sys.argv[1]))
for place in ("here", "there"):
    services.attach_action(place, "later", "nobody", workflow_id="ring", delay_seconds=3600)
"""
BARE_TABLES = """
CREATE TABLE bare_run (id uuid PRIMARY KEY, seq bigint NOT NULL);
CREATE TABLE bare_token (id uuid PRIMARY KEY, run uuid NOT NULL, place text NOT NULL, version bigint NOT NULL,
    data jsonb NOT NULL);
CREATE TABLE bare_log (id bigserial PRIMARY KEY, run uuid NOT NULL, seq bigint NOT NULL, token uuid NOT NULL,
    transition text NOT NULL, data jsonb NOT NULL, at timestamptz NOT NULL, UNIQUE (run, seq));
CREATE TABLE bare_outbox (id uuid PRIMARY KEY, token uuid NOT NULL, kind text NOT NULL, payload jsonb NOT NULL,
    due timestamptz NOT NULL);
INSERT INTO bare_run SELECT md5('run' || i)::uuid, 0 FROM generate_series(1, {rows}) i;
INSERT INTO bare_token SELECT md5('token' || i)::uuid, md5('run' || i)::uuid, 'here', 1,
    jsonb_build_object('title', repeat('a', 100), 'score', 0) FROM generate_series(1, {rows}) i;
"""
BARE_MOVE = """
\\set i 1 + :client_id * {tokens} + random(0, {tokens} - 1)
BEGIN;
SELECT seq + 1 AS seq FROM bare_run WHERE id = md5('run' || :i)::uuid FOR UPDATE \\gset
UPDATE bare_run SET seq = :seq WHERE id = md5('run' || :i)::uuid;
UPDATE bare_token SET place = 'there', version = version + 1, data = data || jsonb_build_object('score', :seq::int)
    WHERE id = md5('token' || :i)::uuid;
INSERT INTO bare_log (run, seq, token, transition, data, at) VALUES
    (md5('run' || :i)::uuid, :seq, md5('token' || :i)::uuid, 'go', jsonb_build_object('score', :seq::int), now());
INSERT INTO bare_outbox VALUES (gen_random_uuid(), md5('token' || :i)::uuid, 'later', '{{}}', now() + '1 hour');
COMMIT;
"""


def main() -> None:
    """Row 9. Raises SystemExit when a firing was wrong or the goal is missed."""
    given = arguments("python -m benchmarks.durable_firing", __doc__)
    try:
        figures = measure(given.seconds, given.rounds)
    except Missing as missing:
        print(f"row 9, durable firing: {missing}")
        return
    ratio = figures["ratio"]
    print(f"row 9, durable firing, {CONNECTIONS} connections: ours / pgbench = {ratio:.2f} (goal {GOAL})")
    keep(9, "durable-firing", figures)
    if ratio < GOAL:
        raise SystemExit(f"The ratio {ratio:.2f} is below {GOAL}.")


def measure(seconds: float, rounds: int) -> dict[str, Any]:
    """Turn by turn; the figures to keep. Raises Missing, and SystemExit for a wrong result."""
    if shutil.which("pgbench") is None:
        raise Missing("skipped: pgbench is not installed (Debian: apt install postgresql)")
    with scratch_database() as url, ours(url) as we:
        bare = Bare(url)
        try:
            turns: dict[str, Turn] = {"pgbench": lambda: bare.run(seconds), "ours": lambda: we.run(seconds)}
            for warm in turns.values():
                warm()
            found = alternate({name: vacuumed(url, turn) for name, turn in turns.items()}, rounds)
            traced = we.ask("trace")[0]
            check_ours(url, we)
            bare.check()
        finally:
            bare.folder.cleanup()
    figures = shown(found)
    ratio = statistics.median(one.rate / other.rate for one, other in zip(found["ours"], found["pgbench"], strict=True))
    figures["ours"] |= traced
    print(f"a firing of ours is {traced['statements']} statements in {traced['round_trips']} waits for the server")
    return {"connections": CONNECTIONS, "contenders": figures, "ratio": round(ratio, 3), "goal": GOAL}


@contextmanager
def ours(url: str) -> Iterator[Crew]:
    """Our processes on a database that is made ready for them."""
    with tempfile.TemporaryDirectory(prefix="benchmark-firing-") as folder:
        environment = {**product_on(url, folder), "DJANGO_SETTINGS_MODULE": "circuit_breaker.settings"}
        prepare(environment)
        with crew(sys.executable, "ours", CONNECTIONS, environment, str(TOKENS)) as started:
            yield started


def prepare(environment: Mapping[str, str]) -> None:
    """The product's tables, the workflow, and the wish for an effect at each of its places."""
    command = [sys.executable, "-c", PREPARE, json.dumps(RING)]
    subprocess.run(command, env={**os.environ, **environment}, check=True)


def shown(found: Mapping[str, Sequence[Pace]]) -> dict[str, dict[str, Any]]:
    """Medians of the rounds, also printed."""
    figures: dict[str, dict[str, Any]] = {}
    for name, rounds in found.items():
        one = {"firings_per_second": round(statistics.median(each.rate for each in rounds))}
        cpu = {"cpu_us": round(statistics.median(each.cpu_us for each in rounds))}
        cpu |= {"server_cpu_us": round(statistics.median(each.server_cpu_us for each in rounds))}
        figures[name] = {**one, "rounds": [round(each.rate) for each in rounds], **(cpu if cpu["cpu_us"] else {})}
        said = f"   CPU each: {cpu['cpu_us']} µs in Python, {cpu['server_cpu_us']} µs in the server"
        print(f"{name:10} {one['firings_per_second']:>7,} firings/s{said if cpu['cpu_us'] else ''}")
    return figures


class Bare:
    """pgbench and its four tables."""

    def __init__(self, url: str) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="benchmark-pgbench-")
        self._url, self._moves = url, 0
        self._script = Path(self.folder.name) / "move.sql"
        self._script.write_text(BARE_MOVE.format(tokens=TOKENS))
        _execute(url, BARE_TABLES.format(rows=CONNECTIONS * TOKENS), "ANALYZE")

    def run(self, seconds: float) -> Pace:
        command = ["pgbench", "--no-vacuum", "--protocol=prepared", f"--client={CONNECTIONS}", "--jobs=2"]
        command += [f"--time={max(1, round(seconds))}", f"--file={self._script}", self._url]
        done = subprocess.run(command, capture_output=True, text=True)
        moved = re.search(r"transactions actually processed: (\d+)", done.stdout)
        rate = re.search(r"tps = ([\d.]+)", done.stdout)
        failed = re.search(r"failed transactions: (\d+)", done.stdout)
        if done.returncode or not moved or not rate or (failed and failed[1] != "0"):
            raise SystemExit(f"pgbench failed: {(done.stderr or done.stdout)[-300:]}")
        self._moves += int(moved[1])
        return Pace(float(rate[1]))

    def check(self) -> None:
        counts = "(SELECT sum(seq) FROM bare_run), (SELECT count(*) FROM bare_log), (SELECT count(*) FROM bare_outbox)"
        found = _execute(self._url, f"SELECT {counts}")
        if set(found[0]) != {self._moves}:
            raise SystemExit(f"pgbench moved {self._moves} times, its tables say {found[0]}")


def check_ours(url: str, we: Crew) -> None:
    """The database against what the processes believe. SystemExit on any difference."""
    known = {token: tuple(state) for each in we.ask("tokens") for token, state in each.items()}
    rows = _execute(url, "SELECT id::text, place, version, (data->>'score')::int FROM workflows_token")
    stored = {row[0]: row[1:] for row in rows}
    if stored != known:
        wrong = sum(stored.get(token) != state for token, state in known.items())
        raise SystemExit(f"{wrong} of {len(known)} tokens are not where they were left")
    gaps = _execute(
        url,
        "SELECT c.id FROM workflows_case c LEFT JOIN workflows_firing f ON f.case_id = c.id GROUP BY c.id "
        "HAVING count(f.seq) <> c.last_seq OR min(f.seq) <> 1 OR max(f.seq) <> c.last_seq",
    )
    if gaps:
        raise SystemExit(f"the logs of {len(gaps)} cases have gaps")
    fired = sum(score for _, _, score in known.values())
    counts = _execute(
        url,
        "SELECT (SELECT count(*) FROM workflows_firing WHERE kind = 'transition_fired'), "
        "(SELECT count(*) FROM workflows_tokenchange WHERE consumed_version IS NOT NULL), "
        f"(SELECT count(*) FROM workflows_outboxeffect) - {len(known)}",
    )
    if set(counts[0]) != {fired}:
        raise SystemExit(f"{fired} firings, but log, changes and outbox say {counts[0]}")
    print(f"checked: {fired:,} firings of {len(known):,} tokens, logs gapless, every token where it should be")


def vacuumed(url: str, turn: Turn) -> Turn:
    """The turn after what autovacuum would do in time, whether or not this server has it."""

    def then() -> Pace:
        _execute(url, "VACUUM ANALYZE")
        return turn()

    return then


def _execute(url: str, *statements: str) -> list[Any]:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def arguments(program: str, description: str | None) -> argparse.Namespace:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # drop the database when told to end
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--seconds", type=float, default=4, help="of each round")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_known_args()[0]


if __name__ == "__main__":
    main()
