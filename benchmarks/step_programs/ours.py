"""Our service on one connection: fires its tokens there and back, each firing checked by what it returns.

`python ours.py NUMBER TOKENS`; the database is prepared (`durable_firing.prepare`). Beside `run` it answers `trace`
(how a firing talks to the server) and `tokens` (what it believes of its tokens, for the database to be held against).
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "circuit_breaker.settings")
import django

django.setup()
from django.db import connection  # noqa: E402 - Django first

from workflows import services  # noqa: E402

THERE = {"here": ("go", "there"), "there": ("back", "here")}
TICKS = os.sysconf("SC_CLK_TCK")


def main(count: int) -> None:
    tokens = [services.create_token("ring", data={"title": "a" * 100, "score": 0}) for _ in range(count)]
    known: dict[str, list[Any]] = {str(token.pk): [token.place, token.version, 0] for token in tokens}
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    turns = list(known)
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        said: Any = "yes"
        if word == "run":
            said = run(known, turns, float(rest), backend)
        elif word == "trace":
            said = trace(known, turns[0])
        elif word == "tokens":
            said = known
        print(json.dumps(said), flush=True)


def run(known: dict[str, list[Any]], turns: list[str], seconds: float, backend: int) -> dict[str, Any]:
    cpu, server, began = time.process_time(), cpu_of(backend), time.perf_counter()
    steps, end = 0, began + seconds
    while time.perf_counter() < end:
        turns.append(turns.pop(0))
        fire(known, turns[-1])
        steps += 1
    took = time.perf_counter() - began
    return {
        "steps": steps,
        "seconds": took,
        "cpu_seconds": time.process_time() - cpu,
        "server_cpu_seconds": cpu_of(backend) - server,
    }


def fire(known: dict[str, list[Any]], token_id: str) -> None:
    """One firing; a wrong answer is an error."""
    place, version, score = known[token_id]
    transition, place = THERE[place]
    token = services.fire(token_id, transition, {"score": score + 1})
    known[token_id] = [place, version + 1, score + 1]
    if (token.place, token.version, token.data["score"], len(token.data["title"])) != (*known[token_id], 100):
        raise SystemExit(f"a firing returned {token.place} {token.version} {token.data}")


def trace(known: dict[str, list[Any]], token_id: str) -> dict[str, int]:
    """Statements and waits for the server of one firing, counted in what the client library says on the wire."""
    import psycopg

    for _ in range(20):  # prepared, cached and planned, whatever will be
        fire(known, token_id)
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "trace").open("w+") as file:
        wire = connection.connection.pgconn
        wire.trace(file.fileno())
        wire.set_trace_flags(psycopg.pq.Trace.SUPPRESS_TIMESTAMPS)
        fire(known, token_id)
        wire.untrace()
        file.seek(0)
        kinds = [line.split("\t")[2].strip() for line in file if line.count("\t") >= 2]
    return {"statements": kinds.count("Query") + kinds.count("Execute"), "round_trips": kinds.count("ReadyForQuery")}


def cpu_of(process: int) -> float:
    """Seconds of processor time so far; 0 if it runs elsewhere."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(stat[11]) + int(stat[12])) / TICKS


main(int(sys.argv[2]))
