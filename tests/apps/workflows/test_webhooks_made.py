"""Webhooks made, listed, switched and removed, by command, GraphQL and admin: the secret is told once."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from tests.apps.workflows.asking import ask, refused, schema
from tests.apps.workflows.conftest import together
from workflows import services
from workflows.core.errors import BadInput, UnknownTransition, WorkflowNotFound
from workflows.core.webhooks import new_secret
from workflows.models import IncomingWebhook, WebhookSubscription, Workflow

CREATE_IN = """mutation ($input: IncomingWebhookInput!) { createIncomingWebhook(input: $input) {
  secret webhook { id path transition signal tokenField } } }"""
CREATE_OUT = """mutation ($input: OutgoingWebhookInput!) { createOutgoingWebhook(input: $input) {
  secret webhook { id workflowId privateAddress } } }"""
SWITCH = "mutation ($id: String!, $enabled: Boolean!) { enableWebhook(id: $id, enabled: $enabled) { id enabled } }"

pytestmark = pytest.mark.django_db(transaction=True)


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
        client.post(address, {"action": "switch_off", "_selected_action": [str(row.pk)]})
        row.refresh_from_db()
        assert row.enabled is False


def test_the_admin_makes_one_and_shows_its_secret_on_that_page_only(papers: Workflow) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    incoming, outgoing = "/admin/workflows/incomingwebhook/", "/admin/workflows/webhooksubscription/"
    hook = {"name": "orders", "workflow": "papers", "transition": "submit", "token_field": "order.token"}
    out = {"name": "crm", "url": "https://crm.example.com/", "events": ["transition_fired"], "private_address": "on"}
    for address, given in ((incoming, hook), (outgoing, out)):
        assert client.get(f"{address}add/").status_code == 200
        made = client.post(f"{address}add/", given)
        assert made.status_code == 200
        assert "no-store" in made["Cache-Control"]
        secret = re.search(r"whsec_[A-Za-z0-9+/=]+", made.content.decode())
        assert secret
        row = (IncomingWebhook if address == incoming else WebhookSubscription).objects.get(name=given["name"])
        assert services.open_secret(row.sealed) == secret[0]
        assert "whsec_" not in client.get(address).content.decode()
        assert "whsec_" not in client.get(f"{address}{row.pk}/change/").content.decode()
    assert (IncomingWebhook.objects.get().transition, IncomingWebhook.objects.get().token_field) == (
        "submit",
        "order.token",
    )
    kept = WebhookSubscription.objects.get()
    assert (kept.events, kept.private_address, kept.workflow_id) == (["transition_fired"], True, None)


def test_the_admin_shows_what_is_wrong_at_its_field_and_makes_nothing(papers: Workflow) -> None:
    services.add_incoming_webhook("taken", "papers")
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    good = {"name": "orders", "workflow": "papers", "token_field": "tokenId"}
    for wrong, field, words in (
        ({"transition": "submitt"}, "transition", "submitt"),
        ({"signal": "x", "transition": "submit"}, "signal", "either a signal or fires"),
        ({"secret": "short"}, "secret", "whsec_"),
        ({"name": "taken"}, "name", "there is an incoming webhook 'taken' already"),
        ({"workflow": "nope"}, "workflow", "valid choice"),
    ):
        form = client.post("/admin/workflows/incomingwebhook/add/", good | wrong).context["adminform"].form
        assert list(form.errors) == [field]
        assert words in form.errors[field][0]
        assert not form.errors[field][0].startswith(f"{field}: ")
    wrong_url = client.post("/admin/workflows/webhooksubscription/add/", {"name": "crm", "url": "ftp://x/"})
    assert "http(s)://host/" in wrong_url.context["adminform"].form.errors["url"][0]
    assert (IncomingWebhook.objects.count(), WebhookSubscription.objects.count()) == (1, 0)


def test_a_name_taken_between_check_and_saving_is_told_and_not_a_crash(
    papers: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.add_incoming_webhook("taken", "papers")
    monkeypatch.setattr("workflows.services.webhooks._check_name", lambda name, model: None)
    with pytest.raises(BadInput, match="name: there is an incoming webhook 'taken' already"):
        services.add_incoming_webhook("taken", "papers")
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    form = {"name": "taken", "workflow": "papers", "token_field": "tokenId"}
    monkeypatch.setattr(IncomingWebhook, "validate_unique", lambda *_, **__: None)
    monkeypatch.setattr(IncomingWebhook, "validate_constraints", lambda *_, **__: None)
    answer = client.post("/admin/workflows/incomingwebhook/add/", form, follow=True)
    assert "there is an incoming webhook &#x27;taken&#x27; already" in answer.content.decode()
    assert IncomingWebhook.objects.count() == 1


def test_six_who_make_one_of_the_same_name_at_once_make_one(papers: Workflow) -> None:
    made = together(6, lambda _: services.add_webhook_subscription("crm", "https://crm.example.com/"))
    lost = [each for each in made if isinstance(each, BadInput)]
    assert (len(made) - len(lost), len(lost), WebhookSubscription.objects.count()) == (1, 5, 1)


def test_graphql_makes_lists_and_switches_and_tells_the_secret_once(papers: Workflow) -> None:
    hook = {"name": "orders", "workflowId": "papers", "transition": "submit", "tokenField": "order.token"}
    made = ask(CREATE_IN, input=hook)["createIncomingWebhook"]
    row = IncomingWebhook.objects.get()
    assert services.open_secret(row.sealed) == made["secret"]
    assert made["webhook"] == {
        "id": str(row.pk),
        "path": f"/hooks/{row.pk}",
        "transition": "submit",
        "signal": None,
        "tokenField": "order.token",
    }
    theirs = new_secret(bytes(32))
    out = {"name": "crm", "url": "https://crm.example.com/", "events": ["transition_fired"], "secret": theirs}
    told = ask(CREATE_OUT, input=out)["createOutgoingWebhook"]
    assert told["secret"] == theirs
    assert told["webhook"] | {"id": ""} == {"id": "", "workflowId": None, "privateAddress": False}
    for each in (made["webhook"]["id"], told["webhook"]["id"]):
        assert ask(SWITCH, id=each, enabled=False)["enableWebhook"] == {"id": each, "enabled": False}
    listed = ask("{ incomingWebhooks { name enabled } outgoingWebhooks { name url events enabled } }")
    assert listed == {
        "incomingWebhooks": [{"name": "orders", "enabled": False}],
        "outgoingWebhooks": [
            {
                "name": "crm",
                "url": "https://crm.example.com/",
                "events": ["transition_fired"],
                "enabled": False,
            }
        ],
    }


def test_graphql_refuses_what_the_services_refuse(papers: Workflow) -> None:
    for wrong, code in (
        ({"transition": "nope"}, "UNKNOWN_TRANSITION"),
        ({"workflowId": "nope"}, "WORKFLOW_NOT_FOUND"),
        ({"name": ""}, "BAD_INPUT"),
    ):
        assert refused(CREATE_IN, input={"name": "a", "workflowId": "papers"} | wrong).code == code
    assert refused(CREATE_OUT, input={"name": "a", "url": "file:///etc/passwd"}).code == "BAD_INPUT"
    for unknown in ("nonsense", "00000000-0000-0000-0000-000000000000"):
        assert refused(SWITCH, id=unknown, enabled=False).code == "WEBHOOK_NOT_FOUND"
    assert refused("{ incomingWebhooks(limit: 501) { name } }").code == "BAD_INPUT"
    assert not IncomingWebhook.objects.exists()
    assert not WebhookSubscription.objects.exists()


def test_no_type_that_shows_a_webhook_has_a_secret() -> None:
    shown = {name: set(schema.graphql_schema.type_map[name].fields) for name in ("IncomingWebhook", "OutgoingWebhook")}
    assert not {"secret", "sealed"} & set().union(*shown.values())
