"""A small cast: one workflow with every kind of step, and threads with connections of their own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from workflows import actions, services
from workflows.models import Workflow

REVIEW: dict[str, Any] = {
    "id": "papers",
    "name": "Papers",
    "places": ["draft", "review", "legal", "ready", "approved"],
    "initialPlace": "draft",
    "transitions": [
        {"id": "submit", "fromPlaces": ["draft"], "toPlace": "review"},
        {"id": "approve", "fromPlaces": ["review"], "toPlace": "approved"},
        {
            "id": "approve_good",
            "fromPlaces": ["review"],
            "toPlace": "approved",
            "conditions": [{"type": "FieldGreaterThan", "field": "score", "value": 5}],
        },
        {"id": "split", "inputs": ["draft"], "outputs": ["review", "legal"]},
        {"id": "join", "inputs": ["review", "legal"], "outputs": ["ready"]},
        {"id": "touch", "fromPlaces": ["draft"], "toPlace": "draft"},
        {"id": "discard", "inputs": ["draft"], "outputs": []},
    ],
}


@pytest.fixture
def papers() -> Workflow:
    return services.create_workflow(REVIEW)


@pytest.fixture
def handle() -> Any:
    """Registers handlers for one test."""
    kinds: list[str] = []

    def register(kind: str, handler: actions.Handler) -> None:
        kinds.append(kind)
        actions.register(kind, handler)

    yield register
    for kind in kinds:
        actions._handlers.pop(kind, None)


def together(count: int, act: Callable[[int], Any]) -> list[Any]:
    """What `act` returns or raises in `count` threads that start at the same moment, each on its own connection."""
    start = Barrier(count)

    def run(number: int) -> Any:
        connection.ensure_connection()
        start.wait()
        try:
            return act(number)
        except Exception as error:  # noqa: BLE001 - the outcome, whatever it is, is what the test looks at
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
