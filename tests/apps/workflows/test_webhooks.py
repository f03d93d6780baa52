"""Webhooks in: signed messages taken once, and what is not signed refused."""

import json
import logging
import time
from typing import Any

import pytest
from django.test import Client, override_settings

from tests.apps.workflows.conftest import together
from workflows import services
from workflows.core.errors import BadInput
from workflows.core.webhooks import signed_headers
from workflows.models import (
    Firing,
    IncomingWebhook,
    Token,
    WebhookReceipt,
    Workflow,
)

pytestmark = pytest.mark.django_db(transaction=True)


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
