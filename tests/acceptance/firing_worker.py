"""A process that fires and delivers until its share is done, to be killed at any moment. Run by test_durable_firing.

python -m tests.acceptance.firing_worker NUMBER WORKERS ROUNDS FOLDER: its tokens are those of FOLDER/tokens with index
NUMBER modulo WORKERS. Each round fires `go` under a key of its own, then delivers effects (its own twice, some of others
again) until the step has come back. What was answered stands in FOLDER/acks.NUMBER; a restarted worker asks the first
unanswered one again, under the same key. A database that is away is waited for.
"""

import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "circuit_breaker.settings")

import django

django.setup()

from django.db import Error, InterfaceError, OperationalError, connection  # noqa: E402

from workflows import actions, services, tasks  # noqa: E402
from workflows.core.effects import EffectResult, EffectRun  # noqa: E402
from workflows.models import OutboxEffect, Token  # noqa: E402

Answer = TypeVar("Answer")
KIND = "count"


def count_up(run: EffectRun) -> EffectResult:
    time.sleep(random.uniform(0, 0.01))
    return EffectResult({"done": int(run.input["done"]) + 1})


def surely(act: Callable[[], Answer]) -> Answer:
    """Until the database answers; what was asked is safe to ask again."""
    while True:
        try:
            return act()
        except (OperationalError, InterfaceError, Error):
            connection.close()
            time.sleep(0.1)


def main(number: int, workers: int, rounds: int, folder: Path) -> None:
    actions.register("function", count_up)
    tokens = (folder / "tokens").read_text().split()[number::workers]
    acks = folder / f"acks.{number}"
    begun = len(acks.read_text().split()) if acks.exists() else 0
    log = os.open(acks, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for turn in range(begun, rounds * len(tokens)):
        token = tokens[turn % len(tokens)]
        key = f"{number}-{turn}"
        surely(lambda token=token: wait_idle(token, number))  # type: ignore[misc]
        surely(lambda token=token, key=key: services.fire(token, "go", idempotency_key=key))  # type: ignore[misc]
        os.write(log, f"{key}\n".encode())
    for token in tokens:
        surely(lambda token=token: wait_idle(token, number))  # type: ignore[misc]


def wait_idle(token: str, number: int) -> None:
    """Deliver until the token is back: its own effects twice, and now and then what others have, done or not."""
    while Token.objects.get(pk=token).place != "idle":
        mine = OutboxEffect.objects.filter(token_id=token, state__in=OutboxEffect.UNDER_WAY).values_list(
            "pk", flat=True
        )
        others = OutboxEffect.objects.order_by("-created_at").values_list("pk", flat=True)[:5]
        messages = [*mine, *mine, *(others if random.random() < 0.1 else ())]
        for effect in messages:
            tasks.run_effect(str(effect))
        if not mine:
            time.sleep(0.01)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
