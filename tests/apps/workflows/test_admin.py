"""The admin shows workflows, cases, tokens, the log and effects; it changes none of them, and lets effects run again."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from workflows import outbox, services
from workflows.models import OutboxEffect, Token, Workflow

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = ("workflow", "case", "token", "firing", "outboxeffect", "placeaction")


@pytest.fixture
def staff(papers: Workflow) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    return client


@pytest.fixture
def reviewed(papers: Workflow) -> Token:
    services.attach_action("review", "check", "rules-1")
    token = services.create_token("papers", data={"title": "<script>A</script>"})
    return services.fire(str(token.pk), "submit")


def rows(client: Client, address: str) -> int:
    response = client.get(address)
    assert response.status_code == 200, (address, response.status_code)
    return int(response.context["cl"].result_count)


def test_every_list_opens_and_none_offers_to_add(staff: Client, reviewed: Token) -> None:
    for page in PAGES:
        assert rows(staff, f"/admin/workflows/{page}/") == (2 if page == "firing" else 1), page
        assert staff.get(f"/admin/workflows/{page}/add/").status_code == 403


def test_every_row_opens_and_none_can_be_changed_or_deleted(staff: Client, reviewed: Token) -> None:
    effect = OutboxEffect.objects.get()
    for page, pk in (
        ("workflow", "papers"),
        ("case", reviewed.case_id),
        ("token", reviewed.pk),
        ("firing", reviewed.firings.first().pk),  # type: ignore[union-attr]
        ("outboxeffect", effect.pk),
    ):
        address = f"/admin/workflows/{page}/{pk}/change/"
        shown = staff.get(address)
        assert shown.status_code == 200, page
        assert "<script>A" not in shown.content.decode()
        assert staff.post(address, {"place": "approved", "state": "done"}).status_code == 403
        assert staff.post(f"/admin/workflows/{page}/{pk}/delete/", {"post": "yes"}).status_code == 403
    assert Token.objects.get(pk=reviewed.pk).place == "review"


def test_tokens_are_found_by_id_case_place_workflow_and_state(staff: Client, reviewed: Token) -> None:
    services.create_token("papers")
    for query, expected in (
        (f"q={reviewed.pk}", 1),
        (f"q={reviewed.case_id}", 1),
        ("q=review", 1),
        ("q=nothing", 0),
        ("q=%27%22%5C%25", 0),
        ("place=review", 1),
        ("workflow__id__exact=papers", 2),
        ("state__exact=consumed", 0),
    ):
        assert rows(staff, f"/admin/workflows/token/?{query}") == expected, query
    assert rows(staff, f"/admin/workflows/firing/?q={reviewed.pk}") == 2
    assert rows(staff, f"/admin/workflows/case/?q={reviewed.pk}") == 1
    assert rows(staff, f"/admin/workflows/outboxeffect/?q={reviewed.pk}") == 1


def test_a_list_of_many_tokens_costs_a_fixed_number_of_queries(
    staff: Client, reviewed: Token, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        services.create_token("papers")
    with django_assert_max_num_queries(12):
        staff.get("/admin/workflows/token/")


def retry(client: Client, effect: OutboxEffect) -> Any:
    asked = {"action": "run_again", "_selected_action": [str(effect.pk)]}
    return client.post("/admin/workflows/outboxeffect/", asked, follow=True)


def test_a_failed_effect_runs_again_when_asked(staff: Client, reviewed: Token) -> None:
    effect = OutboxEffect.objects.get()
    run = outbox.claim(str(effect.pk), effect.available_at)
    assert run is not None
    services.fail(run.id, 1, "no", retryable=False)
    assert "1 of 1 effects run again" in retry(staff, effect).content.decode()
    effect.refresh_from_db()
    assert (effect.state, effect.attempt) == ("pending", 1)


def test_who_may_only_look_cannot_retry(reviewed: Token) -> None:
    effect = OutboxEffect.objects.get()
    run = outbox.claim(str(effect.pk), effect.available_at)
    assert run is not None
    services.fail(run.id, 1, "no", retryable=False)
    onlooker = User.objects.create_user("eve", is_staff=True)
    onlooker.user_permissions.add(Permission.objects.get(codename="view_outboxeffect"))
    client = Client()
    client.force_login(onlooker)
    assert "effects run again" not in retry(client, effect).content.decode()
    effect.refresh_from_db()
    assert effect.state == "failed"
