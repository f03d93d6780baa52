"""Registers the app with Django, and the effects whose handlers are its own."""

from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    name = "workflows"
    verbose_name = "Workflows"

    def ready(self) -> None:
        from workflows import actions
        from workflows.actions import engine, functions, human, webhooks

        actions.register("wake", engine.wake)
        actions.register("workflow", engine.begin)
        actions.register("return", engine.end)
        actions.register("cancel", engine.close)
        actions.register(functions.KIND, functions.run)
        actions.register(human.KIND, human.run)
        actions.register(webhooks.KIND, webhooks.run)
