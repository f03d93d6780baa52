"""Tests of the Django apps run on one storage a time: STORAGE_BACKEND=memory (default), sqlite or postgres."""

import os
from collections.abc import Iterator

import celery
import pytest

from tests.services import need_postgres


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Asked for before the test database is made: the place to find that there is no server."""
    if os.environ.get("STORAGE_BACKEND") == "postgres":
        need_postgres()


@pytest.fixture(autouse=True)
def quiet_broker() -> Iterator[None]:
    """Messages go to a queue in this process, which no worker reads: tests run tasks themselves."""
    from workflows import outbox

    celery.current_app.conf.broker_url = "memory://"
    with celery.current_app.connection_for_write() as broker:
        celery.current_app.amqp.queues["celery"](broker.default_channel).declare()
        broker.default_channel.queue_purge("celery")
    yield
    assert outbox.flush(20)
