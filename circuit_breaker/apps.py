"""The wiring as a Django app: its management commands are found, and tasks find their Celery application."""

from django.apps import AppConfig


class CircuitBreakerConfig(AppConfig):
    name = "circuit_breaker"

    def ready(self) -> None:
        from circuit_breaker import celery  # noqa: F401 - loading it makes it the current application
