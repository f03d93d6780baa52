"""The Celery application. Messages are hints; the truth is in the outbox (`workflows/outbox.py`).

So nothing here must be durable: with no CELERY_BROKER_URL messages are files in DATA_DIR (`broker.py`), results are not
kept, and a lost message costs time only, as every worker sweeps the outbox (`Sweeper`) on a thread of its own. There
is no beat process: several sweepers do no harm, a lease decides who runs an effect.
"""

import logging
import os
import threading
from typing import Any

from celery import Celery, bootsteps
from django.conf import settings
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "circuit_breaker.settings")
TRANSPORT_ALIASES["filesystem"] = "circuit_breaker.broker:Transport"

logger = logging.getLogger(__name__)

app = Celery("circuit_breaker")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


class Sweeper(bootsteps.StartStopStep):
    """Calls `workflows.tasks.sweep` and `agents.tasks.settle` every SWEEP_SECONDS while the worker runs."""

    requires = ("celery.worker.components:Pool",)
    name_of_thread = "sweeper"

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name_of_thread, daemon=True)

    def start(self, worker: Any) -> None:
        self._thread.start()

    def stop(self, worker: Any) -> None:
        self._stop.set()

    def terminate(self, worker: Any) -> None:
        self._stop.set()

    def seconds(self) -> float:
        return float(settings.SWEEP_SECONDS)

    def work(self) -> None:
        from agents.tasks import settle
        from workflows.tasks import sweep

        sweep()
        settle()

    def _run(self) -> None:
        from django.db import close_old_connections

        while not self._stop.wait(self.seconds()):
            try:
                self.work()
            except Exception:  # a database that is away comes back; the next turn makes up for it
                logger.exception("The %s failed; it tries again in %s s", self.name_of_thread, self.seconds())
            finally:
                close_old_connections()


class Prober(Sweeper):
    """Asks providers for their models when it is their turn: on a thread of its own, as a provider may be slow."""

    name_of_thread = "prober"

    def include_if(self, worker: Any) -> bool:
        return bool(settings.HEALTH_CHECK_SECONDS)

    def seconds(self) -> float:
        return 1.0

    def work(self) -> None:
        from llm.tasks import probe_due

        probe_due()


class Archivist(Sweeper):
    """Archives old finished cases and tidies up, some at a time, on a thread of its own: no effect waits for it."""

    name_of_thread = "archivist"

    def seconds(self) -> float:
        return 60.0

    def work(self) -> None:
        from workflows.tasks import archive, tidy

        archive()
        tidy()


app.steps["worker"].update({Sweeper, Prober, Archivist})
