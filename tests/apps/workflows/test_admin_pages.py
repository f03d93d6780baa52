"""The pages of a workflow and of a case: what they show, that firing from them works, and only for those who may."""

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from tests.apps.workflows.conftest import REVIEW
from workflows import outbox, services
from workflows.models import Case, Firing, OutboxEffect, Token, Workflow

pytestmark = pytest.mark.django_db(transaction=True)

WORKFLOW = "/admin/workflows/workflow/papers/change/"


@pytest.fixture
def staff(papers: Workflow) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    return client


@pytest.fixture
def token(papers: Workflow) -> Token:
    services.attach_action("review", "check", "rules-1")
    return services.create_token("papers", data={"title": "<script>A</script>"})


def onlooker(*permissions: str) -> Client:
    user = User.objects.create_user("eve", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def address(token: Token, action: str = "change") -> str:
    return f"/admin/workflows/case/{token.case_id}/{action}/"


def shown(client: Client, where: str) -> str:
    response = client.get(where)
    assert response.status_code == 200
    return response.content.decode()


def plain(page: str) -> str:
    """The page's words, without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL))


def test_the_workflow_page_shows_picture_places_transitions_and_counts(staff: Client, token: Token) -> None:
    services.fire(str(services.create_token("papers").pk), "submit")
    page = shown(staff, WORKFLOW)
    assert 'class="cb-net"' in page
    words = plain(page)
    assert "1 version 2 open cases 2 live tokens" in words
    assert "approved final" in words
    assert "join review + legal ready manual" in words
    assert "if 1 condition holds" in words
    link = "/admin/workflows/token/?workflow__id__exact=papers&state__exact=live&place=review"
    assert link.replace("&", "&amp;") in page
    assert staff.get(link).context["cl"].result_count == 1


def test_the_workflow_page_tells_versions_apart(staff: Client, token: Token) -> None:
    changed = [*REVIEW["transitions"][1:], {"id": "file", "fromPlaces": ["approved"], "toPlace": "ready"}]
    services.update_workflow("papers", {**REVIEW, "transitions": changed, "name": "Better papers"})
    page = shown(staff, WORKFLOW)
    assert "name changed; transition file added; transition submit removed" in plain(page)
    assert "cb-added" in page and "cb-removed" in page
    link = re.search(r'href="(/admin/workflows/case/[^"]*version[^"]*)"', page)
    assert link is not None
    listed = staff.get(link[1].replace("&amp;", "&"))
    assert [str(case.pk) for case in listed.context["cl"].result_list] == [str(token.case_id)]


def test_the_case_page_shows_where_it_stands_and_why_not(staff: Client, token: Token) -> None:
    services.fire(str(token.pk), "split", {"score": 9}, triggered_by="bob")
    page = shown(staff, address(token))
    assert "<script>A" not in page
    words = plain(page)
    assert "&lt;script&gt;A" in words
    assert 'class="cb-net"' in page
    assert "Why not the other 4?" in words
    assert "submit no token lies in" in words
    assert "token created" in words and "bob" in words
    assert "pending check rules-1" in words
    assert 'name="transition" value="join"' in page and 'name="transition" value="submit"' not in page


def fire(client: Client, token: Token, transition: str, **more: str) -> Any:
    sent = {"token": str(token.pk), "transition": transition, **more}
    return client.post(address(token, "fire"), sent, follow=True)


def test_a_transition_is_fired_from_the_page_once(staff: Client, token: Token) -> None:
    page = shown(staff, address(token))
    key = re.search(r'name="key" value="([^"]+)"', page)
    assert key is not None
    for _ in range(2):
        answer = fire(staff, token, "touch", data='{"score": 7}', key=key[1])
        assert "touch has fired." in answer.content.decode()
    moved = Token.objects.get()
    assert (moved.place, moved.version, moved.data["score"]) == ("draft", 2, 7)
    assert Firing.objects.get(kind=Firing.FIRED).triggered_by == "ada"


def test_what_the_engine_refuses_is_shown_in_its_words(staff: Client, token: Token) -> None:
    for transition, data, said in (
        ("approve", "", "the token is in &quot;draft&quot; and must be in &quot;review&quot;"),
        ("submit", "{", "The data is not JSON"),
        ("submit", "[1]", "The data must be a JSON object"),
        ("nothing", "", "has no transition"),
    ):
        assert said in fire(staff, token, transition, data=data).content.decode(), transition
    assert Firing.objects.count() == 1


def test_a_token_of_another_case_is_not_fired_from_this_page(staff: Client, token: Token) -> None:
    other = services.create_token("papers")
    answer = staff.post(address(token, "fire"), {"token": str(other.pk), "transition": "submit"})
    assert answer.status_code == 404
    assert Token.objects.get(pk=other.pk).place == "draft"


def test_firing_needs_a_permission_a_post_and_the_csrf_token(staff: Client, token: Token) -> None:
    eve = onlooker("view_case")
    page = shown(eve, address(token))
    assert '<button type="submit">Fire' not in page
    assert fire(eve, token, "submit").status_code == 403
    assert staff.get(address(token, "fire")).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="ada"))
    assert strict.post(address(token, "fire"), {"token": str(token.pk), "transition": "submit"}).status_code == 403
    assert Client().post(address(token, "fire")).status_code == 302
    assert Token.objects.get().place == "draft"
    User.objects.get(username="eve").user_permissions.add(Permission.objects.get(codename="change_token"))
    assert "submit has fired." in fire(eve, token, "submit").content.decode()


def test_a_failed_effect_is_retried_from_the_page(staff: Client, token: Token) -> None:
    services.fire(str(token.pk), "submit")
    effect = OutboxEffect.objects.get()
    outbox.claim(str(effect.pk), effect.available_at)
    services.fail(str(effect.pk), 1, "the rules were away", retryable=False)
    assert "the rules were away" in shown(staff, address(token))
    assert onlooker("view_case").post(address(token, "retry"), {"effect": str(effect.pk)}).status_code == 403
    answer = staff.post(address(token, "retry"), {"effect": str(effect.pk)}, follow=True)
    assert "The effect runs again." in answer.content.decode()
    effect.refresh_from_db()
    assert effect.state == "pending"
    other = services.create_token("papers")
    assert staff.post(address(other, "retry"), {"effect": str(effect.pk)}).status_code == 404


def test_the_log_has_pages(staff: Client, token: Token) -> None:
    for number in range(30):
        services.fire(str(token.pk), "touch", {"n": number})
    first, second = plain(shown(staff, address(token))), plain(shown(staff, f"{address(token)}?log=2"))
    assert "page 1 of 2" in first and "page 2 of 2" in second
    assert "token created" not in first and "token created" in second
    assert "page 2 of 2" in plain(shown(staff, f"{address(token)}?log=999"))
    assert "page 1 of 2" in plain(shown(staff, f"{address(token)}?log=x"))
    assert json.loads(staff.get(address(token, "seq")).content) == {"seq": 31, "archived": False}


def test_an_archived_case_has_its_page_and_nothing_to_fire(staff: Client, token: Token) -> None:
    services.fire(str(token.pk), "discard")
    services.archive_case(token.case_id, timezone.now())
    page = shown(staff, address(token))
    words = plain(page)
    assert "finished archived" in words
    assert "Nothing: the case is finished." in words
    assert "token created" in words and "discard" in words
    assert 'class="cb-net"' in page
    assert staff.get(f"/admin/workflows/case/?q={token.pk}").context["cl"].result_count == 1
    assert "is finished and archived" in fire(staff, token, "submit").content.decode()


def test_a_page_of_what_is_not_there_is_no_error(staff: Client) -> None:
    for where in ("workflow/none", "case/00000000-0000-4000-8000-000000000000", "case/x"):
        assert staff.get(f"/admin/workflows/{where}/change/").status_code == 302


def test_the_case_page_costs_a_bounded_number_of_queries(
    staff: Client, token: Token, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        services.create_token("papers", case_id=str(token.case_id))
    assert Case.objects.count() == 1
    with django_assert_max_num_queries(16):
        shown(staff, address(token))


def test_an_effect_whose_token_has_gone_on_is_not_offered_again(staff: Client, token: Token) -> None:
    services.fire(str(token.pk), "submit")
    effect = OutboxEffect.objects.get()
    outbox.claim(str(effect.pk), effect.available_at)
    services.fail(str(effect.pk), 1, "the rules were away", retryable=False)
    assert "Retry now" in shown(staff, address(token))
    services.fire(str(token.pk), "approve")
    assert "Retry now" not in shown(staff, address(token))
