"""Celery's side of the agents app: the tidying. Running an agent is an effect (`workflows.tasks.run_effect`)."""

from celery import shared_task

from agents import services


@shared_task(name="agents.tasks.settle", ignore_result=True)
def settle() -> int:
    """Close executions whose effect was given up; to be called every few seconds, by any number of processes."""
    return services.settle_abandoned()
