"""A Celery worker of the product on RabbitMQ, with a queue and a slow handler of its own, to be killed at any moment.

python -m tests.acceptance.rabbit_worker QUEUE FOLDER worker|begin|repeat. `begin` makes the workflow and its tokens;
`repeat` sends the messages of recent effects again, done or not, until it is ended. Each run of the handler, and each
message that the broker delivered again, is a line in FOLDER. Run by test_rabbitmq.py.
"""

import os
import random
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "circuit_breaker.settings")

import django

django.setup()

from celery.signals import task_prerun  # noqa: E402

from circuit_breaker.celery import app  # noqa: E402
from workflows import actions, outbox, services  # noqa: E402
from workflows.core.effects import EffectResult, EffectRun  # noqa: E402
from workflows.models import OutboxEffect  # noqa: E402

TOKENS, ROUNDS = 10, 12
SLOWEST = 0.3
NET: dict[str, Any] = {
    "id": "rounds",
    "name": "Rounds",
    "places": ["idle", "over"],
    "initialPlace": "idle",
    "transitions": [
        {
            "id": "go",
            "kind": "function",
            "fromPlaces": ["idle"],
            "toPlace": "idle",
            "work": {"function": "count"},
            "conditions": [{"type": "FieldLessThan", "field": "done", "value": ROUNDS}],
            "retries": {"maxAttempts": 100},
        },
        {"id": "end", "kind": "automatic", "fromPlaces": ["idle"], "toPlace": "over", "else": True},
    ],
}


def begin() -> None:
    services.create_workflow(NET)
    for _ in range(TOKENS):
        services.create_token("rounds", data={"done": 0})
    assert outbox.flush(20)


def repeat() -> None:
    while True:
        recent = OutboxEffect.objects.order_by("-created_at").values_list("pk", flat=True)[:30]
        for effect in random.sample(list(recent), min(5, len(recent))):
            for _ in range(2):
                app.send_task(outbox.TASK, args=[str(effect)], ignore_result=True)
        time.sleep(0.1)


def work(queue: str, folder: Path) -> None:
    def count_up(run: EffectRun) -> EffectResult:
        note(folder, f"began {run.id} {run.attempt}")
        time.sleep(random.uniform(SLOWEST / 3, SLOWEST))
        note(folder, f"ended {run.id} {run.attempt}")
        return EffectResult({"done": int(run.input["done"]) + 1})

    def look(task: Any, **_: Any) -> None:
        if task.request.delivery_info.get("redelivered"):
            note(folder, f"redelivered {task.request.args[0]} 0")

    actions.register("function", count_up)
    task_prerun.connect(look, weak=False)
    options = {"pool": "threads", "concurrency": "4", "loglevel": "warning", "queues": queue}
    options["hostname"] = f"{queue}-{os.getpid()}@test"
    given = [part for name, value in options.items() for part in (f"--{name}", value)]
    app.worker_main(["--quiet", "worker", *given, "--without-gossip", "--without-mingle", "--without-heartbeat"])


def note(folder: Path, line: str) -> None:
    """Unbuffered and whole, so that it is there when the process is killed the next moment."""
    handle = os.open(folder / f"notes.{os.getpid()}", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{line}\n".encode())
    os.close(handle)


if __name__ == "__main__":
    app.conf.task_default_queue = sys.argv[1]
    {"begin": begin, "repeat": repeat, "worker": lambda: work(sys.argv[1], Path(sys.argv[2]))}[sys.argv[3]]()
