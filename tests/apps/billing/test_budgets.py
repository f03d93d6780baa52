"""Budgets: set as the guide prints it, and told from the ledger to the nano-dollar."""

from datetime import UTC, datetime, timedelta
from typing import Any

import graphene
import pytest
from django.utils import timezone

from billing import services
from billing.core.budget import period_at
from billing.models import Budget
from billing.schema import Mutation, Query
from tests.apps.billing.records import NOON, a_record

# As printed in the product's guide.
GUIDE_MUTATION = """
mutation SetBudget {
  setBudget(input: {
    userId: "user-123"
    projectId: "project-456"
    limit: 100.0
    period: "monthly"
    alertThresholds: [50, 80, 95]
  }) {
    budgetId
    limit
    used
    remaining
    isExhausted
    alerts {
      threshold
      triggered
      message
    }
  }
}
"""
SET = "mutation ($input: BudgetInput!) { setBudget(input: $input) { budgetId limit used remaining isExhausted } }"
STATUS = """
query ($user: String, $project: String, $period: String) {
  budgetStatus(userId: $user, projectId: $project, period: $period) {
    budgetId userId projectId period limit used remaining isExhausted periodStart periodEnd alerts { triggered }
  }
}
"""
WHOSE = {"user": "user-123", "project": "project-456"}
schema = graphene.Schema(query=Query, mutation=Mutation)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Monday, 10 March 2025, 12:00 UTC."""
    monkeypatch.setattr(timezone, "now", lambda: NOON)


def ask(query: str, **variables: Any) -> Any:
    result = schema.execute(query, variables=variables)
    assert result.errors is None, result.errors
    assert result.data is not None
    return next(iter(result.data.values()))


def spend(usd: float, at: datetime = NOON, **whose: str) -> None:
    services.book([a_record(at, cost_nano=round(usd * 10**9), **(whose or WHOSE))], "gateway")


def test_the_guides_budget_tells_what_the_ledger_holds() -> None:
    spend(80)
    spend(5, NOON - timedelta(days=20))  # last month
    spend(7, user="user-123", project="other")
    budget = ask(GUIDE_MUTATION)
    assert budget.pop("budgetId") == str(Budget.objects.get().pk)
    assert budget == {
        "limit": 100.0,
        "used": 80.0,
        "remaining": 20.0,
        "isExhausted": False,
        "alerts": [
            {
                "threshold": threshold,
                "triggered": triggered,
                "message": f"{threshold} % of the monthly budget of user 'user-123' and project 'project-456' "
                f"{'reached' if triggered else 'not reached'}: 80 of 100 USD used.",
            }
            for threshold, triggered in ((50, True), (80, True), (95, False))
        ],
    }


def test_a_threshold_is_reached_to_the_nano_dollar() -> None:
    services.book([a_record(cost_nano=799_999_999, **WHOSE)], "gateway")
    ask(SET, input={"userId": "user-123", "limit": 1, "period": "total", "alertThresholds": [80]})
    assert ask(STATUS, user="user-123")["alerts"] == [{"triggered": False}]
    services.book([a_record(cost_nano=1, **WHOSE)], "gateway")
    assert ask(STATUS, user="user-123")["alerts"] == [{"triggered": True}]


def test_setting_a_budget_again_changes_it_and_keeps_its_id() -> None:
    given = {"userId": "user-123", "limit": 1.5, "period": "daily"}
    first = ask(SET, input=given)
    second = ask(SET, input={**given, "limit": 0.25})
    assert (second["budgetId"], second["limit"]) == (first["budgetId"], 0.25)
    assert Budget.objects.get().limit_nano == 250_000_000


@pytest.mark.parametrize(
    ("period", "used"), [("hourly", 1.0), ("daily", 3.0), ("weekly", 3.0), ("monthly", 7.0), ("total", 15.0)]
)
def test_each_period_counts_the_calls_that_finished_in_it(period: str, used: float) -> None:
    spend(1)
    spend(2, NOON - timedelta(seconds=1))  # an hour ago by the clock
    spend(4, NOON - timedelta(days=1))  # Sunday, last week
    spend(8, NOON - timedelta(days=20))  # last month
    spend(16, user="other", project="project-456")
    assert ask(SET, input={"userId": "user-123", "limit": 10, "period": period})["used"] == used


def test_a_budget_of_nobody_in_particular_counts_everybodys_calls() -> None:
    spend(1)
    spend(2, user="other", project="")
    assert ask(SET, input={"limit": 10, "period": "total"})["used"] == 3.0
    assert ask(SET, input={"projectId": "project-456", "limit": 10, "period": "total"})["used"] == 1.0


def test_what_is_spent_beyond_the_limit_leaves_nothing_and_not_less() -> None:
    spend(12)
    spent = ask(SET, input={"userId": "user-123", "limit": 10, "period": "monthly"})
    assert (spent["used"], spent["remaining"], spent["isExhausted"]) == (12.0, 0.0, True)


def test_the_status_is_of_exactly_that_user_and_project_and_null_where_none_was_set() -> None:
    ask(SET, input={"userId": "user-123", "limit": 10, "period": "monthly"})
    assert ask(STATUS, user="user-123", project="project-456") is None
    assert ask(STATUS) is None
    shown = ask(STATUS, user="user-123")
    assert (shown["userId"], shown["projectId"], shown["period"]) == ("user-123", None, "monthly")
    assert (shown["periodStart"], shown["periodEnd"]) == ("2025-03-01T00:00:00+00:00", "2025-04-01T00:00:00+00:00")


def test_of_several_periods_the_status_is_of_the_one_most_used_unless_one_is_named() -> None:
    spend(1)
    ask(SET, input={"userId": "user-123", "limit": 100, "period": "monthly"})
    ask(SET, input={"userId": "user-123", "limit": 2, "period": "daily"})
    assert ask(STATUS, user="user-123")["period"] == "daily"
    assert ask(STATUS, user="user-123", period="monthly")["remaining"] == 99.0
    assert ask(STATUS, user="user-123", period="weekly") is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"limit": -0.01}, "limit"),
        ({"limit": 1e10}, "limit"),
        ({"period": "Monthly"}, "period"),
        ({"userId": ""}, "userId"),
        ({"projectId": "x" * 257}, "projectId"),
        ({"userId": "a\0b"}, "userId"),
        ({"alertThresholds": [0]}, "alertThresholds"),
        ({"alertThresholds": [1001]}, "alertThresholds"),
        ({"alertThresholds": list(range(1, 22))}, "alertThresholds"),
    ],
)
def test_an_odd_budget_is_refused_by_field_and_none_is_made(given: dict[str, Any], field: str) -> None:
    result = schema.execute(SET, variables={"input": {"limit": 1, "period": "monthly", **given}})
    assert result.errors is not None
    error: Any = result.errors[0].original_error
    assert (error.code, error.details) == ("BAD_INPUT", {"field": field})
    assert Budget.objects.count() == 0


def test_periods_are_of_utc_and_weeks_begin_on_monday() -> None:
    new_year = datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert period_at("hourly", new_year) == (datetime(2024, 12, 31, 23, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    assert period_at("weekly", new_year) == (datetime(2024, 12, 30, tzinfo=UTC), datetime(2025, 1, 6, tzinfo=UTC))
    assert period_at("monthly", new_year) == (datetime(2024, 12, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    assert period_at("total", new_year) is None
