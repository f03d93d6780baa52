"""LangGraph on Postgres: a graph that goes there and back, each step checkpointed before the next begins.

`python langgraph.py NUMBER URL`, or `prepare URL` once. As the READMEs of langgraph and langgraph-checkpoint-postgres
have it: `PostgresSaver.from_conn_string` (autocommit, prepared statements), `durability="sync"`, the mode that loses
no step. A run is a thread of STEPS nodes, so that what a run costs beside its steps is shared by many.
"""

import json
import sys
import time
import uuid
from typing import Any, TypedDict

sys.path.pop(0)  # this file's folder, where `langgraph` would be this file
from langgraph.checkpoint.postgres import PostgresSaver  # type: ignore
from langgraph.graph import END, START, StateGraph  # type: ignore

STEPS = 50


class State(TypedDict):
    place: str
    title: str
    score: int


def main(name: str, url: str) -> None:
    with PostgresSaver.from_conn_string(url) as saver:
        if name == "prepare":
            saver.setup()
            return
        graph = StateGraph(State)
        graph.add_node("go", lambda state: {"place": "there", "score": state["score"] + 1})
        graph.add_node("back", lambda state: {"place": "here", "score": state["score"] + 1})
        graph.add_edge(START, "go")
        graph.add_edge("go", "back")
        graph.add_conditional_edges("back", lambda state: "go" if state["score"] < STEPS else END)
        ready = graph.compile(checkpointer=saver)
        for line in sys.stdin:
            word, _, rest = line.strip().partition(" ")
            print(json.dumps(run(ready, saver, float(rest)) if word == "run" else "yes"), flush=True)


def run(graph: Any, saver: Any, seconds: float) -> dict[str, Any]:
    cpu, began, steps = time.process_time(), time.perf_counter(), 0
    threads: list[str] = []
    while time.perf_counter() < began + seconds:
        threads.append(str(uuid.uuid4()))
        config = {"configurable": {"thread_id": threads[-1]}, "recursion_limit": STEPS + 1}
        end = graph.invoke({"place": "here", "title": "a" * 100, "score": 0}, config, durability="sync")
        if end != {"place": "here", "title": "a" * 100, "score": STEPS}:
            raise SystemExit(f"a run ended with {end}")
        steps += STEPS
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    for thread in threads:  # of the input, and of each step
        kept = [each.metadata["step"] for each in saver.list({"configurable": {"thread_id": thread}})]
        if sorted(kept) != list(range(-1, STEPS + 1)):
            raise SystemExit(f"checkpoints of the steps {sorted(kept)} are kept")
    return {"steps": steps, "seconds": took, "cpu_seconds": cpu, "server_cpu_seconds": 0.0}


main(sys.argv[1], sys.argv[2])
