"""Live views of the log: every event once, in order, whoever writes and whenever one subscribes."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import graphene
import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction

from tests.services import listens, need
from workflows import selectors, services
from workflows.core.errors import BadInput, SubscriberTooSlow, TokenNotFound, WorkflowNotFound
from workflows.models import Firing, Token, Workflow
from workflows.schema import Mutation, Query, Subscription, live, tail

pytestmark = pytest.mark.django_db(transaction=True)

schema = graphene.Schema(query=Query, mutation=Mutation, subscription=Subscription)


async def take(events: AsyncIterator[live.Event], count: int, seconds: float = 10) -> list[Any]:
    return [await asyncio.wait_for(anext(events), seconds) for _ in range(count)]


async def in_thread(act: Any, *arguments: Any) -> Any:
    """Run where the connection is closed afterwards, as a request's thread does."""

    def run() -> Any:
        try:
            return act(*arguments)
        finally:
            connection.close()

    return await sync_to_async(run, thread_sensitive=False)()


@pytest.fixture(autouse=True)
async def no_view_is_left() -> AsyncIterator[None]:
    yield
    for left in list(tail._tails.values()):
        left._stop()
        await asyncio.sleep(0.05)


def touch(token: Token, times: int) -> None:
    for number in range(times):
        services.fire(str(token.pk), "touch", {"n": number})


async def test_a_view_sees_what_comes_after_it_and_nothing_before(papers: Workflow) -> None:
    token = await in_thread(services.create_token, "papers")
    events = await live.follow_token(str(token.pk), None)
    await in_thread(services.fire, str(token.pk), "submit", {"a": 1})
    await in_thread(services.fire, str(token.pk), "approve")
    seen = await take(events, 2)
    assert [(event.kind, event.transition, event.to_place, event.seq) for event in seen] == [
        ("transition_fired", "submit", "review", 2),
        ("transition_fired", "approve", "approved", 3),
    ]
    assert seen[0].states[0].data == {"a": 1}
    await events.aclose()


async def test_a_view_resumes_after_the_last_event_it_saw(papers: Workflow) -> None:
    token = await in_thread(services.create_token, "papers")
    events = await live.follow_workflow("papers", None)
    await in_thread(touch, token, 3)
    seen = await take(events, 2)
    await events.aclose()
    await in_thread(touch, token, 2)
    resumed = await live.follow_workflow("papers", str(seen[-1].position))
    await in_thread(touch, token, 1)
    assert [event.seq for event in await take(resumed, 4)] == [4, 5, 6, 7]
    await resumed.aclose()
    all_of_it = await live.follow_token(str(token.pk), "0")
    assert [event.seq for event in await take(all_of_it, 7)] == [1, 2, 3, 4, 5, 6, 7]
    await all_of_it.aclose()


async def test_every_event_comes_once_and_in_order_while_eight_write(papers: Workflow) -> None:
    """The views begin at different moments of the storm; positions commit out of order on Postgres."""
    tokens = [await in_thread(services.create_token, "papers") for _ in range(8)]
    first = await live.follow_workflow("papers", None)

    def write(token: Token) -> None:
        try:
            touch(token, 25)
        finally:
            connection.close()

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(8) as pool:
        writing = [loop.run_in_executor(pool, write, token) for token in tokens]
        own = await live.follow_token(str(tokens[0].pk), "0")
        seen = await take(first, 100)
        late = await live.follow_workflow("papers", str(seen[49].position))
        seen += await take(first, 100)
        again = await take(late, 150)
        await asyncio.gather(*writing)
    expected = await in_thread(lambda: list(Firing.objects.order_by("id").values_list("id", flat=True)))
    positions = [event.position for event in seen]
    assert positions == expected[8:]
    assert [event.position for event in again] == positions[50:]
    assert [event.seq for event in await take(own, 26)] == list(range(1, 27))
    for events in (first, own, late):
        await events.aclose()


async def test_a_slow_transaction_is_waited_for_and_a_dead_one_is_not(papers: Workflow) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("only Postgres has two writers at a time")
    slow, quick, dead = [await in_thread(services.create_token, "papers") for _ in range(3)]
    events = await live.follow_workflow("papers", None)
    fired, go_on = threading.Event(), threading.Event()

    def fire_slowly() -> None:
        try:
            with transaction.atomic():
                services.fire(str(slow.pk), "touch", {"who": "slow"})
                fired.set()
                go_on.wait(10)
        finally:
            connection.close()

    def fire_in_vain() -> None:
        with transaction.atomic():
            services.fire(str(dead.pk), "touch")
            transaction.set_rollback(True)

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool:
        writing = loop.run_in_executor(pool, fire_slowly)
        await asyncio.to_thread(fired.wait, 10)
        await in_thread(fire_in_vain)
        await in_thread(services.fire, str(quick.pk), "touch", {"who": "quick"})
        late = await live.follow_workflow("papers", None)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(events), 0.5)
        events = await live.follow_workflow("papers", None)
        go_on.set()
        await writing
    # The quick one was visible when `late` began and is not repeated; the slow one was not, and is not lost.
    assert [event.data for event in await take(late, 1)] == [{"who": "slow"}]
    assert [event.data for event in await take(events, 1)] == [{"who": "slow"}]
    await in_thread(services.fire, str(quick.pk), "touch", {"who": "next"})
    assert [event.data for event in await take(late, 1)] == [{"who": "next"}]
    for each in (late, events):
        await each.aclose()


async def test_a_view_that_is_too_slow_gets_all_it_can_and_then_its_cursor(
    papers: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "QUEUE_LENGTH", 3)
    token = await in_thread(services.create_token, "papers")
    slow = await live.follow_token(str(token.pk), None)
    watching = await live.follow_token(str(token.pk), None)
    await in_thread(touch, token, 5)
    await asyncio.sleep(0.5)
    seen = await take(slow, 4)
    assert [event.seq for event in seen[:3]] == [2, 3, 4]
    assert isinstance(seen[3], SubscriberTooSlow)
    assert seen[3].details == {"after": str(seen[2].position)}
    with pytest.raises(StopAsyncIteration):
        await anext(slow)
    resumed = await live.follow_token(str(token.pk), seen[3].details["after"])
    assert [event.seq for event in await take(resumed, 2)] == [5, 6]
    for events in (resumed, watching):
        await events.aclose()


async def test_the_tail_ends_with_its_last_view(papers: Workflow) -> None:
    before = threading.active_count()
    first, second = await live.follow_workflow("papers", None), await live.follow_workflow("papers", "0")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(first), 0.05)
    assert len(tail._tails) == 1
    running = asyncio.ensure_future(anext(second))
    await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.sleep(0.2)
    assert len(tail._tails) == 0
    assert threading.active_count() <= before + 1


async def test_what_cannot_be_followed_is_refused_at_once(papers: Workflow) -> None:
    with pytest.raises(TokenNotFound):
        await live.follow_token("nothing", None)
    with pytest.raises(WorkflowNotFound):
        await live.follow_workflow("nothing", None)
    for wrong in ("", "-1", "x", "9" * 19, "٣"):
        with pytest.raises(BadInput):
            await live.follow_workflow("papers", wrong)


async def test_the_subscriptions_show_events_as_graphql(papers: Workflow) -> None:
    token = await in_thread(
        services.create_token,
        "papers",
    )
    by_token = await schema.subscribe(
        """subscription Follow($id: String!) { tokenUpdates(tokenId: $id) {
             eventType tokenId workflowId place data version transition seq } }""",
        variable_values={"id": str(token.pk)},
    )
    by_workflow = await schema.subscribe(
        'subscription { workflowEvents(workflowId: "papers", after: "0") { eventType workflowId tokenId data timestamp } }'
    )
    await in_thread(services.fire, str(token.pk), "submit", {"a": 1})
    update = await asyncio.wait_for(anext(by_token), 10)
    assert update.errors is None
    assert update.data["tokenUpdates"] == {
        "eventType": "transition_fired",
        "tokenId": str(token.pk),
        "workflowId": "papers",
        "place": "review",
        "data": {"a": 1},
        "version": 2,
        "transition": "submit",
        "seq": 2,
    }
    created, fired = [(await asyncio.wait_for(anext(by_workflow), 10)).data["workflowEvents"] for _ in range(2)]
    assert (created["eventType"], created["data"]) == ("token_created", {})
    assert (fired["eventType"], fired["data"], fired["tokenId"]) == ("transition_fired", {"a": 1}, str(token.pk))
    for subscription in (by_token, by_workflow):
        await subscription.aclose()


def test_settled_releases_only_what_nothing_can_come_before() -> None:
    def entry(position: int) -> Any:
        return selectors.LogEntry(position, "", "", 0, "", "", "", "", "", {}, "", None, ())  # type: ignore[arg-type]

    settled = tail.Settled(cursor=4)
    assert [each.position for each in settled.release([entry(5), entry(7)], horizon=10)] == [5]
    assert settled.held == (7,)
    assert settled.wants_fence
    settled.put_fence(20)
    assert settled.release([entry(7), entry(8)], horizon=20) == []
    assert not settled.wants_fence
    assert [each.position for each in settled.release([entry(6), entry(7), entry(8)], horizon=20)] == [6, 7, 8]
    assert settled.release([entry(10)], horizon=20) == []
    assert [each.position for each in settled.release([entry(10)], horizon=21)] == []
    settled.put_fence(30)
    assert [each.position for each in settled.release([entry(10), entry(12)], horizon=31)] == [10]


async def test_another_process_is_heard_through_redis_long_before_the_next_poll(
    papers: Workflow, settings: Any
) -> None:
    need(listens("127.0.0.1", 6379), "no Redis at 127.0.0.1:6379")
    settings.LIVE_POLL_SECONDS = 60
    settings.REDIS_URL = "redis://127.0.0.1:6379/9"
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [settings.REDIS_URL]},
        }
    }
    token = await in_thread(services.create_token, "papers")
    events = await live.follow_token(str(token.pk), None)
    tail.current_tail()._deaf()  # from here on this process's own hints are not heard, only those that came by Redis
    await asyncio.sleep(0.3)
    for number in range(5):
        await in_thread(services.fire, str(token.pk), "touch", {"n": number})
        (event,) = await take(events, 1, seconds=5)
        assert event.data == {"n": number}
    await events.aclose()
    await asyncio.sleep(0.1)


def test_a_process_that_told_others_of_its_log_can_end() -> None:
    """The herald waits for ever; an interpreter that joined it would hang at exit."""
    need(listens("127.0.0.1", 6379), "no Redis at 127.0.0.1:6379")
    code = "import django, time; django.setup(); from workflows import outbox; outbox._announce(); time.sleep(0.5)"
    environment = os.environ | {
        "REDIS_URL": "redis://127.0.0.1:6379/0",
        "DJANGO_SETTINGS_MODULE": "circuit_breaker.settings",
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, timeout=20, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
