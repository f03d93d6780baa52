"""Webhooks out: every entry told once, signed, tried again, to where it may go."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from standardwebhooks import Webhook

from tests.apps.workflows.conftest import together
from tests.apps.workflows.web import Web
from workflows import services, tasks
from workflows.models import (
    Firing,
    OutboxEffect,
    WebhookReceipt,
    WebhookSubscription,
    Workflow,
)
from workflows.services import webhook_events

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_entry_is_told_once_signed_and_in_order(papers: Workflow, web: Web) -> None:
    services.create_token("papers")
    _, secret = services.add_webhook_subscription("crm", web.url("/crm"), private_address=True)
    token = services.create_token("papers", data={"title": "A"})
    services.fire(str(token.pk), "submit", {"by": "me"}, triggered_by="anna")
    for _ in range(3):
        tasks.sweep()
    told = list(OutboxEffect.objects.filter(kind="webhook").order_by("created_at", "pk"))
    assert len(told) == 2, "the first token came before the subscription"
    for effect in told:
        assert tasks.run_effect(str(effect.pk)) == "completed"
    by_type = {}
    for request in web.seen:
        assert (request["method"], request["path"]) == ("POST", "/crm")
        body = Webhook(secret).verify(request["body"], request["headers"])
        by_type[body["type"]] = (body["data"], request["headers"]["webhook-id"])
    assert set(by_type) == {"token_created", "transition_fired"}
    data, message_id = by_type["transition_fired"]
    assert message_id in {str(effect.pk) for effect in told}
    assert (data["transition"], data["toPlace"], data["data"], data["triggeredBy"]) == (
        "submit",
        "review",
        {"by": "me"},
        "anna",
    )
    assert (data["workflowId"], data["caseId"], data["seq"]) == ("papers", str(token.case_id), 2)


def test_only_what_was_asked_for(papers: Workflow) -> None:
    services.create_workflow(
        {"id": "other", "name": "O", "places": ["draft"], "initialPlace": "draft", "transitions": []}
    )
    services.add_webhook_subscription("a", "https://a.example.com/", events=["transition_fired"])
    services.add_webhook_subscription("b", "https://b.example.com/", workflow_id="other")
    off, _ = services.add_webhook_subscription("c", "https://c.example.com/")
    services.enable_webhook(str(off.pk), False)
    token = services.create_token("papers")
    services.fire(str(token.pk), "submit")
    services.create_token("other")
    tasks.sweep()
    services.enable_webhook(str(off.pk), True)
    tasks.sweep()
    names = {str(row.pk): row.name for row in WebhookSubscription.objects.all()}
    told = [(names[each.reference], each.payload["type"]) for each in OutboxEffect.objects.filter(kind="webhook")]
    assert sorted(told) == [("a", "transition_fired"), ("b", "token_created")]


def test_many_sweepers_tell_each_entry_once(papers: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_events, "PAGE", 7)
    services.add_webhook_subscription("a", "https://a.example.com/")
    for _ in range(20):
        services.create_token("papers")
    together(4, lambda _: [webhook_events.tell_subscribers(timezone.now()) for _ in range(10)])
    for _ in range(5):
        webhook_events.tell_subscribers(timezone.now())
    positions = [each.payload["data"]["position"] for each in OutboxEffect.objects.filter(kind="webhook")]
    assert len(positions) == 20
    assert set(positions) == {str(pk) for pk in Firing.objects.values_list("pk", flat=True)}


def test_an_entry_committed_after_a_later_one_is_not_missed(papers: Workflow) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("only Postgres has two writers at a time")
    services.add_webhook_subscription("a", "https://a.example.com/")
    drawn, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        try:
            with transaction.atomic():
                services.create_token("papers", data={"slow": True})
                drawn.set()
                assert go_on.wait(20)
        finally:
            connection.close()

    writer = threading.Thread(target=slow)
    writer.start()
    assert drawn.wait(20)
    services.create_token("papers", data={"slow": False})
    assert [webhook_events.tell_subscribers(timezone.now()) for _ in range(3)] == [0, 0, 0]
    go_on.set()
    writer.join()
    assert webhook_events.tell_subscribers(timezone.now()) == 2
    told = OutboxEffect.objects.filter(kind="webhook")
    assert sorted(each.payload["data"]["data"]["slow"] for each in told) == [False, True]


def sent(web: Web, answer: Any, **more: Any) -> OutboxEffect:
    """One event told to a server that answers so; the effect afterwards."""
    web.answer = lambda request: answer
    services.add_webhook_subscription("crm", web.url(), **{"private_address": True, **more})
    services.create_token("papers")
    tasks.sweep()
    effect = OutboxEffect.objects.get(kind="webhook")
    tasks.run_effect(str(effect.pk))
    effect.refresh_from_db()
    return effect


@pytest.mark.parametrize("status", [500, 404, 302])
def test_what_was_not_taken_is_sent_again_with_the_same_id(papers: Workflow, web: Web, status: int) -> None:
    effect = sent(web, (status, {"Location": "http://10.0.0.1/"}, b""))
    assert effect.state == "pending"
    assert str(status) in effect.error
    web.answer = lambda request: (204, {}, b"")
    OutboxEffect.objects.update(available_at=timezone.now())
    assert tasks.run_effect(str(effect.pk)) == "completed"
    first, second = web.seen
    assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"] == str(effect.pk)
    assert first["body"] == second["body"]


def test_410_ends_the_subscription(papers: Workflow, web: Web) -> None:
    assert sent(web, (410, {}, b"")).state == "failed"
    assert WebhookSubscription.objects.get().enabled is False
    services.create_token("papers")
    tasks.sweep()
    assert OutboxEffect.objects.filter(kind="webhook").count() == 1


def test_a_private_address_is_not_called(papers: Workflow, web: Web) -> None:
    effect = sent(web, (200, {}, b""), private_address=False)
    assert effect.state == "failed"
    assert "which is not public" in effect.error
    assert web.seen == []


def test_what_is_long_past_is_forgotten(papers: Workflow, web: Web) -> None:
    hook, _ = services.add_incoming_webhook("orders", "papers")
    WebhookReceipt.objects.create(webhook=hook, message_id="m-1", received_at=timezone.now())
    effect = sent(web, (200, {}, b""))
    assert effect.state == "done"
    assert tasks.tidy() == 0
    month = timezone.now() - timedelta(days=31)
    WebhookReceipt.objects.update(received_at=month)
    OutboxEffect.objects.update(created_at=month)
    assert tasks.tidy() == 2
