"""An execution followed: every change of its status once, in order, from the beginning or from any of them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import graphene
import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from agents import services
from agents.core.errors import ExecutionNotFound
from agents.models import Agent, AgentExecution, AgentExecutionEvent
from agents.schema import Query, Subscription
from agents.schema.progress import notes
from tests.apps.agents.conftest import effects, execution, placed, run_now, sent_for_review
from tests.apps.agents.stand_in import Gateway, refused, said

schema = graphene.Schema(query=Query, subscription=Subscription)
GIVEN = {"document": "Ship it.", "current_place": "a desk"}
FOLLOW = """subscription ($id: String!, $after: Int) { agentExecutionStream(executionId: $id, after: $after) {
  executionId seq status attempt retryCount errorMessage outputData done execution { status } } }"""


def run(act: Any, *arguments: Any) -> Any:
    try:
        return act(*arguments)
    finally:
        connection.close()


async def apart(act: Any, *arguments: Any) -> Any:
    return await sync_to_async(run, thread_sensitive=False)(act, *arguments)


async def follow(execution_id: str, after: int | None = None) -> AsyncIterator[Any]:
    opened: Any = await schema.subscribe(FOLLOW, variable_values={"id": execution_id, "after": after})
    assert not hasattr(opened, "errors"), opened.errors
    return opened  # type: ignore[no-any-return]


async def to_its_end(events: AsyncIterator[Any]) -> list[dict[str, Any]]:
    async with asyncio.timeout(15):
        return [result.data["agentExecutionStream"] async for result in events]


def statuses() -> list[str]:
    return list(AgentExecutionEvent.objects.order_by("seq").values_list("status", flat=True))


async def test_a_run_is_followed_from_the_asking_to_the_answer(agent: Agent, gateway: Gateway) -> None:
    asked = await apart(services.execute_agent, agent.pk, GIVEN)
    events = await follow(asked.pk)
    following = asyncio.ensure_future(to_its_end(events))
    gateway.will_say(refused(500, "overloaded"), said("Looks good."))
    (effect,) = await apart(effects)
    await apart(run_now, effect)
    await apart(run_now, effect)
    told = await following
    assert [(each["seq"], each["status"], each["attempt"], each["done"]) for each in told] == [
        (1, "PENDING", 0, False),
        (2, "RUNNING", 1, False),
        (3, "PENDING", 1, False),
        (4, "RUNNING", 2, False),
        (5, "COMPLETED", 2, True),
    ]
    assert "overloaded" in told[2]["errorMessage"]
    assert (told[-1]["outputData"], told[-1]["execution"]) == ({"content": "Looks good."}, {"status": "COMPLETED"})
    assert len(notes._watches) == 0


async def test_cut_at_every_event_nothing_is_lost_or_repeated(agent: Agent, gateway: Gateway) -> None:
    asked = await apart(services.execute_agent, agent.pk, GIVEN)
    gateway.will_say(said("Looks good."))
    await apart(run_now, (await apart(effects))[0])
    for cut in range(4):
        rest = await to_its_end(await follow(asked.pk, cut))
        assert [each["seq"] for each in rest] == list(range(cut + 1, 4))


@pytest.mark.parametrize(
    ("answers", "ends"),
    [([refused(400, "no such model")], "FAILED"), ([], "FAILED"), ([said("Looks good.")], "COMPLETED")],
)
def test_each_change_of_a_place_agents_run_is_noted(
    agent: Agent, gateway: Gateway, answers: list[Any], ends: str
) -> None:
    placed(agent)
    sent_for_review()
    gateway.will_say(*answers)
    run_now(effects()[0])
    assert statuses() == ["PENDING", "RUNNING", ends]
    assert execution().status == ends


def test_an_execution_that_is_given_up_is_noted(agent: Agent, gateway: Gateway) -> None:
    made = services.execute_agent(agent.pk, GIVEN)
    (effect,) = effects()
    effect.state, effect.error = "failed", "its worker died"
    effect.save()
    assert services.settle_abandoned() == 1
    assert statuses() == ["PENDING", "FAILED"]
    assert AgentExecution.objects.get(pk=made.pk).error_message == "its worker died"


async def test_what_there_is_not_cannot_be_followed(transactional_db: None) -> None:
    result: Any = await schema.subscribe(FOLLOW, variable_values={"id": "none"})
    assert isinstance(result.errors[0].original_error, ExecutionNotFound)
