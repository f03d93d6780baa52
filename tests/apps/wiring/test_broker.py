"""The embedded queue, and Celery on it: whole messages, oldest first, each taken once, bounded."""

import threading
from pathlib import Path
from queue import Empty
from types import SimpleNamespace
from typing import Any

import pytest

from circuit_breaker import broker
from circuit_breaker.broker import MAX_WAITING, Channel


@pytest.fixture
def channel(tmp_path: Path) -> Channel:
    options = {"data_folder_in": str(tmp_path), "data_folder_out": str(tmp_path)}
    queue: Channel = Channel.__new__(Channel)
    queue.connection = SimpleNamespace(client=SimpleNamespace(transport_options=options))
    return queue


def test_messages_come_back_oldest_first(channel: Channel) -> None:
    for number in range(20):
        channel._put("celery", {"number": number})
    assert [channel._get("celery")["number"] for _ in range(20)] == list(range(20))
    with pytest.raises(Empty):
        channel._get("celery")


def test_queues_are_apart(channel: Channel) -> None:
    channel._put("other", {"number": 1})
    with pytest.raises(Empty):
        channel._get("celery")
    assert channel._get("other") == {"number": 1}


def test_several_takers_each_get_different_messages(channel: Channel) -> None:
    for number in range(200):
        channel._put("celery", {"number": number})
    taken: list[int] = []

    def take() -> None:
        while True:
            try:
                taken.append(channel._get("celery")["number"])
            except Empty:
                return

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(200))


def test_a_reader_never_sees_half_a_message(channel: Channel) -> None:
    big = {"text": "x" * 200_000}
    done = threading.Event()

    def write() -> None:
        for _ in range(100):
            channel._put("celery", big)
        done.set()

    threading.Thread(target=write).start()
    seen = 0
    while seen < 100:
        try:
            assert channel._get("celery") == big
            seen += 1
        except Empty:
            assert not done.is_set() or seen == 100 or any(Path(channel.data_folder_in).iterdir())


def test_a_full_queue_drops_the_new_message(channel: Channel, tmp_path: Path) -> None:
    for number in range(MAX_WAITING + 5):
        channel._put("celery", {"number": number})
    assert sum(1 for _ in tmp_path.iterdir()) == MAX_WAITING
    assert channel._get("celery") == {"number": 0}


def test_celery_uses_it(settings: Any) -> None:
    from circuit_breaker.celery import app

    with app.connection_for_write(settings.CELERY_BROKER_URL) as connection:
        assert isinstance(connection.transport, broker.Transport)
    assert app.conf.task_ignore_result is True
