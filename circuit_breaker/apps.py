"""The wiring as a Django app, so that its management commands are found."""

from django.apps import AppConfig


class CircuitBreakerConfig(AppConfig):
    name = "circuit_breaker"
