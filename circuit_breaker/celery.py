"""The Celery application. Messages are hints; the truth is in the outbox (see workflows/outbox.py)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "circuit_breaker.settings")

app = Celery("circuit_breaker")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
