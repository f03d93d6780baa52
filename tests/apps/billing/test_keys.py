"""API keys of clients: services, snapshot, GraphQL, command and admin. The key itself is shown once and never kept."""

import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import graphene
import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing import services
from billing.core.errors import UnknownKey
from billing.core.keys import ApiKeySettings, Limits, digest
from billing.models import ApiKey
from billing.schema import Mutation, Query
from llm import snapshots
from tests.apps.billing.records import a_record

pytestmark = pytest.mark.django_db
schema = graphene.Schema(query=Query, mutation=Mutation)
CREATE = (
    "mutation($input: ApiKeyInput!) { createApiKey(input: $input) { key apiKey { id name hint scopes models user } } }"
)


def run(query: str, **variables: Any) -> Any:
    result = schema.execute(query, variables=variables)
    assert result.errors is None, result.errors
    return result.data


def test_a_key_is_stored_as_its_hash_only_and_travels_in_a_newer_snapshot() -> None:
    before = snapshots.build_snapshot()
    row, key = services.create_key(ApiKeySettings("ci", "anna", "atlas", ("chat",), ("gpt-4",)))
    stored = ApiKey.objects.filter(pk=row.pk).values().get()
    assert key not in str(stored)
    assert stored["digest"] == digest(key)
    after = snapshots.build_snapshot()
    assert after.version > before.version
    (sent,) = after.api_keys
    assert (sent.id, sent.digest, sent.user, sent.models) == (str(row.pk), digest(key), "anna", ("gpt-4",))


@pytest.mark.parametrize("shown", [True, False])
def test_a_key_may_have_the_cost_shown(shown: bool) -> None:
    made = run(CREATE.replace("user }", "user showCost }"), input={"name": "ci", "showCost": shown})["createApiKey"]
    assert made["apiKey"]["showCost"] is shown
    assert [key.show_cost for key in snapshots.build_snapshot().api_keys] == [shown]
    call_command(
        "apikey", "create", "two", *(["--show-cost"] if shown else []), stdout=io.StringIO(), stderr=io.StringIO()
    )
    assert [key.show_cost for key in snapshots.build_snapshot().api_keys] == [shown, shown]


def test_the_list_says_what_the_columns_are_and_when_a_key_expires() -> None:
    shown = io.StringIO()
    call_command("apikey", "list", stdout=shown)
    assert shown.getvalue() == "There are no API keys. Make one: manage.py apikey create NAME\n"
    services.create_key(ApiKeySettings("ci", models=("gpt-4",), expires_at=datetime(2999, 1, 31, tzinfo=UTC)))
    shown = io.StringIO()
    call_command("apikey", "list", stdout=shown)
    head, row = (line.split("\t") for line in shown.getvalue().splitlines())
    assert head == ["id", "key", "state", "expires", "last used", "scopes", "models", "name"]
    assert row[2:] == ["valid", "2999-01-31 00:00 UTC", "never", "chat", "gpt-4", "ci"]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--expires", "tomorrow", "'tomorrow' is no date: write 2030-01-31 or 2030-01-31T12:00:00+00:00"),
        ("--expires", "2001-01-31", "has passed"),
        ("--model", "no such model", "no name of a model"),
    ],
)
def test_the_command_says_what_is_wrong_with_an_option(option: str, value: str, said: str) -> None:
    with pytest.raises(CommandError, match=re.escape(said)):
        call_command("apikey", "create", "ci", option, value)
    assert not ApiKey.objects.exists()


def test_the_command_says_what_the_new_key_may_and_until_when() -> None:
    said = io.StringIO()
    options = ("--model", "gpt-4", "--expires", "2999-01-31")
    call_command("apikey", "create", "ci", *options, stdout=io.StringIO(), stderr=said)
    assert "It expires at 2999-01-31 00:00 UTC." in said.getvalue()
    assert "It may use gpt-4 only" in said.getvalue()


def test_revoked_and_expired_keys_leave_the_snapshot() -> None:
    row, _ = services.create_key(ApiKeySettings("one"))
    soon, _ = services.create_key(ApiKeySettings("two", expires_at=timezone.now() + timedelta(hours=1)))
    ApiKey.objects.filter(pk=soon.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    version = snapshots.configuration_version()
    revoked = services.revoke_key(str(row.pk)).revoked_at
    assert snapshots.configuration_version() > version
    assert snapshots.build_snapshot().api_keys == ()
    assert services.revoke_key(str(row.pk)).revoked_at == revoked, "the first revocation counts"


@pytest.mark.parametrize("key_id", ["", "0", "-1", "x", "²", "9" * 30, "123456"])
def test_an_unknown_id_is_refused_and_nothing_changes(key_id: str) -> None:
    version = snapshots.configuration_version()
    with pytest.raises(UnknownKey):
        services.revoke_key(key_id)
    assert snapshots.configuration_version() == version


def test_booked_calls_say_when_a_key_was_last_used() -> None:
    row, _ = services.create_key(ApiKeySettings("ci"))
    early, late = a_record(api_key=str(row.pk)), a_record(api_key=str(row.pk))
    services.book([late], "gateway-0")
    services.book([early, a_record(api_key="no number"), a_record(api_key="999")], "gateway-0")
    row.refresh_from_db()
    assert row.last_used_at is not None
    assert int(row.last_used_at.timestamp()) == late.finished_at // 10**9


def test_graphql_makes_lists_and_revokes() -> None:
    made = run(CREATE, input={"name": "ci", "user": "anna", "models": ["gpt-4"], "burst": 2, "requestsPerMinute": 9})
    made = made["createApiKey"]
    assert (ApiKey.objects.get().burst, ApiKey.objects.get().requests_per_minute) == (2, 9)
    assert digest(made["key"]) == ApiKey.objects.get().digest
    assert made["apiKey"] | {"hint": "", "id": ""} == {
        "id": "", "hint": "", "name": "ci", "scopes": ["chat"], "models": ["gpt-4"], "user": "anna",
    }  # fmt: skip
    listed = run("{ apiKeys { id revokedAt lastUsedAt } }")["apiKeys"]
    assert listed == [{"id": made["apiKey"]["id"], "revokedAt": None, "lastUsedAt": None}]
    revoked = run("mutation($id: ID!) { revokeApiKey(id: $id) { revokedAt } }", id=made["apiKey"]["id"])
    assert revoked["revokeApiKey"]["revokedAt"] is not None


def test_graphql_refuses_a_bad_key_by_field() -> None:
    result = schema.execute(CREATE, variables={"input": {"name": "x", "scopes": ["root"]}})
    assert result.errors is not None
    assert result.errors[0].original_error.details == {"field": "scopes"}  # type: ignore[union-attr]
    assert not ApiKey.objects.exists()


def test_the_command_makes_lists_and_revokes() -> None:
    out, err = io.StringIO(), io.StringIO()
    call_command("apikey", "create", "ci", "--scope", "chat", "--expires", "2999-01-01", stdout=out, stderr=err)
    row = ApiKey.objects.get()
    assert (digest(out.getvalue().strip()), row.expires_at) == (row.digest, datetime(2999, 1, 1, tzinfo=UTC))
    call_command("apikey", "revoke", str(row.pk), stdout=io.StringIO())
    listed = io.StringIO()
    call_command("apikey", "list", stdout=listed)
    shown = f"{row.pk}\t{row.hint}\trevoked\t2999-01-01 00:00 UTC\tnever\tchat\tall\tci\n"
    assert listed.getvalue().partition("\n")[2] == shown
    with pytest.raises(CommandError, match="There is no API key '77'"):
        call_command("apikey", "revoke", "77")


def test_the_admin_shows_a_new_key_once_and_edits_and_revokes(client: Client) -> None:
    client.force_login(get_user_model().objects.create_superuser("root", "root@example.com", "pw"))
    form = {"name": "ci", "scopes": ["chat"], "allowed_models": "gpt-4, a/b", "requests_per_minute": "30"}
    page = client.post(reverse("admin:billing_apikey_add"), form)
    row = ApiKey.objects.get()
    assert digest(page.context["key"].secret) == row.digest
    assert page.context["key"].secret in page.content.decode()
    assert (row.allowed_models, row.requests_per_minute) == (["gpt-4", "a/b"], 30)
    assert snapshots.build_snapshot().api_keys[0].limits == Limits(requests_per_minute=30)
    change = reverse("admin:billing_apikey_change", args=[row.pk])
    assert client.post(change, form | {"name": "cd"}).status_code == 302
    row.refresh_from_db()
    assert row.name == "cd"
    refused = client.post(change, form | {"burst": "5", "requests_per_minute": ""})
    assert "burst" in refused.context["adminform"].form.errors
    assert "scopes" in client.post(change, form | {"scopes": []}).context["adminform"].form.errors
    client.post(reverse("admin:billing_apikey_changelist"), {"action": "revoke", "_selected_action": [row.pk]})
    row.refresh_from_db()
    assert row.revoked_at is not None
    assert client.post(reverse("admin:billing_apikey_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
