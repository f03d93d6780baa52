"""Webhooks in: signed messages taken once. Webhooks out: every entry told once, signed, tried again, to where it may go."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client, override_settings
from django.utils import timezone
from standardwebhooks import Webhook

from tests.apps.workflows.conftest import together
from tests.apps.workflows.web import Web, web_server
from workflows import services, tasks
from workflows.core.errors import BadInput, UnknownTransition, WorkflowNotFound
from workflows.core.webhooks import signed_headers
from workflows.models import (
    Firing,
    IncomingWebhook,
    OutboxEffect,
    Token,
    WebhookReceipt,
    WebhookSubscription,
    Workflow,
)
from workflows.services import webhook_events

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


def post(hook: IncomingWebhook, secret: str, body: Any, message_id: str = "m-1", **more: str) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = signed_headers(secret, message_id, time.time(), raw) | more
    return Client().post(f"/hooks/{hook.pk}", raw, "application/json", headers=headers)


def test_a_message_opens_a_case_once_however_often_it_comes(papers: Workflow) -> None:
    hook, secret = services.add_incoming_webhook("orders", "papers")
    answers = [post(hook, secret, {"title": "A"}) for _ in range(3)]
    assert [(each.status_code, each.json()["duplicate"]) for each in answers] == [
        (200, False),
        (200, True),
        (200, True),
    ]
    token = Token.objects.get()
    assert {each.json()["tokenId"] for each in answers} == {str(token.pk)}
    assert (token.place, token.data, token.case.triggered_by) == ("draft", {"title": "A"}, "webhook:orders")
    assert post(hook, secret, {"title": "A"}, message_id="m-2").json()["duplicate"] is False
    assert Token.objects.count() == 2


def test_the_same_message_five_times_at_once_is_taken_once(papers: Workflow) -> None:
    hook, secret = services.add_incoming_webhook("orders", "papers")
    answers = together(5, lambda _: post(hook, secret, {}).json())
    assert sorted(each["duplicate"] for each in answers) == [False, True, True, True, True]
    assert Token.objects.count() == 1


def test_a_message_fires_a_transition_with_the_token_it_names(papers: Workflow) -> None:
    hook, secret = services.add_incoming_webhook("sent", "papers", transition="submit", token_field="order.token")
    token = services.create_token("papers")
    body = {"order": {"token": str(token.pk)}, "by": "post"}
    assert post(hook, secret, body).status_code == 200
    assert post(hook, secret, body).json()["duplicate"] is True
    token.refresh_from_db()
    assert (token.place, token.data["by"]) == ("review", "post")
    refused = post(hook, secret, body, message_id="m-2")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "NOT_ENABLED")
    assert WebhookReceipt.objects.count() == 1, "a refused message may be sent again"
    for odd in ({}, {"order": {"token": 7}}, {"order": {"token": "00000000-0000-0000-0000-000000000000"}}):
        assert post(hook, secret, odd, message_id="m-3").status_code == 422


def test_a_message_is_a_signal_for_the_cases_that_wait_for_it() -> None:
    parcel = {
        "id": "parcel",
        "name": "Parcel",
        "places": ["packed", "sent"],
        "initialPlace": "packed",
        "transitions": [
            {
                "id": "send",
                "kind": "signal",
                "fromPlaces": ["packed"],
                "toPlace": "sent",
                "work": {"signal": "parcel-sent", "correlation": {"order": "data.order"}},
            }
        ],
    }
    services.create_workflow(parcel)
    hook, secret = services.add_incoming_webhook("shipped", "parcel", signal="parcel-sent")
    one, two = (services.create_token("parcel", data={"order": each}) for each in ("A-1", "A-2"))
    answers = [post(hook, secret, {"order": "A-1", "by": "post"}).json() for _ in range(2)]
    assert answers == [
        {"tokenId": None, "moved": 1, "duplicate": False},
        {"tokenId": None, "moved": 0, "duplicate": True},
    ]
    one.refresh_from_db()
    two.refresh_from_db()
    assert (one.place, one.data["by"], two.place) == ("sent", "post", "packed")
    assert Firing.objects.get(transition="send").triggered_by == "webhook:shipped"
    assert post(hook, secret, {"order": "A-9"}, message_id="m-2").json()["moved"] == 0
    with pytest.raises(BadInput, match="either a signal or fires"):
        services.add_incoming_webhook("both", "parcel", signal="x", transition="send")


def test_a_token_of_another_workflow_is_out_of_reach(papers: Workflow) -> None:
    other = {"id": "other", "name": "O", "places": ["draft"], "initialPlace": "draft", "transitions": []}
    services.create_workflow(other)
    hook, secret = services.add_incoming_webhook("sent", "papers", transition="submit")
    token = services.create_token("other")
    answer = post(hook, secret, {"tokenId": str(token.pk)})
    assert (answer.status_code, answer.json()["error"]["message"]) == (422, "tokenId: is a token of another workflow")


def test_what_is_not_signed_is_too_old_too_large_or_no_json_is_refused(papers: Workflow) -> None:
    hook, secret = services.add_incoming_webhook("orders", "papers")
    assert post(hook, secret, {}, **{"webhook-signature": "v1,AAAA"}).status_code == 401
    assert post(hook, secret, {}, **{"webhook-timestamp": str(int(time.time()) - 400)}).status_code == 401
    assert Client().post(f"/hooks/{hook.pk}", {}, "application/json").status_code == 401
    assert post(hook, secret, b"[]").status_code == 400
    assert post(hook, secret, b"{").status_code == 400
    assert post(hook, secret, b'{"a": NaN}').status_code == 400
    assert post(hook, secret, b"[" * 100_000).status_code == 400
    assert post(hook, secret, b" " * 1_000_001).status_code == 413
    assert post(hook, secret, b" " * 3_000_000).status_code == 413
    assert Client().get(f"/hooks/{hook.pk}").status_code == 405
    for wrong in ("nonsense", "00000000-0000-0000-0000-000000000000"):
        assert Client().post(f"/hooks/{wrong}", {}, "application/json").status_code == 404
    IncomingWebhook.objects.update(enabled=False)
    assert post(hook, secret, {}).status_code == 404
    assert not Token.objects.exists()


def test_secrets_are_sealed_and_a_lost_key_is_told_to_the_operator_only(
    papers: Workflow, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    hook, secret = services.add_incoming_webhook("orders", "papers")
    out, told = services.add_webhook_subscription("crm", "https://crm.example.com/hook")
    for row, each in ((hook, secret), (out, told)):
        row.refresh_from_db()
        assert each not in str(row.__dict__)
        assert services.open_secret(row.sealed) == each
    with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert services.open_secret(hook.sealed) == secret
    with override_settings(SECRET_KEY="another"):
        assert post(hook, secret, {}).status_code == 500
    assert secret not in caplog.text
    assert told not in caplog.text


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


def test_what_cannot_be_made_is_refused(papers: Workflow) -> None:
    services.add_incoming_webhook("a", "papers")
    services.add_webhook_subscription("b", "https://b.example.com/")
    for url in ("ftp://x/", "http://", "http://u:p@x/", "x", "http://[::1", ""):
        with pytest.raises(BadInput, match="url"):
            services.add_webhook_subscription("c", url)
    with pytest.raises(BadInput, match="'nope' is not known"):
        services.add_webhook_subscription("c", "https://c.example.com/", events=["nope"])
    with pytest.raises(BadInput, match="already"):
        services.add_incoming_webhook("a", "papers")
    with pytest.raises(BadInput, match="already"):
        services.add_webhook_subscription("b", "https://b.example.com/")
    with pytest.raises(BadInput, match="secret"):
        services.add_incoming_webhook("c", "papers", secret="short")
    with pytest.raises(UnknownTransition):
        services.add_incoming_webhook("c", "papers", transition="nope")
    with pytest.raises(WorkflowNotFound):
        services.add_incoming_webhook("c", "nope")


def test_what_is_long_past_is_forgotten(papers: Workflow, web: Web) -> None:
    hook, secret = services.add_incoming_webhook("orders", "papers")
    post(hook, secret, {})
    effect = sent(web, (200, {}, b""))
    assert effect.state == "done"
    assert tasks.tidy() == 0
    month = timezone.now() - timedelta(days=31)
    WebhookReceipt.objects.update(received_at=month)
    OutboxEffect.objects.update(created_at=month)
    assert tasks.tidy() == 2


def test_the_command_makes_lists_and_removes(papers: Workflow, capsys: Any) -> None:
    call_command("webhook", "receive", "orders", "--workflow", "papers")
    call_command("webhook", "send", "crm", "https://crm.example.com/", "--event", "transition_fired")
    made = capsys.readouterr().out
    assert made.count("whsec_") == 2
    call_command("webhook", "list")
    shown = capsys.readouterr().out
    assert "opens a case of papers" in shown
    assert "https://crm.example.com/ all workflows: transition_fired" in shown
    assert "whsec_" not in shown
    call_command("webhook", "remove", "orders")
    call_command("webhook", "remove", "crm")
    call_command("webhook", "list")
    assert "There is no webhook." in capsys.readouterr().out
    with pytest.raises(CommandError, match="There is no webhook 'crm'"):
        call_command("webhook", "remove", "crm")


def test_the_admin_shows_and_switches_webhooks_and_never_a_secret(papers: Workflow) -> None:
    hook, secret = services.add_incoming_webhook("orders", "papers")
    out, told = services.add_webhook_subscription("crm", "https://crm.example.com/")
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    for page, row in (("incomingwebhook", hook), ("webhooksubscription", out)):
        address = f"/admin/workflows/{page}/"
        shown = client.get(address).content.decode() + client.get(f"{address}{row.pk}/change/").content.decode()
        assert row.name in shown
        for each in (secret, told, hook.sealed, out.sealed):
            assert each not in shown
        assert client.get(f"{address}add/").status_code == 403
        client.post(address, {"action": "switch_off", "_selected_action": [str(row.pk)]})
        row.refresh_from_db()
        assert row.enabled is False
