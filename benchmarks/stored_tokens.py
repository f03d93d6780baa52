"""Row 13: the latency of a firing with 1,000,000 tokens stored against that with 10,000. Reach: at most 1.2 times.

Two databases on one Postgres, alike but for their size: every token is live, in a case of its own with its log. The
server fills them from one real token, so that the rows are what the product writes. Two processes take turns; each
fires tokens it has just created (as most are), and then any of those stored. Every firing is checked, and the plan of
every statement of one must use an index. Needs a superuser of a Postgres at TEST_POSTGRES_URL; both databases are
dropped. Filling them takes some minutes.
"""

import itertools
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from benchmarks.measuring import ROOT, Missing, alternate, keep
from benchmarks.scratch_database import product_on, scratch_database

GOAL = 1.2
SIZES = {"10000": 10_000, "1000000": 1_000_000}
ROUNDS, FIRINGS = 10, 100
RING: dict[str, Any] = {
    "id": "ring",
    "name": "Ring",
    "places": ["here", "there", "end"],
    "initialPlace": "here",
    "transitions": [
        {"id": "go", "fromPlaces": ["here"], "toPlace": "there"},
        {"id": "back", "fromPlaces": ["there"], "toPlace": "here"},
        {"id": "leave", "inputs": ["there", "here"], "outputs": ["end"]},
    ],
}
COPIED = {
    "workflows_case": "'id', md5('case' || i)::uuid",
    "workflows_token": "'id', md5('token' || i)::uuid, 'case_id', md5('case' || i)::uuid",
    "workflows_firing": "'id', 1000 + i, 'case_id', md5('case' || i)::uuid, 'token_id', md5('token' || i)::uuid",
    "workflows_tokenchange": "'id', 1000 + i, 'firing_id', 1000 + i, 'token_id', md5('token' || i)::uuid",
}
"""For each table what of the first row is different in copy `i`."""


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # drop the databases when told to end
    with suppress_missing(), database(SIZES["10000"]) as small, database(SIZES["1000000"]) as large:
        figures: dict[str, Any] = {"goal": GOAL, "contenders": {}, "reached": True, "indexes": large.ask("plans")}
        for which in ("fresh", "any"):
            turns = {name: _turn(one, which) for name, one in (("10000", small), ("1000000", large))}
            for one in turns.values():
                one()  # warm
            found = alternate(turns, ROUNDS)
            medians = {name: statistics.median(itertools.chain.from_iterable(rounds)) for name, rounds in found.items()}
            ratio = statistics.median(
                statistics.median(two) / statistics.median(one)
                for one, two in zip(found["10000"], found["1000000"], strict=True)
            )
            figures["contenders"][which] = {name: {"median_ms": round(each, 3)} for name, each in medians.items()}
            figures[f"ratio_{which}"] = round(ratio, 3)
            print(f"{which} tokens: {medians['10000']:.3f} ms, {medians['1000000']:.3f} ms, ratio {ratio:.2f}")
            figures["reached"] = figures["reached"] and ratio <= GOAL
        figures["ratio"] = max(figures["ratio_fresh"], figures["ratio_any"])
        figures["megabytes"] = {"10000": small.ask("size"), "1000000": large.ask("size")}
        print(f"reach: <= {GOAL:g}: {'reached' if figures['reached'] else 'missed'}; {figures['megabytes']} MB")
        keep(13, "stored-tokens", figures)
        if not figures["reached"]:
            raise SystemExit("row 13 missed its target")


class Filled:
    """A process with the product on a filled database, asked by lines on its standard input."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, line: str) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"the process for {line!r} ended with {self._process.wait()}")
        return json.loads(answer)


@contextmanager
def suppress_missing() -> Iterator[None]:
    try:
        yield
    except Missing as missing:
        print(missing)


@contextmanager
def database(tokens: int) -> Iterator[Filled]:
    """A database of our own with so many tokens, dropped in the end."""
    with scratch_database() as url, tempfile.TemporaryDirectory(prefix="circuit-breaker-stored-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.stored_tokens", "--answer", str(tokens)],
            cwd=ROOT,
            env={**os.environ, **product_on(url, folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            filled = Filled(process)
            filled.ask("ready")
            yield filled
        finally:
            with suppress(BrokenPipeError):
                process.communicate(timeout=30)


def _turn(filled: Filled, which: str) -> Any:
    def turn() -> list[float]:
        milliseconds: list[float] = filled.ask(f"{which} {FIRINGS}")
        return milliseconds

    return turn


def answer(tokens: int) -> None:
    """The process side: fill the database, then answer line by line."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "circuit_breaker.settings")
    django.setup()
    fill(tokens)
    chance = random.Random(13)
    for line in sys.stdin:
        word, _, count = line.strip().partition(" ")
        said: Any = "yes"
        if word == "fresh":
            said = [fire(created()) for _ in range(int(count))]
        elif word == "any":
            said = [fire(stored(chance.randrange(1, tokens + 1))) for _ in range(int(count))]
        elif word == "plans":
            said = plans(stored(tokens // 2))
        elif word == "size":
            said = round(query("SELECT pg_database_size(current_database())")[0][0] / 1e6)
        print(json.dumps(said), flush=True)


def fill(tokens: int) -> None:
    """One real token, then copies of its rows made by the server, then what autovacuum would do in time."""
    from django.core.management import call_command
    from django.db import connection

    from workflows import services

    call_command("migrate", verbosity=0)
    services.create_workflow(RING)
    first = created()
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # copies need no check of what they point at
        for table, different in COPIED.items():
            where = f"one.id = '{first}'" if table == "workflows_token" else "true"
            cursor.execute(
                f"INSERT INTO {table} SELECT copy.* FROM {table} one, generate_series(1, {tokens}) i,"
                f" LATERAL jsonb_populate_record(one, jsonb_build_object({different})) copy WHERE {where}"
            )
        for table in ("workflows_firing", "workflows_tokenchange"):
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
        cursor.execute("RESET session_replication_role")
        for table in COPIED:
            cursor.execute(f"VACUUM ANALYZE {table}")
        cursor.execute("CHECKPOINT")


def created() -> str:
    from workflows import services

    return str(services.create_token("ring", data={"title": "a" * 100, "score": 7}).pk)


def stored(number: int) -> str:
    return str(query("SELECT md5('token' || %s)::uuid", number)[0][0])


def fire(token_id: str) -> float:
    """Milliseconds of one firing, there or back; wrong results are errors."""
    from workflows import services
    from workflows.models import Token

    transition, place = ("go", "there") if Token.objects.get(pk=token_id).place == "here" else ("back", "here")
    began = time.perf_counter()
    token = services.fire(token_id, transition, {"score": 8})
    took = (time.perf_counter() - began) * 1000
    assert (token.place, token.data["score"]) == (place, 8), token
    return took


def plans(token_id: str) -> list[str]:
    """The indexes that the statements of one firing use; one that reads a whole table of the engine is an error."""
    from django.db import connection

    from workflows import services

    statements: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        services.fire(token_id, "go")
    used: set[str] = set()
    for sql, params in statements:
        if sql.split(" ", 1)[0] in ("SELECT", "UPDATE", "DELETE"):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
                used |= _indexes(cursor.fetchone()[0][0]["Plan"], sql)
    return sorted(used)


def _indexes(plan: dict[str, Any], sql: str) -> set[str]:
    if plan["Node Type"] == "Seq Scan" and plan["Relation Name"] in COPIED:
        raise SystemExit(f"this statement of a firing reads all of {plan['Relation Name']}: {sql}")
    found = {plan["Index Name"]} if "Index Name" in plan else set()
    return found.union(*(_indexes(each, sql) for each in plan.get("Plans", ())))


def query(sql: str, *params: Any) -> list[Any]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--answer"]:
        answer(int(sys.argv[2]))
    else:
        main()
