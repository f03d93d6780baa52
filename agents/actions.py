"""Registers effects of kind "agent" with the workflow engine. Imported once, by `apps.py`, when Django is ready."""

from agents import services
from agents.services.definitions import KIND
from workflows import actions


def register() -> None:
    actions.register(KIND, services.run)
