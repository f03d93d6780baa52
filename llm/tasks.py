"""Celery tasks of the control side of `llm`."""

from celery import shared_task

from llm.services import discover_ollama


@shared_task(name="llm.discover_local_models")
def discover_local_models() -> int:
    """Look again which local models are there; return how many."""
    return len(discover_ollama())
