"""Registers the app with Django, and its work with the workflow engine."""

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"
    verbose_name = "Agents"

    def ready(self) -> None:
        from agents import actions  # models exist only now

        actions.register()
