"""Celery tasks of the control side of `llm`."""

from celery import shared_task
from django.utils import timezone

from llm import services


@shared_task(name="llm.discover", ignore_result=True)
def discover(slugs: list[str] | None = None) -> int:
    """Ask these providers, or all, for their models now; how many answered."""
    return sum(answer.ok for answer in services.discover(slugs).values())


@shared_task(name="llm.probe_due", ignore_result=True)
def probe_due() -> int:
    """Ask those whose turn it is; how many. Every worker calls it once a second (`circuit_breaker/celery.py`)."""
    return services.probe_due(timezone.now())
