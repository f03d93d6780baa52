"""Usage in the admin: searchable, filterable, totalled, and not to be changed by anyone."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from billing import services
from billing.admin.usage import OPERATIONS
from billing.core.usage import attempt_id
from billing.models import Call
from llm.core.operations import OPERATIONS as KNOWN
from tests.apps.billing.records import NOON, a_record

pytestmark = pytest.mark.django_db
CALLS, DAYS = "admin:billing_call_changelist", "admin:billing_dailyusage_changelist"


@pytest.fixture
def browser(client: Client) -> Client:
    """Logged in as someone who may do everything, with three calls booked."""
    client.force_login(get_user_model().objects.create_superuser("root", "root@example.com", "pw"))
    services.book(
        [
            a_record(user="anna", request_id="req-anna"),
            a_record(user="bert", provider="google", model="gemini-pro", cost_nano=125_000),
            a_record(user="bert", outcome="cancelled", status=499),
        ],
        "gateway-0",
    )
    return client


def totals(browser: Client, page: str, **query: str) -> tuple[int, str]:
    answer = browser.get(reverse(page), query)
    assert answer.status_code == 200
    shown = answer.context["totals"]
    assert f"${shown['cost']}" in answer.content.decode()
    return shown["calls"], shown["cost"]


def test_totals_are_those_of_the_filtered_rows(browser: Client) -> None:
    assert totals(browser, CALLS) == (3, "0.012125")
    assert totals(browser, CALLS, user="bert") == (2, "0.006125")
    assert totals(browser, CALLS, provider="google") == (1, "0.000125")
    assert totals(browser, CALLS, model="gpt-4") == (2, "0.012000")
    assert totals(browser, CALLS, outcome="cancelled") == (1, "0.006000")
    assert totals(browser, CALLS, finished_at_from_0="2025-03-11", finished_at_from_1="00:00:00") == (0, "0.000000")
    assert totals(browser, CALLS, finished_at_from_0="2025-03-10", finished_at_to_0="2025-03-10")[0] == 3
    assert totals(browser, CALLS, finished_at_to_0="2025-03-10", finished_at_to_1="11:59:59")[0] == 0
    assert totals(browser, CALLS, finished_at_from_0="nonsense")[0] == 3
    assert totals(browser, CALLS, q="req-anna") == (1, "0.006000")
    assert totals(browser, CALLS, q="req-ann") == (0, "0.000000")


def test_calls_are_filtered_by_operation(browser: Client) -> None:
    services.book([a_record(operation="embeddings", cost_nano=3_000)], "gateway-0")
    assert totals(browser, CALLS, operation="embeddings") == (1, "0.000003")
    assert totals(browser, CALLS, operation="chat completions")[0] == 3
    assert "embeddings" in browser.get(reverse(CALLS), {"operation": "embeddings"}).content.decode()


def test_every_operation_that_uses_tokens_can_be_filtered_by() -> None:
    assert set(OPERATIONS) == {one.name for one in KNOWN.values() if one.metered}


def test_attempts_are_shown_and_a_call_counts_once(browser: Client) -> None:
    last = a_record(NOON, request_id="req-two", attempts=2)
    first = a_record(NOON, request_id="req-two", id=attempt_id(last.id, 1), call=last.id, status=503, cost_nano=7_000)
    services.book([first, last], "gateway-0")
    assert totals(browser, CALLS, q="req-two") == (1, "0.006007")
    assert totals(browser, CALLS, q="req-two", attempt="earlier") == (0, "0.000007")
    assert totals(browser, CALLS, q="req-two", attempt="last") == (1, "0.006000")
    assert "1, another followed" in browser.get(reverse(CALLS), {"q": "req-two"}).content.decode()


def test_daily_sums_show_the_same_totals(browser: Client) -> None:
    assert totals(browser, DAYS) == (3, "0.012125")
    assert totals(browser, DAYS, user="bert", model="gpt-4") == (1, "0.006000")
    assert totals(browser, DAYS, day_from="2025-03-11") == (0, "0.000000")


def test_one_call_can_be_looked_at(browser: Client) -> None:
    call = Call.objects.get(request_id="req-anna")
    answer = browser.get(reverse("admin:billing_call_change", args=[call.pk]))
    assert answer.status_code == 200
    assert "req-anna" in answer.content.decode()


def test_nobody_changes_adds_or_deletes(browser: Client) -> None:
    call = Call.objects.first()
    assert call is not None
    assert browser.post(reverse("admin:billing_call_change", args=[call.pk]), {"cost_nano": 0}).status_code == 403
    assert browser.get(reverse("admin:billing_call_add")).status_code == 403
    assert browser.post(reverse("admin:billing_call_delete", args=[call.pk]), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [str(call.pk)], "post": "yes"}
    browser.post(reverse(CALLS), chosen)
    assert Call.objects.count() == 3


def test_number_of_queries_does_not_grow_with_the_rows(browser: Client, django_assert_max_num_queries: object) -> None:
    services.book([a_record(NOON, user=f"user-{number}") for number in range(90)], "gateway-0")
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        browser.get(reverse(CALLS))
