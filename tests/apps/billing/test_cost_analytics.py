"""`costAnalytics`: figures exact to the nano-dollar, from the rollups."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import graphene
import pytest
from django.utils import timezone

from billing import selectors, services
from billing.core.errors import BadInput
from billing.core.pricing import Usage
from billing.schema import Query
from billing.selectors import UsageFilter
from tests.apps.billing.records import NOON, a_record

# As printed in the product's guide.
GUIDE_QUERY = """
query CostAnalytics {
  costAnalytics {
    totalCost
    dailySpend
    monthlySpend
    providerBreakdown {
      provider
      cost
      requests
      averageCostPerRequest
    }
    modelBreakdown {
      model
      cost
      requests
      inputTokens
      outputTokens
    }
    projectedMonthlySpend
    costTrends {
      date
      cost
    }
  }
}
"""
schema = graphene.Schema(query=Query)


def ask(query: str, **variables: Any) -> Any:
    result = schema.execute(query, variables=variables)
    assert result.errors is None, result.errors
    assert result.data is not None
    return result.data["costAnalytics"]


@pytest.fixture
def spending(db: None) -> None:
    """Today (10 March 2025): 3 x 0.006 USD GPT-4 and one of 125,000 nano-dollars; last month: 0.006 USD."""
    services.book(
        [
            a_record(user="user-123", project="project-456"),
            a_record(user="user-123"),
            a_record(user="other"),
            a_record(
                provider="google",
                model="gemini-pro",
                cost_nano=125_000,
                usage=Usage(input=60, cached_input=30, cache_write=10, output=20, reasoning=30),
            ),
            a_record(NOON - timedelta(days=20)),
        ],
        "gateway-0",
    )


def test_figures_are_exact(spending: None) -> None:
    figures = selectors.cost_analytics(UsageFilter(), NOON)
    assert figures.total == 24_125_000
    assert figures.today == figures.month == 18_125_000
    assert figures.projected_month == 18_125_000 * 31 * 24 // (9 * 24 + 12)
    assert [(row.provider, row.cost_nano, row.requests) for row in figures.providers] == [
        ("openai", 24_000_000, 4),
        ("google", 125_000, 1),
    ]
    assert [
        (row.model, row.cost_nano, row.requests, row.input_tokens, row.output_tokens) for row in figures.models
    ] == [
        ("gpt-4", 24_000_000, 4, 400, 200),
        ("gemini-pro", 125_000, 1, 100, 50),
    ]
    assert len(figures.trend) == 30
    assert figures.trend[-1] == selectors.DayCost(date(2025, 3, 10), 18_125_000)
    assert figures.trend[-21] == selectors.DayCost(date(2025, 2, 18), 6_000_000)
    assert sum(day.cost_nano for day in figures.trend) == 24_125_000


def test_filters_by_user_project_and_days(spending: None) -> None:
    assert selectors.cost_analytics(UsageFilter(user="user-123"), NOON).total == 12_000_000
    assert selectors.cost_analytics(UsageFilter(user="user-123", project="project-456"), NOON).total == 6_000_000
    assert selectors.cost_analytics(UsageFilter(user="nobody"), NOON).total == 0
    february = UsageFilter(start=date(2025, 2, 1), end=date(2025, 2, 28))
    figures = selectors.cost_analytics(february, NOON)
    assert (figures.total, figures.today, len(figures.trend)) == (6_000_000, 18_125_000, 28)


@pytest.mark.parametrize(
    "period",
    [
        UsageFilter(start=date(2025, 3, 2), end=date(2025, 3, 1)),
        UsageFilter(start=date(1900, 1, 1), end=date(2025, 3, 1)),
    ],
)
def test_impossible_periods_are_refused(db: None, period: UsageFilter) -> None:
    with pytest.raises(BadInput):
        selectors.cost_analytics(period, NOON)


def test_first_and_last_days_of_the_calendar_are_no_trouble(db: None) -> None:
    assert len(selectors.cost_analytics(UsageFilter(end=date(1, 1, 1)), NOON).trend) == 1
    assert len(selectors.cost_analytics(UsageFilter(start=date(9999, 12, 31)), NOON).trend) == 1


def test_projection_counts_the_first_day_as_a_whole_one() -> None:
    assert selectors.project_month(1_000, datetime(2025, 4, 1, 0, 1, tzinfo=UTC)) == 30_000
    assert selectors.project_month(15_000, datetime(2025, 4, 16, tzinfo=UTC)) == 30_000


@pytest.mark.parametrize("rows", [10, 300])
def test_number_of_queries_does_not_grow_with_the_ledger(db: None, rows: int, django_assert_num_queries: Any) -> None:
    services.book([a_record(user=f"user-{number}", model=f"model-{number}") for number in range(rows)], "gateway-0")
    with django_assert_num_queries(6):
        selectors.cost_analytics(UsageFilter(), NOON)


def test_the_query_of_the_guide_answers_in_usd(db: None) -> None:
    now = timezone.now()
    services.book([a_record(now), a_record(now, provider="google", model="gemini-pro", cost_nano=22_500)], "gateway-0")
    answer = ask(GUIDE_QUERY)
    assert answer["totalCost"] == answer["dailySpend"] == answer["monthlySpend"] == 0.0060225
    assert answer["projectedMonthlySpend"] >= 0.0060225
    assert answer["providerBreakdown"] == [
        {"provider": "openai", "cost": 0.006, "requests": 1, "averageCostPerRequest": 0.006},
        {"provider": "google", "cost": 0.0000225, "requests": 1, "averageCostPerRequest": 0.0000225},
    ]
    assert answer["modelBreakdown"] == [
        {"model": "gpt-4", "cost": 0.006, "requests": 1, "inputTokens": 100, "outputTokens": 50},
        {"model": "gemini-pro", "cost": 0.0000225, "requests": 1, "inputTokens": 100, "outputTokens": 50},
    ]
    assert answer["costTrends"][-1] == {"date": now.date().isoformat(), "cost": 0.0060225}


def test_no_calls_cost_nothing(db: None) -> None:
    answer = ask(GUIDE_QUERY)
    assert (answer["totalCost"], answer["projectedMonthlySpend"], answer["providerBreakdown"]) == (0.0, 0.0, [])
    assert len(answer["costTrends"]) == 30


def test_input_filters(spending: None) -> None:
    query = "query Q($input: CostAnalyticsInput) { costAnalytics(input: $input) { totalCost costTrends { date } } }"
    assert ask(query, input={"userId": "user-123", "projectId": "project-456"})["totalCost"] == 0.006
    march = ask(query, input={"startDate": "2025-03-01", "endDate": "2025-03-31T23:00:00Z"})
    assert (march["totalCost"], len(march["costTrends"])) == (0.018125, 31)


def test_token_sums_beyond_32_bits_are_shown(db: None) -> None:
    services.book([a_record(usage=Usage(input=2**39))], "gateway-0")
    assert ask("{ costAnalytics { modelBreakdown { inputTokens } } }")["modelBreakdown"] == [{"inputTokens": 2**39}]


def test_malformed_date_is_a_clear_error(db: None) -> None:
    result = schema.execute('{ costAnalytics(input: {startDate: "yesterday"}) { totalCost } }')
    assert result.errors is not None
    error = result.errors[0].original_error
    assert isinstance(error, BadInput)
    assert (error.code, str(error)) == ("BAD_INPUT", "startDate is 'yesterday'; give a day such as 2025-01-31.")
