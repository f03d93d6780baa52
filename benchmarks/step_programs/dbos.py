"""DBOS on Postgres: a workflow that goes there and back, each step recorded before the next begins.

`python dbos.py NUMBER URL`, or `prepare URL` once. As its documentation has it: `DBOS.step`s called by a
`DBOS.workflow`, the system database on Postgres, each process an executor of its own. A run is a workflow of STEPS
steps, so that what a run costs beside its steps is shared by many.
"""

import json
import sys
import time
import uuid
from typing import Any

sys.path.pop(0)  # this file's folder, where `dbos` would be this file
from dbos import DBOS, DBOSConfig, SetWorkflowID  # type: ignore

STEPS = 50


@DBOS.step()  # type: ignore
def move(place: str, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "there" if place == "here" else "here", {**data, "score": data["score"] + 1}


@DBOS.workflow()  # type: ignore
def ring(data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    place = "here"
    for _ in range(STEPS):
        place, data = move(place, data)
    return place, data


def main(name: str, url: str) -> None:
    config: DBOSConfig = {"name": "ring", "system_database_url": url, "executor_id": name, "log_level": "WARNING"}
    DBOS(config=config)
    DBOS.launch()
    for line in sys.stdin if name != "prepare" else ():
        word, _, rest = line.strip().partition(" ")
        print(json.dumps(run(float(rest)) if word == "run" else "yes"), flush=True)
    DBOS.destroy()


def run(seconds: float) -> dict[str, Any]:
    cpu, began, steps = time.process_time(), time.perf_counter(), 0
    runs: list[str] = []
    while time.perf_counter() < began + seconds:
        runs.append(str(uuid.uuid4()))
        with SetWorkflowID(runs[-1]):
            end = ring({"title": "a" * 100, "score": 0})
        if end != ("here", {"title": "a" * 100, "score": STEPS}):
            raise SystemExit(f"a run ended with {end}")
        steps += STEPS
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    for each in runs:
        recorded = len(DBOS.list_workflow_steps(each))
        if recorded != STEPS:
            raise SystemExit(f"{recorded} steps of a run are recorded, not {STEPS}")
    return {"steps": steps, "seconds": took, "cpu_seconds": cpu, "server_cpu_seconds": 0.0}


main(sys.argv[1], sys.argv[2])
