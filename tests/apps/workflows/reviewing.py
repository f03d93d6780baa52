"""An effect as a worker meets it: claimed, told of by messages, with a broker or with a dead one."""

import json
from datetime import timedelta

import celery
from django.utils import timezone

from workflows import outbox
from workflows.core.effects import EffectRun
from workflows.models import OutboxEffect


def only_effect() -> OutboxEffect:
    return OutboxEffect.objects.get()


def claim(effect: OutboxEffect, later: float = 0) -> EffectRun | None:
    return outbox.claim(str(effect.pk), timezone.now() + timedelta(seconds=later))


def messages() -> list[str]:
    """The ids of the effects workers were told of, taken from the queue."""
    assert outbox.flush(20)
    told: list[str] = []
    with celery.current_app.connection_for_read() as connection:
        queue = connection.SimpleQueue("celery")
        while queue.qsize():
            message = queue.get(block=False)
            told.append(
                json.loads(message.body)[0][0] if isinstance(message.body, str | bytes) else message.payload[0][0]
            )
            message.ack()
        queue.close()
    return told


def dead_broker() -> celery.Celery:
    app = celery.Celery(broker="amqp://127.0.0.1:1//", set_as_current=False)
    app.conf.broker_transport_options = {"connect_retries_timeout": 1.2}
    return app
